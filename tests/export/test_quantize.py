"""Ranges, statistics and the choice: pure functions, no framework."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from onsight_edge.errors import ModelError, UsageError
from onsight_export.quantize.choose import (
    Candidate,
    Measured,
    best,
    distinguishable,
    level_with_best,
    ranges_of,
    sizes_to_try,
)
from onsight_export.quantize.layer_names import layer_of, meanings
from onsight_export.quantize.ranges import BINS, ESTIMATE, LEVELS, Histogram, entropy, minmax, mse, percentile
from onsight_export.quantize.statistics import gather
from onsight_export.quantize.types import ESTIMATORS, Int8Options, Labelled

BLANK = np.zeros((6, 2, 2, 3), np.uint8)


def histogram(values: np.ndarray) -> Histogram:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    others = values[values != 0]
    counts = np.histogram(others.astype(np.float64), BINS, (low, high))[0] if high > low else np.zeros(BINS, np.int64)
    return Histogram(low, high, counts.astype(np.int64), int((values == 0).sum()), low, high)


def squared_error(values: np.ndarray, low: float, high: float) -> float:
    step = (high - low) / (LEVELS - 1) or 1.0
    levels = np.clip(np.round((values - low) / step), 0, LEVELS - 1)
    return float(((levels * step + low - values) ** 2).mean())


VALUES = arrays.arrays(np.float32, st.integers(1, 300), elements=st.floats(-1e4, 1e4, width=32))


@settings(deadline=None, max_examples=60)
@given(VALUES, st.sampled_from(ESTIMATORS))
def test_a_range_contains_0_and_nothing_that_was_never_seen(values: np.ndarray, estimator: str) -> None:
    low, high = ESTIMATE[estimator](histogram(values))
    assert min(float(values.min()), 0.0) <= low <= 0.0 <= high <= max(float(values.max()), 0.0)


@settings(deadline=None, max_examples=30)
@given(VALUES, st.sampled_from(ESTIMATORS), st.sampled_from([0.25, 8.0, 1024.0]))
def test_a_range_scales_with_the_values(values: np.ndarray, estimator: str, factor: float) -> None:
    small, large = ESTIMATE[estimator](histogram(values)), ESTIMATE[estimator](histogram(values * np.float32(factor)))
    span = float(np.ptp(values)) + float(np.abs(values).max())
    # a value on the border of two bins may change sides by rounding: one step of any estimator's grid at most
    assert np.allclose(np.array(small) * factor, large, rtol=0.03, atol=factor * span * 0.03 + 1e-30)


def test_estimators_are_those_that_are_documented() -> None:
    assert tuple(ESTIMATE) == ESTIMATORS


def test_minmax_covers_everything() -> None:
    values = np.array([-3.0, 0.5, 7.0])
    assert minmax(histogram(values)) == (-3.0, 7.0)


def test_percentile_cuts_an_outlier_and_no_more() -> None:
    values = np.concatenate([np.linspace(0.001, 1, 100_000), [1000.0]])
    low, high = percentile(histogram(values))
    assert low == 0.0
    assert 1.0 <= high <= 1.0 + 1000 / BINS  # a bin is what it knows


def test_percentile_counts_exact_zeros() -> None:
    """With 999,999 zeros the one other value is within the hundredth of a percent that may go."""
    low, high = percentile(histogram(np.concatenate([np.zeros(999_999), [5.0]])))
    assert low == 0.0
    assert high == pytest.approx(0.0, abs=5 / BINS)


@pytest.mark.parametrize("freedom", [3, 5, 30])
def test_mse_finds_the_range_that_rounds_best(freedom: int) -> None:
    """Held against quantizing the values themselves with every range of a grid."""
    values = np.random.default_rng(1).standard_t(freedom, 20_000)
    found = histogram(values)
    low, high = minmax(found)
    tried = [
        squared_error(values, a * low, b * high) for a in np.linspace(0.05, 1, 20) for b in np.linspace(0.05, 1, 20)
    ]
    chosen = squared_error(values, *mse(found))
    assert chosen < 1.05 * min(tried)
    assert chosen < squared_error(values, low, high)


def test_mse_keeps_a_uniform_range_nearly_whole() -> None:
    low, high = mse(histogram(np.random.default_rng(2).uniform(-2, 6, 50_000)))
    assert low < -1.9
    assert high > 5.8


def test_mse_moves_the_two_ends_on_their_own() -> None:
    random = np.random.default_rng(3)
    values = np.concatenate([random.uniform(0, 1, 500_000), -random.exponential(0.02, 500_000), [-3.0]])
    low, high = mse(histogram(values))
    assert low > -1.5  # the lonely -3 goes
    assert high > 0.95  # the full side stays


def test_entropy_cuts_a_long_tail_and_keeps_a_uniform_range() -> None:
    random = np.random.default_rng(4)
    _, cut = entropy(histogram(np.concatenate([np.abs(random.normal(0, 1, 100_000)), [60.0]])))
    assert 2.0 < cut < 30.0
    low, high = entropy(histogram(random.uniform(-2, 2, 100_000)))
    assert low == pytest.approx(-2, abs=0.1)
    assert high == pytest.approx(2, abs=0.1)


def test_a_tensor_that_is_always_0_has_a_range() -> None:
    for estimate in ESTIMATE.values():
        assert estimate(histogram(np.zeros(10))) == (0.0, 0.0)


@pytest.mark.parametrize("value", [0.0, 7e-45, 1e-30])
def test_a_tensor_that_is_always_next_to_0_gets_a_range_that_can_be_stored(value: float) -> None:
    def dead(pictures: np.ndarray) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        yield len(pictures), {"dead": np.full((len(pictures), 4), value, np.float32)}

    for estimator in ESTIMATORS:
        gathered = gather(dead, BLANK, (3,))
        assert ranges_of(gathered[3], estimator) == {"dead": (0.0, 1.0)}


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_tensor_that_is_not_finite_is_refused(value: float) -> None:
    def broken(pictures: np.ndarray) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        yield len(pictures), {"broken": np.array([[1.0, value]], np.float32)}

    with pytest.raises(ModelError, match="not finite"):
        gather(broken, BLANK, (3,))


def test_numbers_behind_names_are_the_tracing_s_where_they_must_be() -> None:
    """Exported anew, Keras calls the layer add `add_1`, and add_1 `add_1_2`."""
    meant = meanings(["net/add_1/Add", "net/add_1_2/Add", "net/add_2_1/Add"], ["add", "add_1", "add_2"])
    names = ["net/add_1/Add", "net/add_1_2/Add", "net/add_2_1/Add"]
    assert [layer_of([name], meant) for name in names] == ["add", "add_1", "add_2"]


def observe(pictures: np.ndarray):  # type: ignore[no-untyped-def]
    for picture in pictures:
        value = picture.reshape(1, -1).astype(np.float32) - 100
        yield 1, {"a": value, "relu": np.maximum(value, 0)}


@settings(deadline=None, max_examples=30)
@given(arrays.arrays(np.uint8, (5, 2, 2, 3)))
def test_statistics_are_those_of_each_size_s_pictures(pictures: np.ndarray) -> None:
    found = gather(observe, pictures, (2, 5))
    for size in (2, 5):
        values = pictures[:size].reshape(-1).astype(np.float32) - 100
        tensor, relu = found[size]["a"], found[size]["relu"]
        assert (tensor.minimum, tensor.maximum) == (min(values.min(), 0), max(values.max(), 0))
        assert tensor.zeros == (values == 0).sum()
        assert relu.zeros == (values <= 0).sum()
        if tensor.high > tensor.low:
            assert tensor.counts.sum() + tensor.zeros == values.size
    assert (found[2]["a"].low, found[2]["a"].high) == (found[5]["a"].low, found[5]["a"].high)


def test_min_max_asks_for_one_pass_only() -> None:
    seen = []

    def counting(pictures: np.ndarray):  # type: ignore[no-untyped-def]
        seen.append(len(pictures))
        yield from observe(pictures)

    gather(counting, BLANK, (2, 6), histograms=False)
    assert sum(seen) == 6
    gather(counting, BLANK, (2, 6))
    assert sum(seen) == 6 + 12


def test_large_tensors_are_thinned_across_all_channels() -> None:
    """Of 64 channels one alone is large: thinning by a divisor of 64 would see all of it or nothing."""
    value = np.ones((1, 64, 64, 64), np.float32)
    value[..., 5] = 9.0
    found = gather(lambda pictures: iter([(1, {"a": value})]), BLANK[:1], (1,))[1]["a"]
    assert found.counts.sum() < value.size / 4
    large = found.counts[BINS // 2 :].sum() / found.counts.sum()
    assert large == pytest.approx(1 / 64, rel=0.1)


def candidate(right: np.ndarray, difference: float, pictures: int = 50, estimator: str = "minmax") -> Candidate:
    return Candidate(pictures, estimator, {}, Measured(b"", right, float(right.mean()), 1.0, difference))


def with_wrong(wrong: int, of: int = 1000) -> np.ndarray:
    right = np.ones(of, bool)
    right[:wrong] = False
    return right


def test_what_is_clearly_more_accurate_wins_however_far_its_scores() -> None:
    good, bad = candidate(with_wrong(100), 0.5), candidate(with_wrong(200), 0.1)
    assert best([bad, good]) is good
    assert level_with_best([bad, good]) == [good]


def test_among_equals_the_closest_to_keras_wins_then_the_smaller_calibration() -> None:
    lucky, close = candidate(with_wrong(100), 0.5), candidate(with_wrong(101), 0.1, 500)
    assert best([lucky, close]) is close
    small = candidate(with_wrong(101), 0.1, 150, "entropy")
    assert best([lucky, close, small]) is small


def test_candidates_are_told_apart_pairwise() -> None:
    """Ten more wrong out of 1000 is chance where both err on other pictures, and is not where one errs on top."""
    one = with_wrong(100)
    assert distinguishable(one, with_wrong(110))
    elsewhere = np.ones(1000, bool)
    elsewhere[500:610] = False
    assert not distinguishable(one, elsewhere)
    assert not distinguishable(one, one)


def test_sizes_fit_the_pictures_there_are() -> None:
    assert sizes_to_try(None, 10_000) == (50, 150, 500)
    assert sizes_to_try(None, 100) == (50, 100)
    assert sizes_to_try(None, 7) == (7,)
    assert sizes_to_try(300, 100) == (100,)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="minmax, percentile, mse, entropy, not 'best'"):
        Int8Options(estimator="best")
    with pytest.raises(UsageError, match="at least 1 picture"):
        Int8Options(pictures=0)


def test_validation_is_thinned_evenly() -> None:
    labels = np.arange(100) // 10
    thinned = Labelled(np.zeros((100, 1, 1, 3), np.uint8), labels, np.eye(10, dtype=np.float32)[labels]).evenly(20)
    assert np.bincount(thinned.labels).tolist() == [2] * 10
    assert thinned.accuracy == 1.0
