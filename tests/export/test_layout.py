"""Other forms of the same files: channels first, any number of pictures at a time, float in and out, older opsets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_edge.classifier import Classifier
from onsight_edge.errors import UsageError
from onsight_edge.frame import TensorInfo
from onsight_edge.preprocess import Preprocessor
from onsight_edge.spec import ModelSpec
from onsight_export import onnx_files
from onsight_export.export import export_run
from onsight_export.onnx_layout import to_channels_first
from onsight_export.options import ExportOptions
from onsight_export.variants import VARIANTS, parse_quant

ONNX = [name for name in VARIANTS if name.startswith("onnx")]
TFLITE = [name for name in VARIANTS if name.startswith("tflite")]


@pytest.fixture(scope="module")
def turned(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The bundle with every choice other than the default."""
    out = tmp_path_factory.mktemp("turned") / "b.bundle"
    options = ExportOptions(
        max_drop_points=100, calibration=100, limit=20, batch="dynamic", layout="nchw", float_io=True, opset=13
    )
    return out, export_run(tiny.run, out, options)


def scores(bundle: Path, variant: str, images: np.ndarray) -> np.ndarray:
    with Classifier.open(bundle, variant=variant) as classifier:
        return classifier.scores(images)


@pytest.mark.parametrize("variant", ONNX)
def test_channels_first_without_a_transpose_and_with_the_same_answers(
    exported: tuple[Path, Any], turned: tuple[Path, Any], tiny: Any, variant: str
) -> None:
    import onnx

    graph = onnx.load(turned[0] / f"{variant}.onnx").graph
    dims = graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", 3, 16, 16]
    before_flatten = [node.op_type for node in graph.node][: [n.op_type for n in graph.node].index("MaxPool")]
    assert "Transpose" not in before_flatten
    assert "Conv" in before_flatten
    images = tiny.images[:40]
    np.testing.assert_allclose(scores(turned[0], variant, images), scores(exported[0], variant, images), atol=1e-6)


def test_a_transpose_that_meets_no_other_stays_and_the_answers_with_it() -> None:
    import onnx
    from onnx import TensorProto, helper

    random = np.random.default_rng(3)
    scale = onnx.numpy_helper.from_array(random.uniform(0.5, 2, 3).astype(np.float32), "scale")
    axes = onnx.numpy_helper.from_array(np.array([1, 2]), "axes")
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"], "mul"),
        helper.make_node("ReduceSum", ["scaled", "axes"], ["scores"], "sum", keepdims=0),
    ]
    picture = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 5, 4, 3])
    answer = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(nodes, "g", [picture], [answer], [scale, axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found = to_channels_first(model)
    assert [node.op_type for node in found.graph.node] == ["Cast", "Mul", "Transpose", "ReduceSum"]
    onnx.checker.check_model(found, full_check=True)

    import onnxruntime

    pixels = random.integers(0, 256, (2, 5, 4, 3)).astype(np.uint8)
    last, first = (onnxruntime.InferenceSession(m.SerializeToString()) for m in (model, found))
    wanted = last.run(None, {"image": pixels})[0]
    given = first.run(None, {"image": np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))})[0]
    np.testing.assert_allclose(given, wanted, rtol=1e-6)
    assert [node.op_type for node in model.graph.node] == ["Cast", "Mul", "ReduceSum"]  # the original is untouched


def test_channels_first_is_told_by_the_shape_and_last_wins_where_both_fit() -> None:
    pixels = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    spec = ModelSpec("t", ("a", "b"), (3, 3))
    both = Preprocessor(spec, TensorInfo("x", (1, 3, 3, 3), "float32")).encode(pixels)
    np.testing.assert_array_equal(both[0], pixels)
    grey = ModelSpec("t", ("a", "b"), (5, 4), colour="grey")
    pixels = np.arange(20, dtype=np.uint8).reshape(4, 5, 1)
    for dtype, scale in (("uint8", 0.0), ("float32", 0.0), ("int8", 0.5)):
        first = Preprocessor(grey, TensorInfo("x", (-1, 1, 4, 5), dtype, scale)).encode(pixels)
        last = Preprocessor(grey, TensorInfo("x", (-1, 4, 5, 1), dtype, scale)).encode(pixels)
        assert first.shape == (1, 1, 4, 5)
        assert first.flags.c_contiguous
        np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)


@pytest.mark.parametrize("variant", TFLITE)
def test_a_free_batch_takes_several_pictures_at_a_time(turned: tuple[Path, Any], tiny: Any, variant: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    one_by_one = scores(turned[0], variant, tiny.images[:3])
    interpreter = Interpreter(str(turned[0] / f"{variant}.tflite"))
    found = interpreter.get_input_details()[0]
    assert found["shape_signature"].tolist() == [-1, 16, 16, 3]
    interpreter.resize_tensor_input(found["index"], (3, 16, 16, 3))
    interpreter.allocate_tensors()
    interpreter.set_tensor(found["index"], tiny.images[:3].astype(np.float32))
    interpreter.invoke()
    together = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(together, one_by_one, atol=1e-2 if variant == "tflite-dynamic" else 1e-5)


def test_a_batch_of_one_is_fixed_in_both_formats(tiny: Any, tmp_path: Path) -> None:
    options = ExportOptions(parse_quant("float32"), limit=20, batch="1")
    report = export_run(tiny.run, tmp_path / "b", options)
    assert [each.input["shape"] for each in report.variants] == [[1, 16, 16, 3]] * 2
    assert report.batch == {"tflite": "1", "onnx": "1"}


def test_float_in_and_out_around_an_integer_network(
    exported: tuple[Path, Any], turned: tuple[Path, Any], tiny: Any
) -> None:
    report = {each.variant: each for each in turned[1].variants}["tflite-int8"]
    assert (report.input["dtype"], report.output["dtype"]) == ("float32", "float32")
    assert "scale" not in report.input
    images = tiny.images[:40]
    inside = np.abs(scores(turned[0], "tflite-int8", images) - scores(exported[0], "tflite-int8", images))
    assert inside.max() <= 1 / 256 + 1e-6  # the same integers inside; only the output's last step differs


def test_the_report_says_which_form_the_files_have(turned: tuple[Path, Any]) -> None:
    import onnx

    report = turned[1]
    assert (report.batch, report.layout, report.opset) == ({"tflite": "dynamic", "onnx": "dynamic"}, "nchw", 13)
    for variant in ONNX:
        opsets = onnx.load(turned[0] / f"{variant}.onnx").opset_import
        assert {opset.version for opset in opsets if opset.domain == ""} == {13}


@pytest.mark.parametrize("opset", [13, 18])
def test_the_oldest_and_the_newest_opset_answer_alike(tiny: Any, opset: int, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(
        onnx_files.finish(onnx_files.convert(tiny.model, opset), ModelSpec.load(tiny.run / "spec.json"))
    )
    with Classifier.open(tmp_path / "x.onnx") as classifier:
        np.testing.assert_allclose(classifier.scores(tiny.images[:20]), tiny.scores[:20], atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": "2"},
        {"layout": "chw"},
        {"range": "0..2"},
        {"golden": "mine"},
        {"min_agreement": 1.5},
        {"float_io": True, "variants": parse_quant("float32")},  # nothing that it could change
        {"keep_float": ("conv1",), "variants": parse_quant("int16x8")},
    ],
)
def test_forms_that_there_are_not_are_usage_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ExportOptions(**wrong)
