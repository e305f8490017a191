from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_benchmarks.stats import paired_ratio, percentile, summarise
from onsight_edge.errors import BenchmarkError

TIMES = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=200)


def test_percentiles_are_loadgens() -> None:
    values = [15, 20, 35, 40, 50]
    assert [percentile(values, p) for p in (0, 5, 30, 40, 50, 99)] == [15, 15, 20, 35, 35, 50]
    hundred = list(range(1, 101))
    assert [percentile(hundred, p) for p in (1, 50, 90, 99)] == [2, 51, 91, 100]
    assert percentile(range(1000), 99.9) == 999  # 99.9 / 100 is another double than 0.999


@given(TIMES, st.integers(0, 99))
def test_a_percentile_was_measured_and_covers_its_share(values: list[float], percent: int) -> None:
    found = percentile(sorted(values), percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 > percent * len(values) - 1e-6
    assert sum(value < found for value in values) * 100 <= percent * len(values)


@given(TIMES)
def test_a_summary_is_ordered_and_clips_nothing(values: list[float]) -> None:
    one = summarise(values)
    assert one.count == len(values)
    assert one.min == min(values) and one.max == max(values)
    assert one.min <= one.p50 <= one.p90 <= one.p95 <= one.p99 <= one.max
    assert one.min <= one.mean <= one.max
    assert one.mean == pytest.approx(math.fsum(values) / len(values))
    assert one.stdev >= 0


@given(TIMES, st.randoms())
def test_the_order_of_the_values_does_not_matter(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert summarise(shuffled) == summarise(values)


def test_one_outlier_shows() -> None:
    assert summarise([1.0] * 99 + [1000.0]).max == 1000.0
    assert summarise([1.0] * 98 + [1000.0] * 2).p99 == 1000.0


def test_a_single_value_is_its_own_summary() -> None:
    one = summarise([2.5])
    assert (one.mean, one.stdev, one.p50, one.p99) == (2.5, 0.0, 2.5, 2.5)


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_nothing_and_nonsense_are_refused(values: list[float]) -> None:
    with pytest.raises(BenchmarkError):
        summarise(values)


@pytest.mark.parametrize("percent", [100, -1, 100.5, math.nan])
def test_there_is_no_such_percentile(percent: float) -> None:
    with pytest.raises(BenchmarkError, match="LoadGen's percentile"):
        percentile([1.0], percent)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=40), st.floats(0.1, 10))
def test_a_constant_ratio_is_found_whatever_the_noise_they_share(noise: list[float], factor: float) -> None:
    below = np.asarray(noise)
    ratio = paired_ratio(below * factor, below)
    assert ratio.rounds == len(noise)
    assert ratio.median == pytest.approx(factor, abs=1e-4)
    assert ratio.low <= ratio.median <= ratio.high
    assert ratio.high - ratio.low <= 2e-4


def test_the_interval_is_repeatable_and_holds_the_median() -> None:
    draw = np.random.default_rng(1)
    above, below = draw.uniform(1, 2, 50), draw.uniform(1, 2, 50)
    one = paired_ratio(above, below, seed=7)
    assert one == paired_ratio(above, below, seed=7)
    assert one.low < one.median < one.high


@pytest.mark.parametrize(
    ("above", "below"),
    [([], []), ([1.0], [1.0, 2.0]), ([1.0], [0.0]), ([-1.0], [1.0]), ([math.nan], [1.0])],
)
def test_ratios_of_nonsense_are_refused(above: list[float], below: list[float]) -> None:
    with pytest.raises(BenchmarkError, match="ratios need"):
        paired_ratio(above, below)
