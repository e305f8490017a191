"""What other tools read in the files: TFLite Model Metadata and ONNX's metadata_props.

The reader here follows the public schema (metadata_schema.fbs 1.1.0) and shares no code with the writer.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_edge.errors import ModelError
from onsight_edge.spec import ModelSpec
from onsight_export.tflite_metadata import add_metadata, metadata_flatbuffer

TFLITE = ["tflite-float32", "tflite-float16", "tflite-dynamic", "tflite-int8", "tflite-int16x8"]


class Table:
    """A flatbuffer table, read by the format's own rules: https://flatbuffers.dev/internals"""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    @classmethod
    def root(cls, data: bytes) -> Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def _field(self, slot: int) -> int | None:
        vtable = self.at - struct.unpack_from("<i", self.data, self.at)[0]
        size = struct.unpack_from("<H", self.data, vtable)[0]
        if 4 + 2 * slot >= size:
            return None
        offset = struct.unpack_from("<H", self.data, vtable + 4 + 2 * slot)[0]
        return self.at + offset if offset else None

    def scalar(self, slot: int, form: str) -> Any:
        at = self._field(slot)
        return 0 if at is None else struct.unpack_from("<" + form, self.data, at)[0]

    def _follow(self, slot: int) -> int:
        at = self._field(slot)
        assert at is not None, f"slot {slot} is absent"
        return int(at + struct.unpack_from("<I", self.data, at)[0])

    def table(self, slot: int) -> Table:
        return Table(self.data, self._follow(slot))

    def text(self, slot: int) -> str:
        at = self._follow(slot)
        (length,) = struct.unpack_from("<I", self.data, at)
        return self.data[at + 4 : at + 4 + length].decode()

    def floats(self, slot: int) -> list[float]:
        at = self._follow(slot)
        (length,) = struct.unpack_from("<I", self.data, at)
        return list(struct.unpack_from(f"<{length}f", self.data, at + 4))

    def tables(self, slot: int) -> list[Table]:
        at = self._follow(slot)
        (length,) = struct.unpack_from("<I", self.data, at)
        places = [at + 4 + 4 * i for i in range(length)]
        return [Table(self.data, p + struct.unpack_from("<I", self.data, p)[0]) for p in places]

    def has(self, slot: int) -> bool:
        return self._field(slot) is not None


def check_metadata(metadata: bytes, spec: ModelSpec) -> str:
    """Check what stands in the metadata; give back the model's version."""
    assert metadata[4:8] == b"M001"
    model = Table.root(metadata)
    assert (model.text(0), model.text(1)) == (spec.name, f"Image classifier, {len(spec.classes)} classes")
    assert model.text(7) == "1.0.0"
    assert [file.text(0) for file in model.tables(6)] == ["onsight.json"]
    (graph,) = model.tables(3)
    ((picture,), (scores,)) = graph.tables(2), graph.tables(3)
    content = picture.table(3)
    assert content.scalar(0, "B") == 2  # ImageProperties
    assert content.table(1).scalar(0, "b") == 1  # RGB
    size = content.table(1).table(1)
    assert (size.scalar(0, "I"), size.scalar(1, "I")) == spec.input_size_wh
    (unit,) = picture.tables(4)
    assert unit.scalar(0, "B") == 1  # NormalizationOptions
    assert (unit.table(1).floats(0), unit.table(1).floats(1)) == ([0.0], [1.0])
    assert (picture.table(5).floats(0), picture.table(5).floats(1)) == ([255.0], [0.0])
    (labels,) = scores.tables(6)
    assert (labels.text(0), labels.scalar(2, "b")) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS
    assert scores.table(3).scalar(0, "B") == 1 and scores.table(3).has(1)  # FeatureProperties
    assert not scores.has(4)  # no ScoreThresholdingOptions: with a fitted threshold MediaPipe would give no class
    assert (scores.table(5).floats(0), scores.table(5).floats(1)) == ([1.0], [0.0])
    return model.text(2)


@pytest.mark.parametrize("variant", TFLITE)
def test_tflite_files_carry_standard_metadata(exported: tuple[Path, Any], tiny: Any, variant: str) -> None:
    from ai_edge_litert import schema_py_generated as schema

    spec = ModelSpec.load(tiny.run / "spec.json")
    data = (exported[0] / f"{variant}.tflite").read_bytes()
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    buffers = {entry.name: entry.buffer for entry in model.metadata}
    assert re.fullmatch("[0-9a-f]{12}", check_metadata(bytes(model.buffers[buffers[b"TFLITE_METADATA"]].data), spec))
    assert b"min_runtime_version" in buffers  # the converter's own entry stays
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("labels.txt").decode().splitlines() == list(spec.classes)
        inside = ModelSpec.from_json(json.loads(archive.read("onsight.json")))
        assert replace(inside, threshold=0.0, input_statistics=None) == spec
        assert inside.threshold > 0 and inside.input_statistics is not None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_version_tells_conversions_apart(exported: tuple[Path, Any]) -> None:
    from onsight_export.inspect.child import read_facts

    files = [exported[0] / f"{variant}.tflite" for variant in TFLITE]
    assert len({dict(read_facts(file.read_bytes(), "tflite").about)["version"] for file in files}) == len(TFLITE)


@pytest.mark.parametrize("variant", TFLITE)
def test_weights_stay_aligned(exported: tuple[Path, Any], variant: str) -> None:
    from ai_edge_litert import schema_py_generated as schema

    data = (exported[0] / f"{variant}.tflite").read_bytes()
    model = schema.Model.GetRootAs(data, 0)
    places = [
        model.Buffers(i)._tab.Vector(model.Buffers(i)._tab.Offset(4))
        for i in range(model.BuffersLength())
        if not model.Buffers(i).DataIsNone() and model.Buffers(i).DataLength()
    ]
    assert len(places) > 5
    assert [place % 16 for place in places] == [0] * len(places)


def test_the_rewritten_file_answers_bit_for_bit_as_before(tiny: Any) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from onsight_export import tflite
    from onsight_export.run import import_tensorflow
    from onsight_export.variants import VARIANTS

    tf = import_tensorflow()
    spec = ModelSpec.load(tiny.run / "spec.json")
    with tflite.saved_model(tiny.model) as folder:
        bare = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
        full = add_metadata(tflite.convert(folder, VARIANTS["tflite-float32"]), spec)
    assert len(full) > len(bare)
    answers = []
    for data in (bare, full):
        interpreter = Interpreter(model_content=data, num_threads=1)
        interpreter.allocate_tensors()
        rows = []
        for image in tiny.images[:20]:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis].astype(np.float32))
            interpreter.invoke()
            rows.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy())
        answers.append(np.concatenate(rows))
    assert np.array_equal(*answers)


def test_threshold_colour_and_logits_stand_in_the_metadata() -> None:
    spec = ModelSpec("n", ("a", "b"), (4, 6), colour="grey", output="logits", threshold=0.25)
    (graph,) = Table.root(metadata_flatbuffer(spec, "7")).tables(3)
    ((picture,), (scores,)) = graph.tables(2), graph.tables(3)
    assert picture.table(3).table(1).scalar(0, "b") == 2  # GRAYSCALE
    (unit,) = scores.tables(4)
    assert (unit.scalar(0, "B"), unit.table(1).scalar(0, "f")) == (3, 0.25)  # ScoreThresholdingOptions
    assert not scores.has(5)  # logits have no range


@pytest.mark.parametrize("name", ["two\nlines", "", "carriage\rreturn"])
def test_a_class_name_that_a_label_file_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="rename the class"):
        add_metadata(b"", ModelSpec("n", ("a", name), (4, 4)))


@pytest.mark.parametrize("variant", ["onnx-float32", "onnx-int8"])
def test_onnx_files_carry_the_spec_and_are_valid(exported: tuple[Path, Any], tiny: Any, variant: str) -> None:
    import onnx

    model = onnx.load(exported[0] / f"{variant}.onnx")
    onnx.checker.check_model(model, full_check=True)
    spec = ModelSpec.load(tiny.run / "spec.json")
    props = {entry.key: entry.value for entry in model.metadata_props}
    inside = ModelSpec.from_json(json.loads(props["onsight_spec"]))
    assert replace(inside, threshold=0.0, input_statistics=None) == spec
    assert inside.threshold > 0 and inside.input_statistics is not None
    assert tuple(json.loads(props["classes"])) == spec.classes
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    assert model.ir_version == 8  # the oldest for opset 17
    (picture,), (scores,) = model.graph.input, model.graph.output
    for value, kind, shape in (
        (picture, onnx.TensorProto.UINT8, ["batch", 16, 16, 3]),
        (scores, onnx.TensorProto.FLOAT, ["batch", 4]),
    ):
        dims = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        assert (value.type.tensor_type.elem_type, dims) == (kind, shape)


def test_onnx_int8_is_quantized_from_the_first_pixel_on(exported: tuple[Path, Any]) -> None:
    import onnx

    graph = onnx.load(exported[0] / "onnx-int8.onnx").graph
    readers = [node.op_type for node in graph.node if "image" in node.input and node.op_type != "Shape"]
    assert readers == ["DequantizeLinear"]
    weights = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    kernels = [weight for weight in weights if weight.dtype == np.int8 and weight.ndim >= 2]
    assert len(kernels) == 4
    assert max(int(np.abs(kernel.astype(int)).max()) for kernel in kernels) <= 64  # 7 bits: see onnx_files.quantize


@pytest.mark.parametrize("variant", ["onnx-float32", "onnx-int8"])
def test_onnx_takes_any_batch(exported: tuple[Path, Any], tiny: Any, variant: str) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported[0] / f"{variant}.onnx", providers=["CPUExecutionProvider"])
    together = session.run(["scores"], {"image": tiny.images[:7]})[0]
    alone = np.concatenate([session.run(["scores"], {"image": image[np.newaxis]})[0] for image in tiny.images[:7]])
    assert together == pytest.approx(alone, abs=1e-5)
