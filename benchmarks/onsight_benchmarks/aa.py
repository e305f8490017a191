"""How often is the same thing called different from itself? A/A pairs, judged by onsight_benchmarks.verdict.

Pairs: two classifiers of the same file, opened anew for each pair, so that their memory lies elsewhere each time, take
turns as in every comparison. A third, slowed by 10 % on purpose, shows that the rule is not blind. Sessions: fresh
processes measure the file one after the other; each is held against every other as `onsight bench --against` does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.child import run_child
from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.measurement import STAGES
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.rounds import (
    BLOCK,
    ITERATIONS,
    SETTLE_CALLS,
    SETTLE_MS,
    WARMUP,
    Block,
    measure_rounds,
    timed_queries,
    timed_stages,
)
from onsight_benchmarks.stats import summarise
from onsight_benchmarks.verdict import RULE, RULE_APART, Verdict, floors, verdict, verdict_apart
from onsight_edge.classifier import Classifier
from onsight_edge.errors import UsageError
from onsight_edge.frame import Timings

PAIRS = 100
SESSIONS = 20
SLOWED = 0.10
LEAST_ALIKE = 0.95
LEAST_PAIRS = 100
_STAGES = ("inference", "end_to_end")


def measure(
    model: str | Path = "default",
    *,
    variant: str | None = None,
    backend: str = "auto",
    pairs: int = PAIRS,
    sessions: int = SESSIONS,
    iterations: int = ITERATIONS,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Measure A/A pairs and sessions.

    Args:
        model, variant, backend: any model; `default` is the shipped one.
        pairs: of classifiers in one process.
        sessions: fresh processes; 0 for none.
        iterations: calls of each classifier in a pair, and of each session.
        seed: of the orders and the synthetic frame.
        tell: told how far it is.

    Raises:
        UsageError: a number makes no sense.
    """
    if pairs < 1 or sessions < 0 or sessions == 1 or iterations < 1:
        raise UsageError("--pairs and --iterations must be at least 1, --sessions 0 or at least 2")
    frame, picture = make_frame(None, seed)
    watch = Watch()
    verdicts: dict[str, list[Verdict]] = {stage: [] for stage in _STAGES}
    found_slower: list[Verdict] = []
    for pair in range(pairs):
        tell(f"pair {pair + 1} of {pairs}")
        with (
            Classifier.open(model, variant=variant, backend=backend, threads=1) as one,
            Classifier.open(model, variant=variant, backend=backend, threads=1) as other,
        ):
            blocks = measure_rounds(
                _three(one, other, frame), iterations=iterations, rng=random.Random(f"{seed} {pair}")
            )
            file, runtime = one.model, one.backend.name
        for stage in _STAGES:
            verdicts[stage].append(verdict(_medians(blocks[0], stage), _medians(blocks[1], stage), pair))
        found_slower.append(verdict(_medians(blocks[2], "end_to_end"), _medians(blocks[0], "end_to_end"), pair))
    assert file is not None  # Classifier.open gave it
    results: dict[str, Any] = {
        "pairs": {stage: _summed_up(found) for stage, found in verdicts.items()},
        "slowed": {"by": SLOWED, "found": sum(one.answer == "slower" for one in found_slower), "pairs": pairs},
    }
    targets = [
        Target(f"pairs without a difference, {stage}, share", _alike(found), LEAST_ALIKE, False)
        for stage, found in verdicts.items()
    ]
    if sessions:
        apart = _sessions(str(file.bundle or file.path), variant, backend, sessions, iterations, tell)
        results["sessions"] = {**_summed_up(apart), "sessions": sessions}
        targets.append(Target("pairs of sessions without a difference, share", _alike(apart), LEAST_ALIKE, False))
    few = () if pairs >= LEAST_PAIRS else (f"{pairs} pairs were measured; {LEAST_PAIRS} are asked for",)
    return finish(
        "aa",
        watch,
        method={
            "model": describe_model(file),
            "backend": runtime,
            "threads": 1,
            "picture": picture,
            "seed": seed,
            "pairs": pairs,
            "sessions": sessions,
            "iterations": iterations,
            "warmup": WARMUP,
            "block": BLOCK,
            "settle_calls": SETTLE_CALLS,
            "settle_ms": SETTLE_MS,
            "rule": RULE,
            "rule_apart": RULE_APART,
        },
        results=results,
        targets=tuple(targets),
        objections=few,
        timed=False,  # a busy machine is what the rule must stand
        children=True,
    )


def _three(one: Classifier, other: Classifier, frame: NDArray[np.uint8]) -> list[Callable[[int], Block]]:
    """The two, and the first once more, slowed; all of them warm."""
    took = []
    for _ in range(WARMUP):
        other.classify_timed(frame)
        started = time.perf_counter_ns()
        one.classify_timed(frame)
        took.append(time.perf_counter_ns() - started)
    extra_ns = round(SLOWED * float(np.median(took)))

    def slowed() -> Timings:
        timings = one.classify_timed(frame)[1]
        until = time.perf_counter_ns() + extra_ns
        while time.perf_counter_ns() < until:
            pass
        return timings

    return [timed_stages(one, frame), timed_stages(other, frame), timed_queries(slowed)]


def _medians(blocks: list[Block], stage: str) -> list[float]:
    column = STAGES.index(stage)
    return [float(np.median(block[:, column])) for block in blocks]


def _sessions(
    model: str, variant: str | None, backend: str, sessions: int, iterations: int, tell: Callable[[str], None]
) -> list[Verdict]:
    taken = []
    for session in range(sessions):
        tell(f"session {session + 1} of {sessions}")
        arguments_ = ["--session", str(Path(model).resolve()), variant or "", backend, str(iterations)]
        taken.append(floors(json.loads(run_child("onsight_benchmarks.aa", arguments_)), BLOCK))
    return [verdict_apart(later, earlier) for earlier, later in itertools.combinations(taken, 2)]


def _session(model: str, variant: str, backend: str, iterations: str) -> None:
    """A fresh process: prints every call's end-to-end time in nanoseconds."""
    frame, _ = make_frame()
    with Classifier.open(model, variant=variant or None, backend=backend, threads=1, trusted=True) as one:
        for _ in range(WARMUP):
            one.classify_timed(frame)
        blocks = measure_rounds([timed_stages(one, frame)], iterations=int(iterations), rng=random.Random(0))[0]
    print(json.dumps(np.concatenate(blocks)[:, -1].tolist()))


def _alike(found: list[Verdict]) -> float:
    return round(sum(one.answer == "no difference" for one in found) / len(found), 4)


def _summed_up(found: list[Verdict]) -> dict[str, Any]:
    answers = [one.answer for one in found]
    return {
        "pairs": len(found),
        "no_difference": answers.count("no difference"),
        "faster": answers.count("faster"),
        "slower": answers.count("slower"),
        "ratio": summarise([one.ratio.median for one in found], digits=4),
        "interval_width": summarise([one.ratio.high - one.ratio.low for one in found], digits=4),
    }


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="default", help="a model file or a bundle; default: the shipped")
    parser.add_argument("--variant", help="which of a bundle's variants")
    parser.add_argument("--backend", default="auto", help="what executes it (%(default)s)")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of classifiers in one process (%(default)s)")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="fresh processes (%(default)s); 0: none")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="calls of each (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the orders and the synthetic frame")
    options = parser.parse_args()
    report = measure(
        options.model,
        variant=options.variant,
        backend=options.backend,
        pairs=options.pairs,
        sessions=options.sessions,
        iterations=options.iterations,
        seed=options.seed,
        tell=lambda line: print(f"\r{line} ", end="", file=sys.stderr) if sys.stderr.isatty() else None,
    )
    results = report.results
    lines = [
        f"{name}: {one['no_difference']} of {one['pairs']} pairs show no difference; "
        f"ratios {one['ratio'].min:.3f} to {one['ratio'].max:.3f}"
        for name, one in (*results["pairs"].items(), *(("sessions", results[k]) for k in ("sessions",) if k in results))
    ]
    slowed = results["slowed"]
    lines.append(f"slowed by {slowed['by']:.0%}: found in {slowed['found']} of {slowed['pairs']} pairs")
    return report, options, lines


if __name__ == "__main__":
    if sys.argv[1:2] == ["--session"]:
        _session(*sys.argv[2:])
    else:
        run_command(_command)
