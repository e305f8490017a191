"""Averaged weights: the average they say they are, and the same after an interruption."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.errors import OnsightError
from onsight_train.averaging import WeightAverage


def drawn(seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype(np.float32) for shape in ((3, 2), (4,), ())]


@given(count=st.integers(1, 30), decay=st.floats(0, 0.9999))
@settings(max_examples=40, deadline=None)
def test_the_average_is_the_published_one(count: int, decay: float) -> None:
    average = WeightAverage(decay)
    expected: list[np.ndarray] = []
    for n in range(count):
        arrays = drawn(n)
        average.take(drawn(n))
        keep = min(decay, (1 + n) / (10 + n))
        expected = [keep * e + (1 - keep) * a for e, a in zip(expected, arrays, strict=True)] if n else arrays
    for found, wanted in zip(average.weights(), expected, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@given(before=st.integers(0, 12), after=st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_an_interrupted_average_is_the_same_bit_for_bit(before: int, after: int) -> None:
    whole, part = WeightAverage(0.99), WeightAverage(0.99)
    for n in range(before):
        whole.take(drawn(n))
        part.take(drawn(n))
    buffer = io.BytesIO()
    np.savez(buffer, **part.state())  # type: ignore[arg-type]
    buffer.seek(0)
    resumed = WeightAverage(0.99)
    resumed.restore(np.load(buffer))
    for n in range(before, before + after):
        whole.take(drawn(n))
        resumed.take(drawn(n))
    for one, other in zip(whole.weights(), resumed.weights(), strict=True):
        assert one.shape == other.shape and one.tobytes() == other.tobytes()


def test_what_is_handed_out_is_not_changed_later() -> None:
    average = WeightAverage(0.5)
    first = drawn(0)
    average.take(first)
    weights, state = average.weights(), average.state()
    average.take(drawn(1))
    assert (weights[0] == first[0]).all() and (state["w0000"] == first[0]).all()
    assert not (average.weights()[0] == weights[0]).all()


def test_nothing_averaged_and_foreign_states_are_refused() -> None:
    average = WeightAverage(0.5)
    with pytest.raises(ValueError, match="no weights"):
        average.weights()
    for state in ({}, {"steps": np.array(1), "kernel": np.zeros(2)}):
        with pytest.raises(OnsightError, match="not the state of averaged weights: it holds"):
            average.restore(state)


def test_a_model_s_weights_are_taken_as_they_are_after_each_step(keras: Any) -> None:
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
    average, expected = WeightAverage(0.9), WeightAverage(0.9)
    for step in range(4):
        model.set_weights([weight + step for weight in model.get_weights()])
        average.update(model)
        expected.take(model.get_weights())
    assert len(average.weights()) == 6, "batch norm's averages are among them"
    for one, other in zip(average.weights(), expected.weights(), strict=True):
        assert one.tobytes() == other.tobytes()
    model.set_weights(average.weights())
