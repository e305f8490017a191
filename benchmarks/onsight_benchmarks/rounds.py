"""Letting subjects take turns: the one way in which everything here is timed.

In each round every subject is measured for one short block, in an order that is drawn anew for each round. What
disturbs the machine meanwhile hits all of them alike, and comparing two of them round by round cancels it. A few
unmeasured calls before each block bring the subject's code and data back into the caches and let the threads of the
one before fall asleep.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.measurement import STAGES
from onsight_edge.frame import Timings

if TYPE_CHECKING:
    from onsight_edge.classifier import Classifier

ITERATIONS = 300  # calls of each where nobody says how many
BLOCK = 10
LEAST_QUERIES = 101  # with fewer the 99th percentile is the maximum
SETTLE_CALLS = 2
SETTLE_MS = 2.0
WARMUP = 20
ORDER = "round robin of short blocks in one process, the order of each round drawn anew"

Block = NDArray[np.int64]
"""(calls, stages) nanoseconds, stages as in STAGES."""


def timed_queries(query: Callable[[], Timings]) -> Callable[[int], Block]:
    """A function that makes a query so many times and returns what each one's stages took, as STAGES has them.

    Args:
        query: answers one query and says where its time went.
    """

    def measure(calls: int) -> Block:
        block = np.empty((calls, len(STAGES)), np.int64)
        for row in block:
            started = time.perf_counter_ns()
            timings = query()
            ended = time.perf_counter_ns()
            row[0] = timings.preprocess_ns
            row[1] = timings.inference_ns
            row[2] = timings.postprocess_ns
            row[3] = ended - started
        return block

    return measure


def timed_stages(classifier: Classifier, frame: NDArray[np.uint8]) -> Callable[[int], Block]:
    """A function that classifies the frame so many times and returns what each call's stages took."""
    return timed_queries(lambda: classifier.classify_timed(frame)[1])


def timed_call(call: Callable[[], object]) -> Callable[[int], Block]:
    """A function that makes a call so many times and returns what each took, (calls, 1) nanoseconds."""

    def measure(calls: int) -> Block:
        block = np.empty((calls, 1), np.int64)
        for row in block:
            started = time.perf_counter_ns()
            call()
            row[0] = time.perf_counter_ns() - started
        return block

    return measure


def measure_rounds(
    subjects: Sequence[Callable[[int], Block]],
    *,
    iterations: int | None,
    seconds: float | None = None,
    rng: random.Random,
    progress: Callable[[float], None] | None = None,
) -> list[list[Block]]:
    """Let subjects take turns until each has enough blocks.

    Args:
        subjects: each makes so many calls and returns what they took.
        iterations: at least so many calls of each; None for no such limit.
        seconds: at least so long, all together; None for no such limit.
        rng: draws the order of every round.
        progress: told the share that is done.

    Returns:
        For each subject its blocks, in the order of the rounds.
    """
    blocks: list[list[Block]] = [[] for _ in subjects]
    order = list(range(len(subjects)))
    started = time.monotonic()
    for rounds in count(1):
        rng.shuffle(order)
        for index in order:
            settle(subjects[index])
            blocks[index].append(subjects[index](BLOCK))
        passed = time.monotonic() - started
        shares = [1.0]
        if iterations is not None:
            shares.append(rounds * BLOCK / iterations)
        if seconds is not None:
            shares.append(passed / seconds)
        if progress is not None:
            progress(min(shares))
        if min(shares) >= 1.0:
            break
    return blocks


def settle(subject: Callable[[int], Block]) -> None:
    """Make unmeasured calls, at least SETTLE_CALLS and for at least SETTLE_MS."""
    subject(SETTLE_CALLS)
    until = time.perf_counter_ns() + int(SETTLE_MS * 1e6)
    while time.perf_counter_ns() < until:
        subject(1)
