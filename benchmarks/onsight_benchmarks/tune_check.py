"""Does `onsight tune` take the fastest? Its choice beside everything measured in full, several times for each model.

Each time the model is tuned anew, with another order of measuring; then all that took part is measured in full, in
turns in the same process, and the choice is held against the one with the lowest median there.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.stats import Ratio
from onsight_benchmarks.tuning.contest import EXHAUSTIVE_ROUNDS
from onsight_benchmarks.tuning.tune import BUDGET_S, MOST_OVER_BEST, tune
from onsight_edge.errors import BenchmarkError, UsageError
from onsight_edge.profile import identify

TIMES = 5


@dataclass(frozen=True, slots=True)
class Tuning:
    """One tuning and what it is held against.

    Attributes:
        model: the name in its manifest.
        choice, best: labels of what was chosen, and of the fastest of all measured in full.
        ratio: of the choice to the best.
        seconds: until the choice was made.
        combinations: how many there were to choose from.
    """

    model: str
    choice: str
    best: str
    ratio: Ratio
    seconds: float
    combinations: int


def measure(
    models: Sequence[str | Path] = ("default",),
    *,
    times: int = TIMES,
    budget_s: float = BUDGET_S,
    threads: Sequence[int] = (1, 2),
    seed: int = 0,
) -> Report:
    """Tune every model several times.

    Args:
        models: bundles, model files or `default`.
        times: tunings of each.
        budget_s, threads: of each tuning.
        seed: of the first; the next ones count up.

    Raises:
        UsageError: no times at all. BenchmarkError: nothing of a model may be taken, or two models have one name.
        ModelError: no such model.
    """
    if times < 1:
        raise UsageError("--times must be at least 1")
    identities = {model: identify(model) for model in models}
    names = [one.name for one in identities.values()]
    if len(set(names)) < len(models):
        raise BenchmarkError(f"the models must have different names, not {', '.join(names)}")
    watch = Watch()
    tunings = []
    for model, identity in identities.items():
        for time in range(times):
            found = tune(model, threads=threads, budget_s=budget_s, exhaustive=True, seed=seed + time)
            if found.exhaustive is None:
                raise BenchmarkError(f"{model}: {found.tried[0].label} may not be taken: {found.tried[0].because}")
            full, results = found.exhaustive, found.report.results
            choice = found.tried[0].label
            tunings.append(Tuning(identity.name, choice, full.best, full.ratio, results["seconds"], len(found.tried)))
    return finish(
        "tune_check",
        watch,
        method={
            "models": {one.name: one.sha256 for one in identities.values()},
            "times": times,
            "budget_s": budget_s,
            "threads": list(threads),
            "seed": seed,
            "rounds_in_full": EXHAUSTIVE_ROUNDS,
        },
        results={"tunings": tunings},
        targets=tuple(
            Target(
                f"{name}: the choice over the fastest of all, p50, the worst of {times} tunings",
                max(one.ratio.median for one in tunings if one.model == name),
                MOST_OVER_BEST,
            )
            for name in names
        ),
    )


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("models", nargs="*", default=["default"], help="bundles or model files; default: the shipped")
    parser.add_argument("--times", type=int, default=TIMES, help="tunings of each (%(default)s)")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds of each, at most (%(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", help="for one inference; default: 1 and 2, or 1 on one core")
    parser.add_argument("--seed", type=int, default=0, help="of the first tuning; the next ones count up")
    options = parser.parse_args()
    threads = options.threads or ([1, 2] if (os.cpu_count() or 1) > 1 else [1])
    report = measure(options.models, times=options.times, budget_s=options.budget, threads=threads, seed=options.seed)
    lines = [
        f"{one.model}: {one.choice} after {one.seconds:.1f} s, {one.ratio} of {one.best}, the fastest of all"
        for one in report.results["tunings"]
    ]
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
