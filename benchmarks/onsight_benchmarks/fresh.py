"""What a fresh process pays before its first answer: run as a child, prints one JSON object.

The clock of `init_ms` starts when Python, NumPy, OpenCV and onsight are imported and ends when the model is ready,
so it holds the import of the runtime, reading and hashing the file, and building the interpreter. `first_ms` is the
first classification after it. More follow, at least 20, until there are 200 or a second has passed: how many of them
are still slow is the warm-up. The resident memory is read after them.
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, median_high
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.child import run_child
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BenchmarkError, OnsightError

if TYPE_CHECKING:  # the child, whose start is measured, needs none of it
    from onsight_benchmarks.measurement import WarmUp
    from onsight_benchmarks.plan import Combination

_LEAST, _MOST, _MOST_S = 20, 200, 1.0  # further classifications; buffers that are made on first use are made by then
_RUN, _NEAR = 5, 1.1


@dataclass(frozen=True, slots=True)
class FreshStart:
    """One fresh process.

    Attributes:
        init_ms: `Classifier.open`, in milliseconds.
        first_ms: the first `classify`, in milliseconds.
        rss_mib, rss_peak_mib: resident memory of the process, and its peak, in MiB; None where /proc has none.
        warm_up_calls, warm_up_ms, settled_ms: see `warm_up`.
    """

    init_ms: float
    first_ms: float
    rss_mib: float | None
    rss_peak_mib: float | None
    warm_up_calls: int
    warm_up_ms: float
    settled_ms: float


def measure_fresh(
    model: str, variant: str | None, backend: str, threads: int, frame: Path, spec: Path | None = None
) -> FreshStart:
    """Start a process that opens the model and classifies one frame.

    Args:
        model, variant, backend, threads, spec: as `Classifier.open` takes them.
        frame: an .npy file with a (H, W, 3) uint8 picture.

    Raises:
        BenchmarkError: the process failed; the message has its last line.
    """
    text = run_child(
        "onsight_benchmarks.fresh", [model, variant or "", backend, str(threads), str(frame), str(spec or "")]
    )
    try:
        return FreshStart(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise BenchmarkError(f"a fresh process answered no figures but {text[:80]!r}") from error


def fresh_starts(
    combinations: Sequence[Combination],
    frame: NDArray[np.uint8],
    fresh: int,
    rng: random.Random,
    tell: Callable[[str, float], None],
) -> list[list[FreshStart]]:
    """Start `fresh` processes for each combination, in an order that is drawn anew each time.

    Args:
        combinations: what to open.
        frame: (H, W, 3) uint8 BGR.
        fresh: processes of each; 0 for none.
        rng: draws the order.
        tell: told how far it is.

    Raises:
        BenchmarkError: a process failed, or the frame cannot be written for it.
    """
    starts: list[list[FreshStart]] = [[] for _ in combinations]
    jobs = [index for _ in range(fresh) for index in rng.sample(range(len(combinations)), len(combinations))]
    if not jobs:
        return starts
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
        file = Path(folder).resolve() / "frame.npy"
        try:
            np.save(file, frame)
        except OSError as error:
            raise BenchmarkError(f"cannot write the frame to {file}: {error.strerror or error}") from error
        for done, index in enumerate(jobs):
            tell("fresh processes", done / len(jobs))
            one = combinations[index]
            starts[index].append(measure_fresh(one.model, one.variant, one.backend, one.threads, file, one.spec))
    return starts


def warm_up(took_ms: NDArray[np.float64]) -> tuple[int, float, float]:
    """How many classifications after the first were slow.

    Args:
        took_ms: (N,) what each took, in their order, N at least 10.

    Returns:
        How many came before five in a row whose median is within 10 % of the settled one, what these took together, and
        the settled one: the median of the later half.
    """
    settled = float(np.median(took_ms[len(took_ms) // 2 :]))
    for at in range(len(took_ms) - _RUN + 1):
        if np.median(took_ms[at : at + _RUN]) <= _NEAR * settled:
            return at, float(took_ms[:at].sum()), settled
    return len(took_ms), float(took_ms.sum()), settled


def typical_warm_up(starts: Sequence[FreshStart]) -> WarmUp | None:
    """The medians over several processes; None of none."""
    from onsight_benchmarks.measurement import WarmUp

    if not starts:
        return None
    return WarmUp(
        median_high([one.warm_up_calls for one in starts]),
        round(median([one.warm_up_ms for one in starts]), 4),
        round(median([one.settled_ms for one in starts]), 4),
    )


def resident_mib(status: Path = Path("/proc/self/status")) -> tuple[float | None, float | None]:
    """This process's resident memory and its peak in MiB (man 5 proc: VmRSS, VmHWM)."""
    try:
        text = status.read_text()
    except OSError:
        return None, None
    sizes = {name: int(kib) / 1024 for name, kib in re.findall(r"^(VmRSS|VmHWM):\s*(\d+) kB", text, re.MULTILINE)}
    return tuple(round(sizes[name], 1) if name in sizes else None for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def main() -> None:
    """The child: MODEL VARIANT BACKEND THREADS FRAME.npy SPEC on the command line."""
    model, variant, backend, threads, frame_file, spec = sys.argv[1:]
    frame = np.load(frame_file, allow_pickle=False)
    started = time.perf_counter_ns()
    try:
        classifier = Classifier.open(
            model,
            variant=variant or None,
            backend=backend,
            threads=int(threads),
            spec=Path(spec) if spec else None,
            trusted=True,  # the parent has opened it before: see plan.py
        )
        ready = time.perf_counter_ns()
        classifier.classify(frame)
        answered = time.perf_counter_ns()
        ends = [answered]
        while len(ends) <= _LEAST or (len(ends) <= _MOST and ends[-1] - answered < _MOST_S * 1e9):
            classifier.classify(frame)
            ends.append(time.perf_counter_ns())
    except OnsightError as error:
        sys.exit(str(error))
    rss, peak = resident_mib()
    calls, warming_ms, settled_ms = warm_up(np.diff(ends) / 1e6)
    print(
        json.dumps(
            {
                "init_ms": round((ready - started) / 1e6, 3),
                "first_ms": round((answered - ready) / 1e6, 4),
                "rss_mib": rss,
                "rss_peak_mib": peak,
                "warm_up_calls": calls,
                "warm_up_ms": round(warming_ms, 4),
                "settled_ms": round(settled_ms, 4),
            }
        )
    )


if __name__ == "__main__":
    main()
