"""What a scenario is given, and what it hands back for each thing that it measured."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.measurement import Frames, Scenario
from onsight_benchmarks.plan import Combination
from onsight_benchmarks.rounds import Block
from onsight_benchmarks.stats import Summary
from onsight_benchmarks.sustained import Slice

Progress = Callable[[str, float], None]
"""Called with what is being done and which share of it is done, 0..1."""


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """How to measure.

    Attributes:
        frame: (480, 640, 3) uint8 BGR, the picture of every query; not of `live`.
        iterations: queries to measure of each combination; None for no such limit.
        seconds: measure for so long, all together; None for no such limit.
        warmup: unmeasured queries of each before.
        rng: draws the order.
        tell: told how far it is.
        opened: closes what a scenario opens beside the combinations' own classifiers.
        pictures_per_query: of multi-stream.
        batches: sizes, of offline.
        fps, source: of the camera of `live`.
        loadgen: LoadGen itself issues the queries.
        leave_out: told a combination and why a way of measuring it was left out.
    """

    frame: NDArray[np.uint8]
    iterations: int | None
    seconds: float | None
    warmup: int
    rng: random.Random
    tell: Progress
    opened: ExitStack
    pictures_per_query: int
    batches: tuple[int, ...]
    fps: float
    source: str
    loadgen: bool
    leave_out: Callable[[Combination, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What was measured of one combination.

    Attributes:
        combination: it.
        scenario: how queries came, and the headline.
        stages_ns: stage -> what each query took, (queries,) nanoseconds, in the order of measuring.
        pictures: how many were answered.
        seconds: in which they were.
        batch: pictures a call of the runtime.
        blocks: the same round by round, (calls, stages) as in STAGES, where it was measured in turns beside others.
        repeat: makes so many queries again and says what each took; None of `live`.
        slices: of the time, where it was measured for minutes; then `stages_ns` are those of the calls that were kept.
        age_ms, frames: of `live` only.
        objections: reasons of its own why it should not count.
    """

    combination: Combination
    scenario: Scenario
    stages_ns: dict[str, NDArray[np.int64]]
    pictures: int
    seconds: float
    batch: int = 1
    blocks: Sequence[Block] = ()
    repeat: Callable[[int], Block] | None = None
    slices: Sequence[Slice] = ()
    age_ms: Summary | None = None
    frames: Frames | None = None
    objections: tuple[str, ...] = field(default=())
