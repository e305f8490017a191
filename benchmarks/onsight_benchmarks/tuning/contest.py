"""The race of a tuning, its decision, and the measuring of everything in full that both can be held against."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.measurement import STAGES
from onsight_benchmarks.rounds import BLOCK, Block, measure_rounds
from onsight_benchmarks.stats import Ratio, paired_ratio, summarise
from onsight_benchmarks.tuning.accuracy import Accuracy
from onsight_benchmarks.tuning.arms import Arm, subject
from onsight_benchmarks.tuning.outcome import choose
from onsight_benchmarks.tuning.race import Race, Times

EXHAUSTIVE_ROUNDS = 100
_WHOLE = STAGES.index("end_to_end")
_P95_SHARE = 0.8  # of the budget for the race, where a p95 has to be made sure of afterwards

Progress = Callable[[str, float], None]
"""Called with what is being done and which share of it is done, 0..1."""


@dataclass(frozen=True, slots=True)
class Exhaustive:
    """All that may be taken, each measured in full after the choice was made.

    Attributes:
        rounds: blocks of each.
        best: label of the one with the lowest median.
        ratio: of the choice to it.
        p50_ms: by label, end to end.
    """

    rounds: int
    best: str
    ratio: Ratio
    p50_ms: dict[str, float]


def make_race(
    arms: Sequence[Arm], racing: Sequence[int], frame: NDArray[np.uint8], p95_ms: float | None, rng: random.Random
) -> Race:
    """A race of the arms in `racing`, whose blocks are measured as in `onsight bench`, end to end."""
    subjects = _subjects(arms, racing, frame)

    def measure(alive: Sequence[int]) -> list[Times]:
        rounds = measure_rounds([subjects[index] for index in alive], iterations=1, rng=rng)
        return [blocks[0][:, _WHOLE] for blocks in rounds]

    return Race(len(arms), measure, time.monotonic, most_p95_ns=None if p95_ms is None else 1e6 * p95_ms)


def _subjects(
    arms: Sequence[Arm], indices: Sequence[int], frame: NDArray[np.uint8]
) -> dict[int, Callable[[int], Block]]:
    fastest = min((arms[index].seconds for index in indices), default=1.0)
    return {index: subject(arms[index], frame, fastest) for index in indices}


def decide(
    arms: Sequence[Arm],
    racing: Sequence[int],
    race: Race,
    known: Mapping[str, Accuracy],
    span: tuple[float, float],
    p95_ms: float | None,
    tell: Progress,
) -> int | None:
    """The one to take. Where all that are left miss the p95, those that were merely slower run again without them."""
    started, until = span
    now = time.monotonic()
    race_until = until if p95_ms is None else now + _P95_SHARE * (until - now)
    pool = list(racing)

    def told(rung: int, alive: int, of: int) -> None:
        tell(f"round {rung}: {alive} of {len(arms)} left", (time.monotonic() - started) / (until - started))

    while pool:
        alive = race.run(pool, race_until, told)
        for arm in choose(arms, alive, race, known) if alive else ():
            if race.watch(arm, until):
                return arm
        pool = [arm for arm in pool if race.left[arm].reason == "slower"]
        race_until = until
    return None


def measure_all(
    arms: Sequence[Arm],
    racing: Sequence[int],
    chosen: int,
    frame: NDArray[np.uint8],
    p95_ms: float | None,
    seed: int,
    tell: Progress,
) -> Exhaustive:
    """Measure all that took part once more, each in as many rounds, and hold the choice against the fastest."""
    rounds = measure_rounds(
        list(_subjects(arms, racing, frame).values()),
        iterations=EXHAUSTIVE_ROUNDS * BLOCK,
        rng=random.Random(seed + 1),
        progress=lambda share: tell("all of them in full", share),
    )
    medians = {
        index: [float(np.median(block[:, _WHOLE])) for block in blocks]
        for index, blocks in zip(racing, rounds, strict=True)
    }
    p95 = {
        index: summarise(np.concatenate(blocks)[:, _WHOLE] / 1e6).p95
        for index, blocks in zip(racing, rounds, strict=True)
    }
    allowed = [index for index in racing if index == chosen or p95_ms is None or p95[index] <= p95_ms]
    best = min(allowed, key=lambda index: float(np.median(medians[index])))
    return Exhaustive(
        rounds=len(rounds[0]),
        best=arms[best].label,
        ratio=paired_ratio(medians[chosen], medians[best], seed),
        p50_ms={arms[index].label: round(float(np.median(values)) / 1e6, 6) for index, values in medians.items()},
    )
