from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onsight_edge.errors import BackendError, UnsupportedModelError
from onsight_edge.frame import TensorInfo
from onsight_edge.postprocess import Postprocessor, calibrate, probabilities, softmax
from onsight_edge.spec import MAX_TEMPERATURE, MIN_TEMPERATURE, ModelSpec

CLASSES = tuple("abcdefghij")


def spec(output: str = "probabilities", threshold: float = 0.0, temperature: float = 1.0) -> ModelSpec:
    return ModelSpec("t", CLASSES, (32, 32), output=output, threshold=threshold, temperature=temperature)  # type: ignore[arg-type]


@settings(deadline=None)
@given(hnp.arrays(np.int16, (3, 10), elements=st.integers(0, 255)), st.sampled_from(["uint8", "int8"]))
def test_quantized_scores_are_the_formula(stored: np.ndarray, dtype: str) -> None:  # type: ignore[type-arg]
    output = stored.astype(np.uint8).view(dtype)
    tensor = TensorInfo("y", (-1, 10), dtype, 1 / 256, -128 if dtype == "int8" else 0)
    scores = Postprocessor(spec(), tensor).scores(output)
    np.testing.assert_allclose(scores, (output.astype(float) - tensor.zero_point) / 256, atol=1e-7)
    assert scores.dtype == np.float32


@settings(deadline=None)
@given(
    hnp.arrays(np.int16, (3, 10), elements=st.integers(0, 255)),
    st.sampled_from(["uint8", "int8"]),
    st.sampled_from(["probabilities", "logits"]),
    st.floats(MIN_TEMPERATURE, MAX_TEMPERATURE).filter(lambda t: t != 1),
)
@example(np.array([[0] + [1] * 9] * 3, np.int16), "uint8", "probabilities", MIN_TEMPERATURE)
def test_the_table_with_the_temperature_is_calibrate(
    stored: np.ndarray,  # type: ignore[type-arg]
    dtype: str,
    kind: str,
    temperature: float,
) -> None:
    output = stored.astype(np.uint8).view(dtype)
    tensor = TensorInfo("y", (-1, 10), dtype, 1 / 256, -128 if dtype == "int8" else 0)
    scores = Postprocessor(spec(kind, temperature=temperature), tensor).scores(output)
    raw = ((output.astype(np.float32) - tensor.zero_point) / 256).astype(np.float32)
    np.testing.assert_allclose(scores, probabilities(raw, spec(kind, temperature=temperature)), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-4)
    assert (scores.argmax(axis=1) == raw.argmax(axis=1)).all()


def test_a_float_output_is_calibrated_too_and_the_threshold_reads_what_comes_out() -> None:
    output = np.full((1, 10), 0.02, np.float32)
    output[0, 4] = 0.82
    prediction = Postprocessor(spec(threshold=0.5, temperature=4.0), TensorInfo("y", (-1, 10), "float32"))(output)
    assert prediction.index == 4 and prediction.rejected
    np.testing.assert_allclose(prediction.scores, calibrate(output, 4.0)[0])


def test_the_first_of_equal_scores_wins() -> None:
    output = np.zeros((1, 10), np.float32)
    output[0, [3, 7]] = 0.5
    prediction = Postprocessor(spec(), TensorInfo("y", (-1, 10), "float32"))(output)
    assert (prediction.index, prediction.label, prediction.score) == (3, "d", 0.5)
    assert prediction.top(2) == [("d", 0.5), ("h", 0.5)]


def test_below_the_threshold_it_is_unknown() -> None:
    output = np.full((1, 10), 0.1, np.float32)
    prediction = Postprocessor(spec(threshold=0.2), TensorInfo("y", (1, 10), "float32"))(output)
    assert prediction.rejected and prediction.label == "unknown"


@settings(deadline=None)
@given(hnp.arrays(np.float32, (4, 10), elements=st.floats(-1e4, 1e4, width=32)))
def test_softmax_is_a_distribution_that_keeps_the_order(logits: np.ndarray) -> None:  # type: ignore[type-arg]
    scores = softmax(logits)
    assert np.isfinite(scores).all() and (scores >= 0).all()
    np.testing.assert_allclose(scores.sum(-1), 1, rtol=1e-5)
    assert (np.take_along_axis(scores, logits.argmax(-1)[:, None], 1)[:, 0] == scores.max(-1)).all()


def test_the_runtime_may_reuse_its_buffer() -> None:
    output = np.eye(1, 10, dtype=np.float32)
    prediction = Postprocessor(spec(), TensorInfo("y", (-1, 10), "float32"))(output)
    output[:] = 9
    assert prediction.scores[0] == 1


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (TensorInfo("y", (1, 1000), "float32"), "has 1000 scores, the spec names 10 classes"),
        (TensorInfo("y", (1, 10), "int8"), "expected float32, or quantized int8 or uint8"),
        (TensorInfo("y", (1, 10), "int16", 0.1), "expected float32, or quantized int8 or uint8"),
    ],
)
def test_what_is_no_classifier_is_refused(tensor: TensorInfo, says: str) -> None:
    with pytest.raises(UnsupportedModelError, match=says):
        Postprocessor(spec(), tensor)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_no_number_is_an_error(value: float) -> None:
    output = np.full((1, 10), 0.1, np.float32)
    output[0, 4] = value
    with pytest.raises(BackendError, match="for e"):
        Postprocessor(spec(), TensorInfo("y", (1, 10), "float32"))(output)
