"""The race itself, with arms and a clock that are simulated: it finds the best, in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_benchmarks.tuning.race import EVEN, Race, Times
from onsight_benchmarks.tuning.signs import keeps_bound, median_interval


@dataclass
class Machine:
    """A machine whose clock moves as it measures, and whose noise comes, stays a while and goes.

    Attributes:
        seconds: what a call of each arm takes when nothing disturbs it.
        own: noise of a single block. shared: of everything that runs at about the same time.
        tails: arm -> share of its calls that take five times as long.
        favoured: an arm that takes a quarter less during the first two seconds.
    """

    seconds: Sequence[float]
    seed: int = 0
    own: float = 0.04
    shared: float = 0.15
    tails: dict[int, float] = field(default_factory=dict)
    favoured: int | None = None
    now: float = 0.0
    calls: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.load = 0.0
        self.calls = [0] * len(self.seconds)

    def measure(self, arms: Sequence[int]) -> list[Times]:
        blocks = {}
        for arm in self.rng.permutation(list(arms)):
            self.load = 0.8 * self.load + self.rng.normal(0, 0.6 * self.shared)
            slower = (1 + abs(self.load) / 2) * np.exp(self.rng.normal(0, self.own))
            if arm == self.favoured and self.now < 2:
                slower *= 0.75
            if self.rng.random() < 0.05:
                slower *= 1 + self.rng.exponential(0.5)
            calls = 10 if self.seconds[arm] < 4 * min(self.seconds) else 1
            taken = self.seconds[arm] * slower * np.exp(np.abs(self.rng.normal(0, 0.05, calls)))
            taken[self.rng.random(calls) < self.tails.get(arm, 0.0)] *= 5
            self.now += float(taken.sum()) + 0.002
            self.calls[arm] += calls
            blocks[arm] = (taken * 1e9).astype(np.int64)
        return [blocks[arm] for arm in arms]

    def race(self, most_p95_ms: float | None = None) -> Race:
        bound = None if most_p95_ms is None else 1e6 * most_p95_ms
        return Race(len(self.seconds), self.measure, lambda: self.now, most_p95_ns=bound)


def arms_of(seed: int) -> list[float]:
    """Twelve that lie close together or far apart, one of them twenty times slower."""
    rng = np.random.default_rng(seed)
    near = rng.uniform(0.25e-3, 0.45e-3, 12) if seed % 2 else 0.25e-3 * np.exp(rng.exponential(0.3, 12))
    near[rng.integers(12)] *= 20
    return [float(one) for one in near]


def test_the_leader_is_within_three_percent_of_the_best_in_95_of_100_trials() -> None:
    near = 0
    for seed in range(40):
        machine = Machine(arms_of(seed), seed)
        race = machine.race()
        leader = race.leader(race.run(range(12), until=8.0))
        near += machine.seconds[leader] <= 1.03 * min(machine.seconds)
    assert near >= 38


@settings(max_examples=25, deadline=None)
@given(
    seconds=st.lists(st.floats(1e-4, 0.3), min_size=1, max_size=10),
    budget=st.floats(0.5, 20),
    seed=st.integers(0, 1000),
)
def test_the_budget_is_kept_but_for_one_round(seconds: list[float], budget: float, seed: int) -> None:
    machine = Machine(seconds, seed)
    race = machine.race()
    alive = race.run(range(len(seconds)), until=budget)
    rounds = sum((4 if one < 4 * min(seconds) else 1) * 10 * one + 0.002 for one in seconds)
    assert machine.now <= budget + 4 * rounds  # noise makes a round longer than the ones before it
    assert alive and set(alive) | set(race.left) == set(range(len(seconds))) and not set(alive) & set(race.left)
    assert all(left.reason == "slower" and left.ratio[1] > EVEN for left in race.left.values())


def test_a_slow_arm_does_not_eat_the_budget() -> None:
    machine = Machine([0.3e-3, 0.31e-3, 0.4e-3, 6e-3], seed=1)
    race = machine.race()
    race.run(range(4), until=30.0)
    assert race.left[3].rung == 1
    assert machine.calls[3] * 6e-3 < 0.1 * machine.now


def test_what_differs_clearly_ends_early() -> None:
    machine = Machine([1e-3, 2e-3, 3e-3, 4e-3], seed=2)
    race = machine.race()
    assert race.run(range(4), until=1000.0) == [0]
    assert machine.now < 10


def test_a_neighbour_that_favours_one_for_seconds_does_not_decide() -> None:
    machine = Machine([1e-3, 1.2e-3, 1.3e-3], seed=8, shared=0.02, favoured=1)
    race = machine.race()
    assert race.run(range(3), until=60.0) == [0]


def test_what_does_not_differ_stays_to_the_end_and_ends_early_too() -> None:
    machine = Machine([1e-3, 1e-3, 1.3e-3], seed=3, own=0.01, shared=0.02)
    race = machine.race()
    assert set(race.run(range(3), until=1000.0)) == {0, 1}
    assert machine.now < 600
    low, middle, high = race.ratio(0, 1)
    assert low <= middle <= high and 0.98 < middle < 1.02


def test_an_arm_whose_p95_is_too_long_leaves_though_it_is_the_fastest() -> None:
    machine = Machine([1e-3, 1.5e-3, 3e-3], seed=4, shared=0.02, tails={0: 0.2})
    race = machine.race(most_p95_ms=2.5)
    alive = race.run(range(3), until=60.0)
    assert race.left[0].reason == "p95" and race.leader(alive) == 1
    assert race.watch(1, until=machine.now + 60) is True


def test_all_miss_a_p95_that_nothing_keeps() -> None:
    machine = Machine([1e-3, 1.5e-3], seed=5)
    race = machine.race(most_p95_ms=0.1)
    assert race.run(range(2), until=10.0) == []
    assert {left.reason for left in race.left.values()} == {"p95"}


def test_a_p95_that_is_not_sure_when_time_is_up_is_judged_by_count() -> None:
    machine = Machine([1e-3], seed=6, own=0.01, shared=0.01)
    race = machine.race(most_p95_ms=5.0)
    race.run([0], until=0.001)
    assert race.keeps_p95(0) is None
    assert race.watch(0, until=0.0) is True


def test_those_that_left_can_run_again() -> None:
    machine = Machine([1e-3, 1.5e-3, 2e-3], seed=7)
    race = machine.race()
    assert race.run(range(3), until=60.0) == [0]
    before = len(race.times[1])
    assert race.run([1, 2], until=machine.now + 60) == [1]
    assert len(race.times[1]) > before and 1 not in race.left


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=300))
def test_an_interval_holds_its_median(values: list[float]) -> None:
    low, middle, high = median_interval(values)
    assert low <= middle <= high
    if len(values) < 6:
        assert (low, high) == (0.0, float("inf"))


def test_an_interval_covers_the_true_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for count in (6, 7, 9, 12, 25, 100):
        bounds = [median_interval(rng.normal(size=count)) for _ in range(2000)]
        covered = np.mean([low <= 0 <= high for low, _, high in bounds])
        assert covered > 0.935, count


@pytest.mark.parametrize(
    ("over", "calls", "verdict"),
    [(0, 58, None), (0, 59, True), (1, 92, None), (1, 93, True), (2, 2, False), (1, 1, None), (10, 200, None)],
)
def test_a_bound_is_kept_or_broken_for_sure_or_not_known(over: int, calls: int, verdict: bool | None) -> None:
    assert keeps_bound(over, calls) is verdict


@given(over=st.integers(0, 60), extra=st.integers(1, 400))
def test_more_calls_above_the_bound_never_help(over: int, extra: int) -> None:
    places = {True: 0, None: 1, False: 2}
    assert places[keeps_bound(over, over + extra)] <= places[keeps_bound(over + 1, over + extra)]
