"""Quantizing a real network in both formats: the choice, what layers cost, and layers left in float."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from onsight_edge.errors import DataError, UsageError
from onsight_edge.spec import ModelSpec

pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")

CLASSES = ("red", "green", "blue", "grey")
FORMATS = ("tflite", "onnx")
ALLOWED = 3.0  # points; of 120 pictures one is 0.8


@dataclass(frozen=True)
class Material:
    """What quantizing takes."""

    model: Any
    spec: ModelSpec
    calibration: np.ndarray
    validation: Any
    make: dict[str, Callable[..., Any]]


@contextmanager
def material(model: Any, images: np.ndarray, labels: np.ndarray) -> Iterator[Material]:
    from onsight_export import onnx_files, tflite
    from onsight_export.quantize import Labelled, make_int8_onnx, make_int8_tflite
    from onsight_export.run import keras_scores

    spec = ModelSpec("tiny", CLASSES, images.shape[1:3])
    validation = Labelled(images[80:], labels[80:], keras_scores(model, spec, images[80:]))
    graph = onnx_files.convert(model)

    with tflite.saved_model(model) as folder:

        def in_tflite(options: Any, validation: Any = validation, calibration: Any = images[:80]) -> Any:
            return make_int8_tflite(model, folder, spec, calibration, validation, options)

        def in_onnx(options: Any, validation: Any = validation, calibration: Any = images[:80]) -> Any:
            return make_int8_onnx(graph, spec, calibration, validation, options, model=model)

        yield Material(model, spec, images[:80], validation, {"tflite": in_tflite, "onnx": in_onnx})


@pytest.fixture(scope="module")
def sound(tiny: Any) -> Iterator[Material]:
    with material(tiny.model, tiny.images, tiny.labels) as case:
        yield case


@pytest.fixture(scope="module")
def lopsided(tiny: Any) -> Iterator[tuple[Material, str, str]]:
    """The same function in float, but a channel of the second convolution is 3,000 times as large as it was.

    The layer after it makes up for that. 8 bits give a tensor one scale: its other channels all become 0 or 1.
    """
    import keras

    model = keras.models.clone_model(tiny.model)
    model.set_weights(tiny.model.get_weights())
    convolution = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][1]
    dense = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    kernel, bias = (np.array(weight) for weight in convolution.get_weights())
    kernel[..., 3] *= 3000
    bias[3] *= 3000
    convolution.set_weights([kernel, bias])
    rows, bias = (np.array(weight) for weight in dense.get_weights())
    rows[3 :: kernel.shape[-1]] /= 3000
    dense.set_weights([rows, bias])
    with material(model, tiny.images, tiny.labels) as case:
        yield case, convolution.name, dense.name


def scores(made: Any, form: str, spec: ModelSpec, pixels: np.ndarray) -> np.ndarray:
    from onsight_edge.backends.litert import open_runtime as litert
    from onsight_edge.backends.onnxruntime import open_runtime as onnxruntime
    from onsight_edge.postprocess import Postprocessor

    data = made if form == "tflite" else made.SerializeToString()
    backend = (litert if form == "tflite" else onnxruntime)("litert" if form == "tflite" else "onnxruntime", data, 1)
    answers = [backend.infer(picture[np.newaxis].astype(backend.input.dtype)) for picture in pixels]
    return Postprocessor(spec, backend.output).scores(np.concatenate(answers))


def options(**given: Any) -> Any:
    from onsight_export.quantize import Int8Options

    return Int8Options(pictures=20, estimator="minmax", **given)


def float_operators(made: Any, form: str) -> int:
    """Convolutions and matrix products that are not in 8 bits."""
    if form == "onnx":
        quantized = {name for node in made.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
        return sum(node.op_type in ("Conv", "Gemm") and node.input[1] not in quantized for node in made.graph.node)
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(made, 0)
    graph, codes = model.subgraphs[0], schema.BuiltinOperator
    kinds = (codes.CONV_2D, codes.FULLY_CONNECTED)
    return sum(
        model.operatorCodes[operator.opcodeIndex].builtinCode in kinds
        and graph.tensors[operator.inputs[0]].type == schema.TensorType.FLOAT32
        for operator in graph.operators
    )


@pytest.mark.parametrize("form", FORMATS)
def test_every_candidate_is_measured_and_the_chosen_one_is_delivered(sound: Material, form: str) -> None:
    from onsight_export.quantize import ESTIMATORS, Int8Options

    made = sound.make[form](Int8Options(max_drop_points=ALLOWED))
    report = made.report
    assert {(tried.pictures, tried.estimator) for tried in report.tried} == {
        (size, estimator) for size in (50, 80) for estimator in ESTIMATORS
    }
    assert len({tried.mean_difference for tried in report.tried}) > 1  # the estimators do differ
    chosen = next(t for t in report.tried if (t.pictures, t.estimator) == (report.pictures, report.estimator))
    found = scores(made.data, form, sound.spec, sound.validation.pixels)
    assert np.abs(found - sound.validation.reference).mean() == pytest.approx(chosen.mean_difference, abs=1e-6)
    assert report.accuracy == chosen.accuracy == (found.argmax(axis=1) == sound.validation.labels).mean()
    assert report.drop_points <= ALLOWED
    assert chosen.agreement >= 0.95
    assert report.left_float == ()
    assert report.sensitivity is None
    assert "compared on 120 pictures" in report.why
    assert float_operators(made.data, form) == 0
    assert report.to_json()["estimator"] == report.estimator


@pytest.mark.parametrize("form", FORMATS)
def test_equal_input_gives_equal_bytes(sound: Material, form: str) -> None:
    from onsight_export.quantize import Int8Options

    options = Int8Options(pictures=20, estimator="mse", max_drop_points=ALLOWED)
    first, second = (sound.make[form](options).data for _ in range(2))
    assert first == second if form == "tflite" else first.SerializeToString() == second.SerializeToString()


@pytest.mark.parametrize("form", FORMATS)
def test_the_input_takes_raw_pixels_whatever_the_pictures_held(sound: Material, form: str) -> None:
    import onnx

    from onsight_edge.backends.litert import open_runtime
    from onsight_export.quantize import Int8Options

    dark = sound.calibration[:3] // 4
    options = Int8Options(pictures=3, estimator="minmax", max_drop_points=100.0)
    made = sound.make[form](options, calibration=dark).data
    if form == "tflite":
        tensor = open_runtime("litert", made, 1).input
        assert (tensor.dtype, tensor.scale, tensor.zero_point) == ("uint8", 1.0, 0)
        assert tensor.shape[0] == 1
    else:
        constants = {tensor.name: tensor for tensor in made.graph.initializer}
        first = next(node for node in made.graph.node if node.op_type == "QuantizeLinear" and "Cast" in node.input[0])
        assert [onnx.numpy_helper.to_array(constants[name]) for name in first.input[1:]] == [1.0, 0]


def test_float_input_and_output_are_an_option_of_tflite(sound: Material) -> None:
    from onsight_edge.backends.litert import open_runtime
    from onsight_export.quantize import Int8Options

    made = sound.make["tflite"](
        Int8Options(pictures=20, estimator="minmax", max_drop_points=ALLOWED, float_io=True)
    ).data
    backend = open_runtime("litert", made, 1)
    assert (backend.input.dtype, backend.output.dtype) == ("float32", "float32")
    found = scores(made, "tflite", sound.spec, sound.validation.pixels)
    assert (found.argmax(axis=1) == sound.validation.reference.argmax(axis=1)).mean() > 0.95


@pytest.mark.parametrize("form", FORMATS)
def test_layers_are_called_what_keras_calls_them(sound: Material, form: str) -> None:
    import keras

    from onsight_export.quantize import Int8Options

    report = sound.make[form](
        Int8Options(pictures=20, estimator="minmax", max_drop_points=ALLOWED, sensitivity=True)
    ).report
    own = [layer.name for layer in sound.model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)]
    assert {layer.layer for layer in report.sensitivity} == set(own)
    assert [layer.mean_difference for layer in report.sensitivity] == sorted(
        (layer.mean_difference for layer in report.sensitivity), reverse=True
    )
    assert report.left_float == ()  # measuring alone leaves nothing in float


@pytest.mark.parametrize("form", FORMATS)
def test_a_layer_that_8_bits_ruin_is_named_and_left_in_float(lopsided: tuple[Material, str, str], form: str) -> None:
    from onsight_export.quantize import Int8Options

    case, convolution, dense = lopsided
    allowed = case.make[form](Int8Options(pictures=50, estimator="minmax", max_drop_points=100.0))
    assert allowed.report.drop_points > 2 * ALLOWED  # the fault is there
    assert allowed.report.left_float == ()
    made = case.make[form](Int8Options(pictures=50, estimator="minmax", max_drop_points=ALLOWED))
    report = made.report
    # its output is ruined where it is stored in 8 bits: by the layer itself, and by the one that reads it
    assert {layer.layer for layer in report.sensitivity[:2]} == {convolution, dense}
    assert set(report.left_float) >= {convolution, dense}
    assert len(report.left_float) < len(report.sensitivity)  # and not simply everything
    assert report.drop_points <= ALLOWED
    assert report.accuracy > allowed.report.accuracy
    found = scores(made.data, form, case.spec, case.validation.pixels)
    assert (found.argmax(axis=1) == case.validation.labels).mean() == pytest.approx(report.accuracy)
    assert float_operators(made.data, form) == len(report.left_float)
    assert "in float" in report.why


@pytest.mark.parametrize("form", FORMATS)
def test_layers_named_by_hand_stay_in_float(sound: Material, form: str) -> None:
    from onsight_export.quantize import Int8Options

    last = sound.model.layers[-1].name
    made = sound.make[form](Int8Options(pictures=20, estimator="minmax", max_drop_points=ALLOWED, keep_float=(last,)))
    assert made.report.left_float == (last,)
    assert float_operators(made.data, form) == 1
    with pytest.raises(UsageError, match=f"no layer 'nosuch' to keep in float; there are .*{last}"):
        sound.make[form](Int8Options(pictures=20, keep_float=("nosuch",)))


def test_without_pictures_to_compare_on_it_refuses(sound: Material) -> None:
    from onsight_export.quantize import Int8Options

    with pytest.raises(DataError, match="others to compare on"):
        sound.make["onnx"](Int8Options(max_drop_points=ALLOWED), sound.validation.evenly(0))


def test_the_chart_shows_both_variants(lopsided: tuple[Material, str, str]) -> None:
    from onsight_export.quantize import Int8Options
    from onsight_export.quantize.charts import sensitivity_chart

    report = lopsided[0].make["onnx"](Int8Options(pictures=20, estimator="minmax", max_drop_points=ALLOWED)).report
    one = sensitivity_chart({"onnx-int8": report}, "tiny")
    both = sensitivity_chart({"tflite-int8": report, "onnx-int8": report}, "tiny")
    assert one[:8] == both[:8] == b"\x89PNG\r\n\x1a\n"
    width = [int.from_bytes(chart[16:20], "big") for chart in (one, both)]
    assert width[1] == 2 * width[0]
    assert both == sensitivity_chart({"tflite-int8": report, "onnx-int8": report}, "tiny")


def convolutions(names: list[str], bias: float = 0.0) -> Any:
    """A network of 16x16 pictures with a convolution a name; the first one's bias as given."""
    import keras
    from keras import layers

    image = x = keras.Input((16, 16, 3))
    for place, name in enumerate(names):
        start = keras.initializers.Constant(bias if place == 0 else 0.0)
        x = layers.Conv2D(4, 3, activation="relu", name=name, bias_initializer=start)(x)
    return keras.Model(image, x, name="backbone")


def classifier(backbone: Any) -> Any:
    import keras
    from keras import layers

    image = keras.Input((16, 16, 3))
    return keras.Model(image, layers.Dense(4, activation="softmax", name="head")(layers.Flatten()(backbone(image))))


@pytest.mark.parametrize("form", FORMATS)
def test_the_layers_of_a_network_within_a_network_are_told_apart(tiny: Any, form: str) -> None:
    with material(classifier(convolutions(["c0", "c1"])), tiny.images, tiny.labels) as case:
        report = case.make[form](options(sensitivity=True)).report
    assert {layer.layer for layer in report.sensitivity} == {"c0", "c1", "head"}


@pytest.mark.parametrize("form", FORMATS)
def test_a_layer_that_never_fires_is_quantized_too(tiny: Any, form: str) -> None:
    """Its range is 0 to 0, and what a runtime makes of a scale of nearly 0 differs."""
    with material(classifier(convolutions(["c0", "c1"], bias=-1e6)), tiny.images, tiny.labels) as case:
        result = case.make[form](options(max_drop_points=100.0))
        answers = scores(result.data, form, case.spec, tiny.images[:5])
    assert np.abs(answers - case.validation.reference[:5]).max() < 0.01


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_with_nothing_in_8_bits_is_none(sound: Material, form: str) -> None:
    from dataclasses import replace

    from onsight_edge.errors import ModelError

    always_right = replace(sound.validation, labels=sound.validation.reference.argmax(axis=1))
    with pytest.raises(ModelError, match="only with no layer in 8 bits") as caught:
        sound.make[form](options(max_drop_points=-1.0), validation=always_right)  # nothing is better than Keras here
    assert "\n" not in str(caught.value)
