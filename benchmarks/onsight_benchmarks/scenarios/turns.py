"""Answering queries of several subjects in turns, as single-stream, multi-stream and offline do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from onsight_benchmarks.batching import BatchClassifier
from onsight_benchmarks.loadgen import issue_queries
from onsight_benchmarks.measurement import STAGES, Scenario
from onsight_benchmarks.plan import Combination
from onsight_benchmarks.rounds import Block, measure_rounds, timed_queries
from onsight_benchmarks.scenarios.outcome import Outcome, Setup
from onsight_edge.errors import BackendError
from onsight_edge.frame import Timings

Describe = Callable[["Subject", Block], Scenario]
"""From a subject and what its queries took, (queries, stages) nanoseconds, to the scenario with its headline."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What answers queries.

    Attributes:
        combination: it belongs to.
        query: answers one query and says where the time went.
        pictures: that a query holds.
        batch: pictures a call of the runtime.
    """

    combination: Combination
    query: Callable[[], Timings]
    pictures: int
    batch: int = 1


def one_by_one(combination: Combination, setup: Setup, pictures: int) -> Subject:
    """A subject that classifies a query's pictures one after the other."""
    classify, frame = combination.classifier.classify_timed, setup.frame
    if pictures == 1:
        return Subject(combination, lambda: classify(frame)[1], 1)

    def query() -> Timings:
        timings = [classify(frame)[1] for _ in range(pictures)]
        return Timings(
            sum(one.preprocess_ns for one in timings),
            sum(one.inference_ns for one in timings),
            sum(one.postprocess_ns for one in timings),
        )

    return Subject(combination, query, pictures)


def batched(combination: Combination, setup: Setup, batch: int) -> Subject | str:
    """A subject that classifies a query's pictures in one call, with a runtime of its own; or why it cannot."""
    own = setup.opened.enter_context(combination.reopen())
    try:
        together = BatchClassifier(own, batch)
    except BackendError as error:
        return str(error)
    frames = [setup.frame] * batch
    return Subject(combination, lambda: together.classify_timed(frames)[1], batch, batch)


def prepare_subjects(
    subjects: Sequence[Subject], setup: Setup, describe: Describe, scenario: str
) -> Callable[[], list[Outcome]]:
    """Warm subjects up; what is returned measures them, in turns or under LoadGen."""
    for done, one in enumerate(subjects):
        setup.tell("warming up", done / len(subjects))
        for _ in range(setup.warmup):
            one.query()
    if setup.loadgen:
        each = None if setup.seconds is None else setup.seconds / len(subjects)
        return lambda: [
            _under_loadgen(one, setup, scenario, each, at / len(subjects)) for at, one in enumerate(subjects)
        ]
    return lambda: _take_turns(subjects, setup, describe)


def _take_turns(subjects: Sequence[Subject], setup: Setup, describe: Describe) -> list[Outcome]:
    queries = [timed_queries(one.query) for one in subjects]
    rounds = measure_rounds(
        queries,
        iterations=setup.iterations,
        seconds=setup.seconds,
        rng=setup.rng,
        progress=lambda share: setup.tell("measuring", share),
    )
    found = []
    for one, blocks, repeat in zip(subjects, rounds, queries, strict=True):
        taken = np.concatenate(blocks)
        found.append(
            Outcome(
                combination=one.combination,
                scenario=describe(one, taken),
                stages_ns={stage: taken[:, i] for i, stage in enumerate(STAGES)},
                pictures=len(taken) * one.pictures,
                seconds=float(taken[:, -1].sum()) / 1e9,
                batch=one.batch,
                blocks=blocks,
                repeat=repeat,
            )
        )
    return found


def _under_loadgen(one: Subject, setup: Setup, scenario: str, seconds: float | None, share: float) -> Outcome:
    setup.tell("LoadGen", share)
    issued = issue_queries(scenario, one.query, pictures=one.pictures, queries=setup.iterations, seconds=seconds)
    taken = issued.taken
    return Outcome(
        combination=one.combination,
        scenario=issued.scenario,
        stages_ns={stage: taken[:, i] for i, stage in enumerate(STAGES)},
        pictures=len(taken) * one.pictures,
        seconds=float(taken[:, -1].sum()) / 1e9,
        batch=one.batch,
        repeat=timed_queries(one.query),
    )
