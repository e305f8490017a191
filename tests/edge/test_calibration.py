from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onsight_edge.calibration import cross_fitted, ece, fit_temperature, reliability
from onsight_edge.errors import DataError
from onsight_edge.frame import TensorInfo
from onsight_edge.metrics import evaluate, picture_losses
from onsight_edge.postprocess import Postprocessor, calibrate, softmax
from onsight_edge.spec import MAX_TEMPERATURE, MIN_TEMPERATURE, ModelSpec

SCORES = hnp.arrays(np.float32, (20, 4), elements=st.floats(0, 1, width=32))
LABELS = hnp.arrays(np.int64, 20, elements=st.integers(0, 3))
TEMPERATURES = st.floats(MIN_TEMPERATURE, MAX_TEMPERATURE)


def drawn(count: int, seed: int = 0, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Scores that are exactly how often they are right: labels are drawn from them."""
    random = np.random.default_rng(seed)
    scores = softmax(random.normal(0, spread, (count, 10)).astype(np.float32))
    labels = (scores.cumsum(axis=1) < random.random((count, 1))).sum(axis=1).clip(0, 9)
    return scores, labels


def test_a_perfectly_calibrated_model_has_no_error() -> None:
    # 4 right of 5 at 0.8, 1 of 2 at 0.5: exact, not on average
    scores = np.array([[0.8, 0.2]] * 5 + [[0.5, 0.5]] * 2, np.float64)
    labels = np.array([0, 0, 0, 0, 1, 0, 1])
    assert ece(scores, labels) == pytest.approx(0, abs=1e-12)


def test_the_error_is_the_weighted_gap() -> None:
    scores = np.array([[0.9, 0.1]] * 6 + [[0.4, 0.6]] * 2)
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    found = reliability(scores, labels, 10)
    assert found.ece == pytest.approx((6 * 0.4 + 2 * 0.4) / 8) and ece(scores, labels, 10) == found.ece
    assert found.overconfidence == pytest.approx((6 * 0.4 - 2 * 0.4) / 8)
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 6, 0]
    assert np.isnan(found.accuracy[0]) and found.to_json()[0]["accuracy"] is None
    assert found.to_json()[8] == {"low": 0.8, "high": 0.9, "pictures": 6, "confidence": 0.9, "accuracy": 0.5}


@settings(deadline=None)
@given(SCORES, LABELS, st.integers(1, 30))
def test_every_picture_lands_in_a_bin_and_order_does_not_matter(
    scores: np.ndarray,  # type: ignore[type-arg]
    labels: np.ndarray,  # type: ignore[type-arg]
    bins: int,
) -> None:
    found = reliability(scores, labels, bins)
    assert found.counts.sum() == 20 and 0 <= found.ece <= 1
    assert abs(found.overconfidence) <= found.ece + 1e-12
    assert ece(scores[::-1], labels[::-1], bins) == pytest.approx(found.ece)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.4, 4), st.integers(0, 100))
@example(4.0, 4)
@example(1.5, 0)
def test_a_planted_temperature_is_found(planted: float, seed: int) -> None:
    scores, labels = drawn(4000, seed, spread=1.5)
    spoilt = softmax(np.log(scores) * np.float32(planted))  # too sure of itself where planted is above 1
    found = fit_temperature(spoilt, labels)
    assert found == pytest.approx(planted, rel=0.1)
    if spoilt[np.arange(4000), labels].min() > 1e-12:  # below it is a stored 0, which has no say
        assert found == pytest.approx(planted * fit_temperature(scores, labels), rel=1e-3)


@settings(deadline=None)
@given(SCORES, LABELS)
def test_the_fitted_temperature_is_the_best_on_a_grid(scores: np.ndarray, labels: np.ndarray) -> None:  # type: ignore[type-arg]
    scores = (scores + 1e-3) / (scores + 1e-3).sum(axis=1, keepdims=True)

    def loss(temperature: float) -> float:
        return evaluate(calibrate(scores, temperature), labels, ("a", "b", "c", "d")).loss

    found = fit_temperature(scores, labels)
    assert MIN_TEMPERATURE <= found <= MAX_TEMPERATURE
    # evaluate's floor of 1e-7 lies under the losses of very low temperatures alone
    assert loss(found) <= min(loss(float(at)) for at in np.geomspace(0.5, MAX_TEMPERATURE, 30)) + 1e-4


def test_bounds_for_what_is_always_right_and_what_is_never() -> None:
    scores = np.tile([[0.7, 0.3]], (10, 1))
    assert fit_temperature(scores, np.zeros(10, np.int64)) == MIN_TEMPERATURE
    assert fit_temperature(scores, np.ones(10, np.int64)) == MAX_TEMPERATURE
    assert fit_temperature(np.zeros((3, 2)), np.zeros(3, np.int64)) == 1


def test_a_temperature_within_8_bit_scores_is_found_again() -> None:
    scores, labels = drawn(2000, spread=3)
    stored = np.minimum(np.rint(256 * scores), 255).astype(np.uint8)
    tensor = TensorInfo("scores", (1, scores.shape[1]), "uint8", 1 / 256, 0)
    spec = ModelSpec("m", tuple("abcdefghij"[: scores.shape[1]]), (8, 8))
    plain = fit_temperature(Postprocessor(spec, tensor).scores(stored), labels)
    warm = Postprocessor(replace(spec, temperature=1.3), tensor).scores(stored)
    assert 1.3 * fit_temperature(warm, labels) == pytest.approx(plain, rel=1e-3)


def test_a_score_of_nought_which_no_temperature_changes_has_no_say() -> None:
    scores, labels = drawn(2000, spread=3)
    coarse = (np.rint(256 * scores) / 256).astype(np.float32)
    found = fit_temperature(coarse, labels)

    def loss(temperature: float) -> float:
        return float(picture_losses(calibrate(coarse, temperature), labels).mean())

    assert (coarse[np.arange(2000), labels] == 0).any()
    assert loss(found) <= min(loss(float(at)) for at in np.geomspace(0.7, 1.5, 40)) + 1e-5


def test_cross_fitting_mends_and_is_not_fitted_on_what_it_is_measured_on() -> None:
    scores, labels = drawn(4000)
    spoilt = softmax(np.log(scores) * np.float32(2.5))
    mended, temperatures = cross_fitted(spoilt, labels)
    assert ece(mended, labels) < 0.03 < ece(spoilt, labels)
    assert temperatures == pytest.approx((2.5, 2.5), rel=0.1) and temperatures[0] != temperatures[1]
    # changing one half's labels changes the other half's scores alone
    order = np.random.default_rng(0).permutation(4000)
    changed = labels.copy()
    changed[order[:2000]] = (changed[order[:2000]] + 1) % 10
    again, _ = cross_fitted(spoilt, changed)
    assert (again[order[:2000]] == mended[order[:2000]]).all() and (again[order[2000:]] != mended[order[2000:]]).any()


@settings(deadline=None)
@given(SCORES, TEMPERATURES)
def test_calibrating_gives_probabilities_and_keeps_the_best_class(scores: np.ndarray, temperature: float) -> None:  # type: ignore[type-arg]
    found = calibrate(scores, temperature)
    assert found.dtype == np.float32 and np.isfinite(found).all()
    assert (found.argmax(axis=1) == scores.argmax(axis=1)).all()
    if temperature != 1:
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


@settings(deadline=None)
@given(TEMPERATURES, st.integers(0, 3), st.integers(1, 3))
def test_scores_that_float32_hardly_tells_apart_keep_their_order(temperature: float, first: int, step: int) -> None:
    scores = np.full((1, 4), 0.25, np.float32)
    for _ in range(step):
        scores[0, first] = np.nextafter(scores[0, first], np.float32(1))
    assert calibrate(scores, temperature).argmax() == first


def test_calibrating_is_dividing_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 10)).astype(np.float32)
    np.testing.assert_allclose(calibrate(softmax(logits), 1.7), softmax(logits / np.float32(1.7)), rtol=1e-4)
    scores = softmax(logits)
    assert calibrate(scores, 1.0) is scores


@pytest.mark.parametrize(
    ("scores", "labels", "says"),
    [
        (np.zeros((2, 3)), np.zeros(3, np.int64), "must be"),
        (np.zeros((0, 3)), np.zeros(0, np.int64), "no pictures"),
        (np.full((1, 3), np.nan), np.zeros(1, np.int64), "NaN"),
        (np.zeros((1, 3)), np.full(1, 3), "outside 0..2"),
    ],
)
def test_what_cannot_be_measured(scores: np.ndarray, labels: np.ndarray, says: str) -> None:  # type: ignore[type-arg]
    for measure in (reliability, fit_temperature, cross_fitted):
        with pytest.raises(DataError, match=says):
            measure(scores, labels)
