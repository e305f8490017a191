"""What is told of model files: onsight's own, other makers', and mangled ones."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.errors import ModelError
from onsight_edge.spec import ModelSpec
from onsight_export.inspect.child import read_facts
from onsight_export.inspect.class_names import classes_of_metadata
from onsight_export.inspect.facts import FileFacts, Quantization
from onsight_export.inspect.flatbuffer import Table
from onsight_export.inspect.reading import inspect_model, missing_beside, sniff
from onsight_export.inspect.tflite_described import read_metadata
from onsight_export.tflite_metadata import metadata_flatbuffer

FLOAT = ("tflite-float32", "tflite-float16", "onnx-float32", "onnx-float16")


def facts_of(path: Path) -> FileFacts:
    return read_facts(path.read_bytes(), sniff(path.name, path.read_bytes()))


def operators(facts: FileFacts) -> dict[str, str]:
    return {kind: arithmetic for kind, arithmetic, _, _ in facts.kinds()}


def test_every_variant_counts_the_macs_of_the_network(exported: tuple[Path, Any], tiny: Any) -> None:
    from onsight_train.macs import count_macs

    macs = count_macs(tiny.model)
    assert macs
    for one in exported[1].variants:
        facts = facts_of(exported[0] / one.file)
        assert facts.macs == macs, one.variant
        assert facts.classes == ModelSpec.load(tiny.run / "spec.json").classes
        assert facts.warnings == ()
        # batch norm may be folded, and nothing else is lost
        assert tiny.model.count_params() - 4 * 8 <= facts.parameters <= tiny.model.count_params() + 16, one.variant


def test_float_and_quantized_operators_are_told_apart(exported: tuple[Path, Any]) -> None:
    for one in exported[1].variants:
        facts = facts_of(exported[0] / one.file)
        heavy = {op.arithmetic for op in facts.operators if op.macs}
        if one.variant in FLOAT:
            assert heavy <= {"float32", "float16"}
        elif one.variant in ("tflite-int8", "tflite-int16x8"):
            assert heavy == {"int16" if "16" in one.variant else "int8"} and facts.float_operators == 0
        elif one.variant == "onnx-int8":
            assert heavy == {"uint8"} and facts.float_operators == 1  # its softmax
        else:  # which layers a dynamic-range file leaves in float depends on their size
            assert "float32, 8-bit weights" in heavy
    int8 = facts_of(exported[0] / "tflite-int8.tflite")
    assert int8.inputs[0].quantization == Quantization((1.0,), (0,))
    assert int8.inputs[0].about == "rgb picture, squash; 16x16 RGB; raw pixels; values 0..255"


def test_facts_survive_the_way_through_json(exported: tuple[Path, Any]) -> None:
    for name in ("tflite-int8.tflite", "onnx-int8.onnx"):
        facts = facts_of(exported[0] / name)
        assert FileFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts
        assert inspect_model((exported[0] / name).read_bytes(), facts.format, name) == facts


def test_an_unusual_network_converted_with_a_free_batch(tmp_path: Path) -> None:
    """Dilated, grouped, transposed and separable convolutions, counted in Keras and in the file alike."""
    pytest.importorskip("tensorflow")
    from onsight_export.run import import_tensorflow

    tf = import_tensorflow()
    import keras
    from keras import layers

    from onsight_train.macs import count_macs

    model = keras.Sequential(
        [
            keras.Input((12, 12, 4)),
            layers.SeparableConv2D(8, 3, padding="same"),
            layers.Conv2D(8, 3, groups=2),
            layers.Conv2D(8, 3, dilation_rate=2),
            layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    data = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    facts = read_facts(data, "tflite")
    assert facts.macs == count_macs(model)
    assert facts.inputs[0].shape == (-1, 12, 12, 4)
    assert facts.classes is None and facts.metadata[0][0] == "signature serving_default"
    model.save(tmp_path / "odd.keras")
    static = facts_of(tmp_path / "odd.keras")
    assert static.parameters == model.count_params() and static.inputs[0].shape == (-1, 12, 12, 4)
    assert [op.kind for op in static.operators] == [type(layer).__name__ for layer in model.layers]


def test_loops_and_branches_have_no_known_cost() -> None:
    pytest.importorskip("tensorflow")
    from onsight_export.run import import_tensorflow

    tf = import_tensorflow()
    weights = tf.constant(np.ones((8, 8), np.float32))

    @tf.function(input_signature=[tf.TensorSpec((1, 8)), tf.TensorSpec((), tf.int32)])
    def loop(x: Any, count: Any) -> Any:
        return tf.while_loop(lambda i, x: i < count, lambda i, x: (i + 1, tf.matmul(x, weights)), (0, x))[1]

    data = tf.lite.TFLiteConverter.from_concrete_functions([loop.get_concrete_function()]).convert()
    facts = read_facts(data, "tflite")
    assert facts.macs is None and facts.known_macs == 0
    assert operators(facts)["WHILE"] == "other"
    assert {op.graph for op in facts.operators} > {""}
    assert {tensor.dtype for tensor in facts.inputs} == {"float32", "int32"}


@pytest.fixture(scope="module")
def onnx_graphs() -> dict[str, Any]:
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto

    def weights(name: str, *shape: int) -> Any:
        return onnx.numpy_helper.from_array(np.random.default_rng(0).normal(size=shape).astype(np.float32), name)

    def value(name: str, shape: Any, kind: int = kinds.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    def model(nodes: Any, inputs: Any, outputs: Any, constants: Any, opset: int = 17, **more: Any) -> Any:
        graph = helper.make_graph(nodes, "graph", inputs, outputs, constants)
        imports = [helper.make_opsetid("", opset), helper.make_opsetid("my", 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=10, **more)

    node = helper.make_node
    block = helper.make_function(
        "my",
        "Block",
        ["X", "W"],
        ["Y"],
        [node("Conv", ["X", "W"], ["t"]), node("Relu", ["t"], ["Y"])],
        [helper.make_opsetid("", 17)],
    )
    branch = helper.make_graph([node("MatMul", ["x", "k"], ["t1"])], "then", [], [value("t1", None)])
    other = helper.make_graph([node("Identity", ["x"], ["e1"])], "else", [], [value("e1", None)])
    two = model(
        [
            node("Conv", ["image", "k"], ["c"], group=2, strides=[2, 2]),
            node("GlobalAveragePool", ["c"], ["p"]),
            node("Flatten", ["p"], ["f"]),
            node("Concat", ["f", "extra"], ["fe"], axis=1),
            node("Gemm", ["fe", "d", "b"], ["y"], transB=1),
            node("ArgMax", ["y"], ["id"], axis=1),
        ],
        [value("image", ["N", 4, 9, 9]), value("extra", ["N", 5])],
        [value("y", ["N", 3]), value("id", ["N", 1], kinds.INT64)],
        [weights("k", 6, 2, 3, 3), weights("d", 3, 11), weights("b", 3)],
        opset=21,
    )
    helper.set_model_props(two, {"names": "{1: 'dog', 0: 'cat', 2: 'bird'}"})
    conv = [node("Conv", ["x", "k"], ["c"], name="conv"), node("Relu", ["c"], ["y"], name="relu")]
    return {
        "two inputs": two,
        "functions": model(
            [node("Block", ["x", "k"], ["a"], domain="my"), node("Block", ["a", "k2"], ["y"], domain="my")],
            [value("x", [1, 3, 16, 16])],
            [value("y", None)],
            [weights("k", 8, 3, 3, 3), weights("k2", 8, 8, 3, 3)],
            functions=[block],
        ),
        "branches": model(
            [node("If", ["c"], ["y"], then_branch=branch, else_branch=other), node("Identity", ["s"], ["s2"])],
            [value("c", [], kinds.BOOL), value("x", [2, 4]), value("s", ["n"], kinds.STRING)],
            [value("y", None), value("s2", ["n"], kinds.STRING)],
            [weights("k", 4, 4)],
        ),
        "batch of 8": model(conv, [value("x", [8, 3, 10, 10])], [value("y", None)], [weights("k", 16, 3, 3, 3)]),
        "free sides": model(conv, [value("x", [1, 3, "h", "w"])], [value("y", None)], [weights("k", 16, 3, 3, 3)]),
    }


def test_several_inputs_groups_and_class_names_of_another_tool(onnx_graphs: dict[str, Any]) -> None:
    facts = read_facts(onnx_graphs["two inputs"].SerializeToString(), "onnx")
    assert facts.macs == 4 * 4 * 6 * 2 * 9 + 33
    assert facts.parameters == 6 * 2 * 9 + 33 + 3
    assert (facts.classes, facts.classes_from) == (("cat", "dog", "bird"), "names")
    assert [(t.dtype, t.shape) for t in facts.inputs] == [("float32", ("N", 4, 9, 9)), ("float32", ("N", 5))]
    assert facts.outputs[1].dtype == "int64" and dict(facts.about)["opset"] == "ai.onnx 21, my 1"


def test_functions_are_opened(onnx_graphs: dict[str, Any]) -> None:
    facts = read_facts(onnx_graphs["functions"].SerializeToString(), "onnx")
    assert facts.macs == 14 * 14 * 8 * 27 + 12 * 12 * 8 * 72
    assert operators(facts) == {"Conv": "float32", "Relu": "float32"}
    assert facts.outputs[0].shape == (1, 8, 12, 12)


def test_what_cannot_be_counted_is_not_made_up(onnx_graphs: dict[str, Any]) -> None:
    branches = read_facts(onnx_graphs["branches"].SerializeToString(), "onnx")
    assert branches.macs is None and operators(branches)["If"] == "other"
    assert branches.inputs[2].dtype == "string" and branches.parameters == 16
    free = read_facts(onnx_graphs["free sides"].SerializeToString(), "onnx")
    assert free.macs is None
    fixed = read_facts(onnx_graphs["batch of 8"].SerializeToString(), "onnx")
    assert fixed.macs == 8 * 8 * 16 * 27  # for one picture


def test_external_weights_are_looked_for_beside_the_file_only(onnx_graphs: dict[str, Any], tmp_path: Path) -> None:
    import onnx

    def save(name: str) -> FileFacts:
        model = onnx.ModelProto.FromString(onnx_graphs["batch of 8"].SerializeToString())
        onnx.save(
            model, tmp_path / f"{name}.onnx", save_as_external_data=True, location=f"{name}.bin", size_threshold=0
        )
        return facts_of(tmp_path / f"{name}.onnx")

    facts = save("m")
    assert (facts.macs, facts.weight_bytes) == (8 * 8 * 16 * 27, 16 * 27 * 4)
    assert [(file.name, file.bytes) for file in facts.external] == [("m.bin", 16 * 27 * 4)]
    assert missing_beside(facts, tmp_path).warnings == ()
    (tmp_path / "m.bin").write_bytes(b"\0" * 10)
    assert "which has 10" in missing_beside(facts, tmp_path).warnings[0]
    (tmp_path / "m.bin").unlink()
    assert "not beside it" in missing_beside(facts, tmp_path).warnings[0]
    model = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    (entry,) = [e for e in model.graph.initializer[0].external_data if e.key == "location"]
    entry.value = "../../etc/passwd"
    outside = read_facts(model.SerializeToString(), "onnx")
    assert "not a plain file name: not looked for" in missing_beside(outside, tmp_path).warnings[0]


@pytest.mark.parametrize(
    ("form", "heavy", "in_float"),
    [
        ("QOperator", {"QLinearConv": "int8", "QLinearMatMul": "int8"}, 0),
        ("QDQ", {"Conv": "int8", "MatMul": "int8"}, 0),
    ],
)
def test_both_forms_of_quantized_onnx(tmp_path: Path, form: str, heavy: dict[str, str], in_float: int) -> None:
    onnx, quantization = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime.quantization")
    helper, draw = onnx.helper, np.random.default_rng(0)
    shapes = {"k": (8, 3, 3, 3), "b": (8,), "d": (8, 4)}
    constants = [onnx.numpy_helper.from_array(draw.normal(size=s).astype(np.float32), n) for n, s in shapes.items()]
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "k", "b"], ["c"], name="c1"),
        node("Relu", ["c"], ["r"], name="r1"),
        node("GlobalAveragePool", ["r"], ["p"], name="p1"),
        node("Flatten", ["p"], ["f"], name="f1"),
        node("MatMul", ["f", "d"], ["y"], name="m1"),
    ]
    ends = [helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", [1, 3, 16, 16]), ("y", [1, 4]))]
    graph = helper.make_graph(nodes, "float", ends[:1], ends[1:], constants)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "float.onnx"
    )

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{"x": draw.normal(size=(1, 3, 16, 16)).astype(np.float32)} for _ in range(3)]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    quantization.quantize_static(
        tmp_path / "float.onnx", tmp_path / "q.onnx", Reader(), quant_format=quantization.QuantFormat[form]
    )
    facts = facts_of(tmp_path / "q.onnx")
    assert facts.macs == facts_of(tmp_path / "float.onnx").macs == 14 * 14 * 8 * 27 + 32
    assert {kind: how for kind, how in operators(facts).items() if kind in heavy} == heavy
    assert facts.float_operators == in_float and facts.parameters == 216 + 8 + 32


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('["a", "b"]', ("a", "b")),
        ("{0: 'person', 1: 'it''s'}", ("person", "its")),
        ('{"1": "b", "0": "a"}', ("a", "b")),
        ("cat,dog\nbird", ("cat", "dog", "bird")),
        ("[[1]]", None),
        ("", None),
        ("(" * 5000, ("(" * 5000,)),
    ],
)
def test_class_names_as_other_tools_write_them(text: str, names: tuple[str, ...] | None) -> None:
    assert classes_of_metadata({"names": text})[0] == names


def test_a_lambda_layer_is_told_of_and_not_run(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from onsight_export.run import import_tensorflow

    import_tensorflow()
    import keras

    model = keras.Sequential([keras.Input((8,)), keras.layers.Lambda(lambda x: x * 2), keras.layers.Dense(2)])
    model.save(tmp_path / "lambda.keras")
    facts = facts_of(tmp_path / "lambda.keras")
    assert facts.parameters == 18 and "Python code" in facts.warnings[0]


def test_normalization_of_other_tools_is_told() -> None:
    spec = ModelSpec("n", ("a", "b"), (4, 6), mean=(127.5,), std=(127.5,), threshold=0.25)
    found = read_metadata(metadata_flatbuffer(spec, "3"))
    assert dict(found.about) == {"name": "n", "version": "3", "description": "Image classifier, 2 classes"}
    assert found.inputs[0][1] == "rgb picture, squash; 4x6 RGB; feed (pixel - 127.5) / 127.5; values -1..1"
    assert "answers below 0.25 do not count" in found.outputs[0][1]
    assert found.label_files == ("labels.txt",)


@given(st.binary(max_size=200), st.integers(0, 10))
def test_no_bytes_lead_the_flatbuffer_reader_astray(data: bytes, slot: int) -> None:
    def text_or_refusal(read: Callable[[Table], Any]) -> None:
        with contextlib.suppress(ValueError):
            read(Table.root(data))

    text_or_refusal(lambda table: table.text(slot))
    text_or_refusal(lambda table: table.floats(slot))
    text_or_refusal(lambda table: table.tables(slot))
    text_or_refusal(lambda table: table.number(slot, "I"))


@given(st.data())
def test_mangled_metadata_are_refused_or_read(data: st.DataObject) -> None:
    whole = bytearray(metadata_flatbuffer(ModelSpec("n", ("a", "b"), (4, 6)), "3"))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):  # anything else fails the test
        assert len(read_metadata(bytes(whole)).inputs) < 1000


@pytest.mark.parametrize("name", ["tflite-int8.tflite", "onnx-int8.onnx"])
def test_mangled_files_end_in_facts_or_one_line(exported: tuple[Path, Any], name: str) -> None:
    whole = (exported[0] / name).read_bytes()
    draw = random.Random(4)
    refused = 0
    for number in range(6):
        mangled = bytearray(whole)
        for _ in range(3):
            mangled[draw.randrange(min(len(whole), 3000))] = draw.randrange(256)
        data = bytes(mangled if number else mangled[: len(whole) // 3])
        try:
            inspect_model(data, name.split(".")[-1], name)
        except ModelError as error:
            refused += 1
            assert "\n" not in str(error) and name in str(error)
    assert refused >= 2


def test_what_is_no_model_is_refused() -> None:
    for model_format in ("tflite", "onnx", "keras"):
        with pytest.raises(ModelError, match="it is not a"):
            read_facts(b"neither fish nor fowl", model_format)
    with pytest.raises(ModelError, match="not a model that onsight knows"):
        sniff("picture.png", b"\x89PNG")


@pytest.mark.slow
def test_a_file_made_to_take_for_ever_ends_in_one_line() -> None:
    """Functions that each call the next one twice: opened, they are 2 to the 26th operators."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]

    def call(depth: int, source: str, target: str) -> Any:
        kind, domain = (f"F{depth}", "my") if depth < 26 else ("Relu", "")
        return helper.make_node(kind, [source], [target], domain=domain)

    functions = [
        helper.make_function("my", f"F{n}", ["X"], ["Y"], [call(n + 1, "X", "t"), call(n + 1, "t", "Y")], imports)
        for n in range(26)
    ]
    ends = [helper.make_tensor_value_info(name, 1, [1]) for name in ("x", "y")]
    graph = helper.make_graph([call(0, "x", "y")], "bomb", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=imports, functions=functions)
    with pytest.raises(ModelError, match=r"bomb\.onnx: it (kept the process|needs more than|killed the process)"):
        inspect_model(model.SerializeToString(), "onnx", "bomb.onnx")
