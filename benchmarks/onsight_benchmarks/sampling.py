"""What looking at the device twice a second costs the thread that is measured: by a thread beside it, by a process.

The measured thread classifies without a pause. Slices of a second take turns, in an order drawn anew each round: nobody
looks; a thread of the same process does; the process does that records are taken with (onsight_benchmarks.sampler).
They look at this machine, and at a tree of files with a `vcgencmd` that is a shell script, as much work as a Raspberry
Pi is.

Two figures: a ratio is the median over the rounds of a slice's percentile by that of the same round's slice without
looks. And what one look costs: how much longer than the median the calls around it took together, as the median over
all looks, less the same around moments without a look; two such a second are a share of the time.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.sampler import HZ, Looker, Sampler
from onsight_benchmarks.stats import paired_ratio, percentile
from onsight_edge.classifier import Classifier

MOST_RATIO = 1.01
ROUNDS = 20
SLICE_S = 1.0
PERCENTS = (50, 90, 99)
_NONE = "none"
_BEFORE_NS, _AFTER_NS = 30_000_000, 2_000_000  # a look that starts vcgencmd takes some milliseconds


def plant_raspberry_pi(root: Path) -> Path:
    """A tree of files that is as much to read as a Raspberry Pi 5's, to measure what reading it costs."""
    policy, thermal = root / "sys/devices/system/cpu/cpufreq/policy0", root / "sys/class/thermal"
    files = {
        policy / "affected_cpus": "0 1 2 3",
        policy / "scaling_governor": "ondemand",
        policy / "scaling_cur_freq": "2400000",
        policy / "scaling_max_freq": "2400000",
        policy / "cpuinfo_max_freq": "2400000",
        thermal / "thermal_zone0/type": "cpu-thermal",
        thermal / "thermal_zone0/temp": "51000",
        thermal / "cooling_device0/type": "pwm-fan",
        thermal / "cooling_device0/cur_state": "1",
        root / "usr/bin/vcgencmd": "#!/bin/sh\ncase $1 in get_throttled) echo throttled=0x0;; "
        "pmic_read_adc) echo ' VDD_CORE_A current(7)=2.00000000A'; echo ' VDD_CORE_V volt(15)=0.80000000V';; esac",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    (root / "usr/bin/vcgencmd").chmod(0o755)
    return root


@dataclass(frozen=True, slots=True, eq=False)
class _Slice:
    """(calls,) when each call ended and what it took, nanoseconds of `time.monotonic_ns`; when somebody had looked."""

    ended: NDArray[np.int64]
    took: NDArray[np.int64]
    looks: tuple[int, ...]

    def around_looks(self) -> list[float]:
        """For each look how much longer than the median the calls took around it, all together, nanoseconds."""
        late = self.took - np.median(self.took)
        first, last = self.ended[0], self.ended[-1]
        return [
            float(late[(self.ended > look - _BEFORE_NS) & (self.ended <= look + _AFTER_NS)].sum())
            for look in self.looks
            if first <= look - _BEFORE_NS and look + _AFTER_NS <= last
        ]


Looks = list[int]
"""When looks ended, nanoseconds; complete when the one who looks has ended."""


@contextmanager
def _nobody() -> Iterator[Looks]:
    began = time.monotonic_ns()
    yield [began + round(number * 1e9 / HZ) for number in range(1, int(2 * HZ * SLICE_S))]


@contextmanager
def _thread(root: Path) -> Iterator[Looks]:
    looker, ended = Looker(root), threading.Event()
    looks: Looks = []

    def look() -> None:
        while not ended.wait(1 / HZ):
            looks.append(round(looker.look().t * 1e9))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield looks
    finally:
        ended.set()
        thread.join()


@contextmanager
def _process(root: Path) -> Iterator[Looks]:
    sampler = Sampler(root, HZ)
    looks: Looks = []
    try:
        yield looks
    finally:
        looks += [round(row.t * 1e9) for row in sampler.stop().rows]


def measure(model: str | Path = "default", *, rounds: int = ROUNDS, seed: int = 0) -> Report:
    """Measure what the looks cost.

    Args:
        model: what is classified meanwhile.
        rounds: each with a slice of a second of every kind.
        seed: of the order and the synthetic frame.
    """
    frame, picture = make_frame(None, seed)
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder, Classifier.open(model, threads=1) as one:
        roots = {"this machine": Path("/"), "like a Raspberry Pi": plant_raspberry_pi(Path(folder).resolve())}
        kinds: dict[str, Callable[[], AbstractContextManager[Looks]]] = {_NONE: _nobody}
        for name, root in roots.items():
            kinds[f"thread, {name}"] = lambda root=root: _thread(root)  # type: ignore[misc]
            kinds[f"process, {name}"] = lambda root=root: _process(root)  # type: ignore[misc]
        slices: dict[str, list[_Slice]] = {name: [] for name in kinds}
        _classify(one, frame, SLICE_S)
        watch = Watch(busy=True)
        for _ in range(rounds):
            for name in rng.sample(list(kinds), len(kinds)):
                with kinds[name]() as looks:
                    _classify(one, frame, SLICE_S / 10)  # what starting it cost is over
                    ended, took = _classify(one, frame, SLICE_S)
                slices[name].append(_Slice(ended, took, tuple(looks)))
    around = {name: [late for block in blocks for late in block.around_looks()] for name, blocks in slices.items()}
    without = float(np.median(around[_NONE]))
    costs: dict[str, dict[str, Any]] = {
        name: {
            "looks": len(late),
            "look_us": round((float(np.median(late)) - without) / 1e3, 1),
            "of_the_time": round(1 + HZ * (float(np.median(late)) - without) / 1e9, 5),
            "ratio_to_none": {
                f"p{percent}": paired_ratio(
                    [percentile(np.sort(block.took), percent) for block in slices[name]],
                    [percentile(np.sort(block.took), percent) for block in slices[_NONE]],
                    seed,
                )
                for percent in PERCENTS
            },
        }
        for name, late in around.items()
        if name != _NONE
    }
    calls = {name: sum(len(block.took) for block in blocks) for name, blocks in slices.items()}
    p50_us = round(float(np.median(np.concatenate([block.took for block in slices[_NONE]]))) / 1e3, 1)
    return finish(
        "sampling",
        watch,
        method={
            "model": one.spec.name,
            "picture": picture,
            "seed": seed,
            "hz": HZ,
            "rounds": rounds,
            "slice_s": SLICE_S,
            "calls": calls,
        },
        results={"p50_us": p50_us, "costs": costs},
        targets=tuple(
            Target(f"{what}, {where}", figure, MOST_RATIO)
            for where in roots
            for cost in (costs[f"process, {where}"],)
            for what, figure in (
                ("p50 while the process looks", cost["ratio_to_none"]["p50"].median),
                ("time taken with its looks", cost["of_the_time"]),
            )
        ),
        children=True,
    )


def _classify(one: Classifier, frame: NDArray[np.uint8], seconds: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Classify for so long; when each call ended and what it took, nanoseconds."""
    ends, took = [], []
    until = time.monotonic_ns() + int(seconds * 1e9)
    ended = 0
    while ended < until:
        started = time.monotonic_ns()
        one.classify(frame)
        ended = time.monotonic_ns()
        ends.append(ended)
        took.append(ended - started)
    return np.asarray(ends, np.int64), np.asarray(took, np.int64)


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument(
        "model", nargs="?", default="default", help="what is classified meanwhile; default: the shipped"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="each of five slices of a second (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the order and the synthetic frame")
    options = parser.parse_args()
    report = measure(options.model, rounds=max(2, options.rounds), seed=options.seed)
    lines = [
        f"{name}: a look costs {cost['look_us']:.0f} us; "
        + ", ".join(f"{figure} {ratio}" for figure, ratio in cost["ratio_to_none"].items())
        for name, cost in report.results["costs"].items()
    ]
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
