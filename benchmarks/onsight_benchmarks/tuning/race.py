"""Successive halving: all arms run side by side, and rung by rung the slower half leaves.

Time is shared out evenly over the rungs, so that the fewer arms are left, the better each is known (Karnin et al.,
Almost Optimal Exploration in Multi-Armed Bandits, 2013; Jamieson and Talwalkar, 2016). Two things differ from the
textbook, because a machine's noise comes and goes: arms are compared by the ratios of times that were taken in the same
round, and an arm leaves only where the interval of its ratio to the leader says that it is slower. A rung ends early
where its slower half is known (a close one not before a quarter of its time: what else runs on the machine may favour
one arm for seconds), and what is far behind does not even stay for one.

Nothing here knows what an arm is: measuring and the clock are handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.tuning.signs import keeps_bound, median_interval
from onsight_benchmarks.verdict import LEAST_ROUNDS

EVEN = 1.015  # a difference up to here is none: too small to spend a thread on
HOPELESS = 1.5  # leaves at the end of a rung also out of the faster half
FAR = 4.0  # leaves after three rounds: what is so far behind is not worth a rung
_FAR_LOOK = 3
# of a rung's time: before that a close race is not over, since what a neighbour does may favour one arm for seconds
_PATIENCE = 0.25
_FIRST_LOOK = LEAST_ROUNDS  # that a comparison rests on
_LEEWAY = 0.2

Times = NDArray[np.int64]
"""(calls,) nanoseconds of one block of one arm."""
Measure = Callable[[Sequence[int]], Sequence[Times]]
"""Measures one round: a block of each of the arms named, in their order."""
Told = Callable[[int, int, int], None]
"""Told after every round: the rung, arms in it, and arms there were."""


@dataclass(frozen=True, slots=True)
class Left:
    """Why an arm left, and when.

    Attributes:
        rung: counted from 1.
        reason: `slower`, or `p95`.
        to: the leader's index, and of `slower` arms the ratio to it: low, median, high.
    """

    rung: int
    reason: str
    to: int
    ratio: tuple[float, float, float]


class Race:
    """Arms that run side by side.

    Attributes:
        times: of every arm, round -> its block.
        left: arm -> why it is not in the race any more.
        rungs: that were run so far.
    """

    def __init__(
        self, arms: int, measure: Measure, clock: Callable[[], float], *, most_p95_ns: float | None = None
    ) -> None:
        """Nothing is measured yet.

        Args:
            arms: how many.
            measure: measures one round.
            clock: seconds, as time.monotonic.
            most_p95_ns: an arm whose 95th percentile is above leaves.
        """
        self.times: list[dict[int, Times]] = [{} for _ in range(arms)]
        self.left: dict[int, Left] = {}
        self.rungs = 0
        self._measure = measure
        self._clock = clock
        self._most_p95_ns = most_p95_ns
        self._medians: list[dict[int, float]] = [{} for _ in range(arms)]
        self._rounds = 0

    def run(self, arms: Sequence[int], until: float, tell: Told = lambda rung, arms, of: None) -> list[int]:
        """Halve until one is left, none of the rest differs, or time is up; at least one round is measured.

        Args:
            arms: to start with; those that had left before are back.
            until: by the clock.
            tell: told after every round.

        Returns:
            Those that are left; none where all of them miss the p95.
        """
        alive = list(arms)
        for arm in alive:
            self.left.pop(arm, None)
        rungs = max(1, math.ceil(math.log2(len(alive))))
        for rung in range(1, rungs + 1):
            self.rungs += 1
            started, done, look = self._clock(), 0, _FIRST_LOOK
            share = (until - started) / (rungs - rung + 1)
            while True:
                self._round(alive)
                done += 1
                tell(self.rungs, len(alive), len(arms))
                if done == _FAR_LOOK:
                    alive = self._without_far(alive)
                spent = self._clock() - started
                full = spent + spent / done > share  # one more would not fit
                if full or done >= look:
                    look = 2 * done
                    if full or self._is_known(alive, EVEN if spent > _PATIENCE * share else HOPELESS):
                        break
            alive = self._halve(alive)
            if len(alive) <= 1 or (self._all_even(alive)) or self._clock() + spent / done > until:
                break
        return alive

    def watch(self, arm: int, until: float) -> bool:
        """Measure one arm until it is sure whether it keeps the p95, or time is up; whether it does, then by count.

        Args:
            arm: with at least one block.
            until: by the clock.
        """
        while (verdict := self.keeps_p95(arm)) is None and self._clock() < until:
            self._round([arm])
        if verdict is None:
            values = np.concatenate(list(self.times[arm].values()))
            verdict = bool(np.count_nonzero(values > self._most_p95_ns) <= 0.05 * len(values))
        if not verdict:
            self.left[arm] = Left(self.rungs, "p95", arm, (1.0, 1.0, 1.0))
        return verdict

    def keeps_p95(self, arm: int) -> bool | None:
        """Whether an arm keeps the p95 asked for; None where that is not sure yet."""
        if self._most_p95_ns is None:
            return True
        values = np.concatenate(list(self.times[arm].values()))
        return keeps_bound(int(np.count_nonzero(values > self._most_p95_ns)), len(values))

    def leader(self, arms: Sequence[int]) -> int:
        """The one with the lowest median of its blocks' medians, over the rounds that all of them were measured in."""
        common = set.intersection(*(set(self._medians[arm]) for arm in arms))
        return min(arms, key=lambda arm: (float(np.median([self._medians[arm][r] for r in sorted(common)])), arm))

    def pairs(self, of: int, to: int) -> tuple[list[float], list[float]]:
        """The block medians, ns, of two arms in the rounds that both were measured in."""
        common = sorted(self._medians[of].keys() & self._medians[to].keys())
        return [self._medians[of][r] for r in common], [self._medians[to][r] for r in common]

    def ratio(self, of: int, to: int) -> tuple[float, float, float]:
        """How many times of the other's time an arm takes: low, median and high of the rounds' ratios.

        Where there are too few rounds for an interval, low is below all of them by _LEEWAY: an arm that was far slower
        every time need not be measured a sixth time.
        """
        above, below = self.pairs(of, to)
        ratios = np.asarray(above) / np.asarray(below)
        low, middle, high = median_interval(ratios)
        return (low if low else float(ratios.min()) * (1 - _LEEWAY)), middle, high

    def _round(self, alive: Sequence[int]) -> None:
        for arm, block in zip(alive, self._measure(alive), strict=True):
            self.times[arm][self._rounds] = block
            self._medians[arm][self._rounds] = float(np.median(block))
        self._rounds += 1

    def _ranked(self, alive: Sequence[int]) -> tuple[int, dict[int, tuple[float, float, float]]]:
        """The leader, and everyone's ratio to it, the fastest first."""
        leader = self.leader(alive)
        ratios = {arm: self.ratio(arm, leader) for arm in alive}
        return leader, dict(sorted(ratios.items(), key=lambda item: (item[0] != leader, item[1][1])))

    def _is_known(self, alive: Sequence[int], margin: float) -> bool:
        """Whether each of the slower half is known to be slower by a margin, or, in time, known not to differ."""
        leader, ratios = self._ranked(alive)
        if self.keeps_p95(leader) is None:
            return False
        slower = list(ratios.values())[max(1, math.ceil(len(alive) / 2)) :]
        return all(low > margin or (margin == EVEN and high <= EVEN) for low, _, high in slower)

    def _all_even(self, alive: Sequence[int]) -> bool:
        leader, ratios = self._ranked(alive)
        return self.keeps_p95(leader) is not None and all(high <= EVEN for _, _, high in ratios.values())

    def _without_far(self, alive: Sequence[int]) -> list[int]:
        leader, ratios = self._ranked(alive)
        if self.keeps_p95(leader) is not False:
            far = {arm: ratio for arm, ratio in ratios.items() if ratio[0] > FAR}
            self.left.update({arm: Left(self.rungs, "slower", leader, ratio) for arm, ratio in far.items()})
        return [arm for arm in alive if arm not in self.left]

    def _halve(self, alive: Sequence[int]) -> list[int]:
        for arm in alive:
            if self.keeps_p95(arm) is False:
                self.left[arm] = Left(self.rungs, "p95", arm, (1.0, 1.0, 1.0))
        alive = [arm for arm in alive if arm not in self.left]
        if not alive:
            return []
        leader, ratios = self._ranked(alive)
        for place, (arm, ratio) in enumerate(ratios.items()):
            low, middle, _ = ratio
            if (place >= math.ceil(len(alive) / 2) and low > 1 and middle > EVEN) or low > HOPELESS:
                self.left[arm] = Left(self.rungs, "slower", leader, ratio)
        return [arm for arm in ratios if arm not in self.left]
