"""offline: all pictures are there from the start, and only the throughput counts, by batch size.

Pictures a second are those answered by the time that their calls took. A file that takes no batch is measured with one
picture a call, and the record says why it was not more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onsight_benchmarks.measurement import Scenario
from onsight_benchmarks.plan import Combination
from onsight_benchmarks.rounds import Block
from onsight_benchmarks.scenarios.outcome import Outcome, Setup
from onsight_benchmarks.scenarios.turns import Subject, batched, one_by_one, prepare_subjects

NAME = "offline"


def prepare(combinations: Sequence[Combination], setup: Setup) -> Callable[[], list[Outcome]]:
    """See `scenarios.Prepare`."""
    subjects = []
    for one in combinations:
        left_out = []
        for batch in setup.batches:
            subject = one_by_one(one, setup, 1) if batch == 1 else batched(one, setup, batch)
            if isinstance(subject, Subject):
                subjects.append(subject)
            else:
                left_out.append(subject)
        if left_out:
            setup.leave_out(one, left_out[0])
            if len(left_out) == len(setup.batches):
                subjects.append(one_by_one(one, setup, 1))
    return prepare_subjects(subjects, setup, _describe, NAME)


def _describe(subject: Subject, taken: Block) -> Scenario:
    pictures = len(taken) * subject.pictures
    return Scenario(
        name=NAME,
        pictures_per_query=subject.pictures,
        queries=len(taken),
        metric="pictures_per_s",
        value=round(pictures / (float(taken[:, -1].sum()) / 1e9), 3),
    )
