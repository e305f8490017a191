"""What measuring adds to what is measured: the benchmark's own path beside a bare loop around the same calls.

Three ways of timing `Classifier.classify` on one frame take turns in short blocks: the harness as `onsight bench` uses
it (`rounds.timed_stages`: five clock readings a call, the times kept in an array), a loop of two clock readings around
`classify` that appends to a list, and the same harness around nothing at all, which shows what is left in a figure when
there is nothing to measure. The ratio of the first two is that of the blocks' medians, round by round. `pause_us` is
the time between the calls of a block, in which the harness keeps its books: it is in no figure, but it could cool a
cache. Then whole measurements of 100 calls take turns, in settled rounds and in one bare loop.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.rounds import (
    BLOCK,
    SETTLE_CALLS,
    SETTLE_MS,
    WARMUP,
    Block,
    measure_rounds,
    timed_queries,
    timed_stages,
)
from onsight_benchmarks.stats import paired_ratio, summarise
from onsight_edge.classifier import Classifier
from onsight_edge.frame import Timings

ITERATIONS = 3000
TURNS, TURN_CALLS = 30, 100
MOST_RATIO = 1.02
_NOTHING = Timings(0, 0, 0)


def bare_loop(classifier: Classifier, frame: NDArray[np.uint8]) -> Callable[[int], Block]:
    """A function that classifies the frame so many times and returns what each call took, (calls, 1) nanoseconds."""
    classify, clock = classifier.classify, time.perf_counter_ns

    def measure(calls: int) -> Block:
        taken = []
        for _ in range(calls):
            started = clock()
            classify(frame)
            taken.append(clock() - started)
        return np.asarray(taken, np.int64)[:, np.newaxis]

    return measure


def _p50(classifier: Classifier, frame: NDArray[np.uint8], way: str, rng: random.Random) -> float:
    """The median of TURN_CALLS calls in nanoseconds: in settled rounds as `onsight bench` measures, or in one loop."""
    if way == "loop":
        return float(np.median(bare_loop(classifier, frame)(TURN_CALLS)))
    blocks = measure_rounds([timed_stages(classifier, frame)], iterations=TURN_CALLS, rng=rng)[0]
    return float(np.median(np.concatenate(blocks)[:, -1]))


class _Whole:
    """A subject whose whole blocks are timed too."""

    def __init__(self, subject: Callable[[int], Block]) -> None:
        self.blocks_ns: list[int] = []
        self._subject = subject

    def __call__(self, calls: int) -> Block:
        started = time.perf_counter_ns()
        block = self._subject(calls)
        if calls == BLOCK:
            self.blocks_ns.append(time.perf_counter_ns() - started)
        return block


def measure(
    model: str | Path = "default",
    *,
    variant: str | None = None,
    iterations: int = ITERATIONS,
    seed: int = 0,
) -> Report:
    """Measure the harness.

    Args:
        model, variant: any model; `default` is the shipped one.
        iterations: calls of each way.
        seed: of the order and the synthetic frame.
    """
    frame, picture = make_frame(None, seed)
    turns: dict[str, list[float]] = {"rounds": [], "loop": []}
    with Classifier.open(model, variant=variant, threads=1) as classifier:
        file = classifier.model
        assert file is not None  # Classifier.open gave it
        ways = {
            "harness": _Whole(timed_stages(classifier, frame)),
            "bare": _Whole(bare_loop(classifier, frame)),
            "nothing": _Whole(timed_queries(lambda: _NOTHING)),
        }
        for _ in range(WARMUP):
            classifier.classify(frame)
        watch = Watch()
        rng = random.Random(seed)
        rounds = measure_rounds(list(ways.values()), iterations=iterations, rng=rng)
        for _ in range(TURNS):
            for name in rng.sample(list(turns), 2):
                turns[name].append(_p50(classifier, frame, name, rng))
    taken = {name: np.stack(blocks)[:, :, -1] for name, blocks in zip(ways, rounds, strict=True)}
    ratio = paired_ratio(np.median(taken["harness"], axis=1), np.median(taken["bare"], axis=1), seed)
    whole = paired_ratio(turns["rounds"], turns["loop"], seed)
    pauses = {
        name: (np.asarray(ways[name].blocks_ns[-len(blocks) :]) - blocks.sum(axis=1)) / BLOCK / 1e3
        for name, blocks in taken.items()
    }
    return finish(
        "harness",
        watch,
        method={
            "model": describe_model(file),
            "threads": 1,
            "picture": picture,
            "seed": seed,
            "warmup": WARMUP,
            "rounds": len(rounds[0]),
            "block": BLOCK,
            "settle_calls": SETTLE_CALLS,
            "settle_ms": SETTLE_MS,
            "turns": TURNS,
            "turn_calls": TURN_CALLS,
        },
        results={
            "latency_ms": {name: summarise(blocks.ravel() / 1e6, digits=6) for name, blocks in taken.items()},
            "ratio": ratio,
            "ratio_of_rounds": whole,
            "pause_us": {name: summarise(found, digits=3) for name, found in pauses.items()},
        },
        targets=(
            Target("harness over the bare loop, p50", ratio.median, MOST_RATIO),
            Target("a whole measurement in rounds over one bare loop, p50", whole.median, MOST_RATIO),
        ),
    )


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="default", help="a model file or a bundle; default: the shipped")
    parser.add_argument("--variant", help="which of a bundle's variants")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="calls of each way (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the order and the synthetic frame")
    options = parser.parse_args()
    report = measure(options.model, variant=options.variant, iterations=max(1, options.iterations), seed=options.seed)
    lines = [
        f"{name}: p50 {one.p50 * 1e3:.2f} us, p99 {one.p99 * 1e3:.1f} us, "
        f"{report.results['pause_us'][name].p50:.2f} us between calls"
        for name, one in report.results["latency_ms"].items()
    ]
    lines.append(
        f"harness / bare {report.results['ratio'].median:.4f} ({report.results['ratio'].low:.4f}-"
        f"{report.results['ratio'].high:.4f})"
    )
    whole = report.results["ratio_of_rounds"]
    lines.append(f"rounds / one loop {whole.median:.4f} ({whole.low:.4f}-{whole.high:.4f})")
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
