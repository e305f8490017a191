"""What looking at the device twice a second costs the thread that is measured: by a thread beside it, by a process.

The measured thread classifies without a pause. Slices of a second take turns, in an order drawn anew each round: nobody
looks; a thread of the same process does; the process does that records are taken with (onsight_benchmarks.sampler).
They look at this machine, and at a tree of files with a `vcgencmd` that is a shell script, as much work as a Raspberry
Pi is. A ratio is the median over the rounds of a slice's percentile by that of the same round's slice without looks.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
TARGETS = (50, 90)  # those that are quoted; a look twice a second reaches few calls in a hundred


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


@contextmanager
def _thread(root: Path) -> Iterator[None]:
    looker, ended = Looker(root), threading.Event()

    def look() -> None:
        while not ended.wait(1 / HZ):
            looker.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _process(root: Path) -> Iterator[None]:
    sampler = Sampler(root, HZ)
    try:
        yield
    finally:
        sampler.stop()


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
        kinds: dict[str, Callable[[], AbstractContextManager[None]]] = {"none": nullcontext}
        for name, root in roots.items():
            kinds[f"thread, {name}"] = lambda root=root: _thread(root)  # type: ignore[misc]
            kinds[f"process, {name}"] = lambda root=root: _process(root)  # type: ignore[misc]
        slices: dict[str, list[NDArray[np.float64]]] = {name: [] for name in kinds}
        _slice(one, frame, SLICE_S)
        watch = Watch(busy=True)
        for _ in range(rounds):
            for name in rng.sample(list(kinds), len(kinds)):
                with kinds[name]():
                    _slice(one, frame, SLICE_S / 10)  # what starting it cost is over
                    slices[name].append(_slice(one, frame, SLICE_S))
    results: dict[str, Any] = {}
    for name, blocks in slices.items():
        if name != "none":
            results[name] = {
                f"p{percent}": paired_ratio(
                    [percentile(block, percent) for block in blocks],
                    [percentile(block, percent) for block in slices["none"]],
                    seed,
                )
                for percent in PERCENTS
            }
    calls = {name: sum(len(block) for block in blocks) for name, blocks in slices.items()}
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
        results={"p50_us": round(float(np.median(np.concatenate(slices["none"]))) / 1e3, 1), "ratio_to_none": results},
        targets=tuple(
            Target(
                f"p{percent} while the process looks, {where}",
                results[f"process, {where}"][f"p{percent}"].median,
                MOST_RATIO,
            )
            for where in roots
            for percent in TARGETS
        ),
        children=True,
    )


def _slice(one: Classifier, frame: NDArray[np.uint8], seconds: float) -> NDArray[np.float64]:
    """Classify for so long; what each call took in nanoseconds, ascending."""
    taken = []
    until = time.perf_counter_ns() + int(seconds * 1e9)
    ended = 0
    while ended < until:
        started = time.perf_counter_ns()
        one.classify(frame)
        ended = time.perf_counter_ns()
        taken.append(ended - started)
    return np.sort(np.asarray(taken, np.float64))


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
        f"{name}: " + ", ".join(f"{figure} {ratio}" for figure, ratio in ratios.items())
        for name, ratios in report.results["ratio_to_none"].items()
    ]
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
