"""single-stream: one picture a query, the next when the last was answered. What counts is the 90th percentile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onsight_benchmarks.early_stopping import percentile_scenario
from onsight_benchmarks.measurement import Scenario
from onsight_benchmarks.plan import Combination
from onsight_benchmarks.rounds import Block
from onsight_benchmarks.scenarios.outcome import Outcome, Setup
from onsight_benchmarks.scenarios.turns import Subject, one_by_one, prepare_subjects

NAME = "single-stream"


def prepare(combinations: Sequence[Combination], setup: Setup) -> Callable[[], list[Outcome]]:
    """See `scenarios.Prepare`."""
    return prepare_subjects([one_by_one(one, setup, 1) for one in combinations], setup, _describe, NAME)


def _describe(_subject: Subject, taken: Block) -> Scenario:
    return percentile_scenario(NAME, 90, taken[:, -1] / 1e6)
