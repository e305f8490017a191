"""multi-stream: several pictures a query, as of several cameras; the next query when the last was answered whole.

What counts is the 99th percentile of a query's time. The pictures go through the runtime one after the other, and in
one batch too where the file takes one: two measurements, because which way is faster depends on file and processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onsight_benchmarks.early_stopping import percentile_scenario
from onsight_benchmarks.measurement import Scenario
from onsight_benchmarks.plan import Combination
from onsight_benchmarks.rounds import Block
from onsight_benchmarks.scenarios.outcome import Outcome, Setup
from onsight_benchmarks.scenarios.turns import Subject, batched, one_by_one, prepare_subjects

NAME = "multi-stream"


def prepare(combinations: Sequence[Combination], setup: Setup) -> Callable[[], list[Outcome]]:
    """See `scenarios.Prepare`."""
    subjects = []
    for one in combinations:
        subjects.append(one_by_one(one, setup, setup.pictures_per_query))
        if setup.pictures_per_query > 1:
            together = batched(one, setup, setup.pictures_per_query)
            if isinstance(together, Subject):
                subjects.append(together)
            else:
                setup.leave_out(one, together)
    return prepare_subjects(subjects, setup, _describe, NAME)


def _describe(subject: Subject, taken: Block) -> Scenario:
    return percentile_scenario(NAME, 99, taken[:, -1] / 1e6, pictures_per_query=subject.pictures)
