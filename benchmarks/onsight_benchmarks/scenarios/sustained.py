"""single-stream for minutes, from cold on (onsight_benchmarks.sustained)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from onsight_benchmarks.early_stopping import percentile_scenario
from onsight_benchmarks.measurement import STAGES
from onsight_benchmarks.plan import Combination
from onsight_benchmarks.rounds import timed_queries
from onsight_benchmarks.scenarios.outcome import Outcome, Setup
from onsight_benchmarks.scenarios.single_stream import NAME
from onsight_benchmarks.scenarios.turns import one_by_one
from onsight_benchmarks.sustained import measure_sustained


def prepare(combinations: Sequence[Combination], setup: Setup) -> Callable[[], list[Outcome]]:
    """See `scenarios.Prepare`. Nothing is warmed up; the figures are those of the values that were kept."""
    subjects = [timed_queries(one_by_one(one, setup, 1).query) for one in combinations]
    assert setup.seconds is not None

    def measure(seconds: float = setup.seconds) -> list[Outcome]:
        lasting = measure_sustained(subjects, seconds, setup.rng, lambda share: setup.tell("measuring", share))
        return [
            Outcome(
                combination=combination,
                scenario=replace(percentile_scenario(NAME, 90, one.kept[:, -1] / 1e6), queries=one.count),
                stages_ns={stage: one.kept[:, i] for i, stage in enumerate(STAGES)},
                pictures=one.count,
                seconds=one.total_ns / 1e9,
                slices=one.slices,
                repeat=subject,
            )
            for combination, subject, one in zip(combinations, subjects, lasting, strict=True)
        ]

    return measure
