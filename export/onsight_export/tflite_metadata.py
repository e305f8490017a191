"""TFLite Model Metadata: what makes a .tflite file describe itself, to onsight and to other tools.

A flatbuffer of its own (identifier M001) rides in the model's buffer named TFLITE_METADATA; the files it names are
appended to the model as a zip archive. Slot numbers below follow the public schema:
https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs (1.5.0)
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import flatbuffers
import numpy as np

from onsight_edge.embedded import TFLITE_LABELS_FILE, TFLITE_SPEC_FILE
from onsight_edge.errors import ModelError
from onsight_edge.files import canonical_json, sha256_bytes
from onsight_edge.spec import ModelSpec

_BUFFER_NAME = b"TFLITE_METADATA"
_IDENTIFIER = b"M001"
_PARSER = "1.0.0"  # no field that came later is used
_FEATURE_PROPERTIES, _IMAGE_PROPERTIES, _NORMALIZATION, _THRESHOLDING = 1, 2, 1, 3  # members of the unions
_DESCRIPTIONS, _AXIS_LABELS = 1, 2  # AssociatedFileType
_COLOUR_SPACE = {"rgb": 1, "grey": 2}
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed date: equal models give equal files


def add_metadata(data: bytes, spec: ModelSpec, told_threshold: float | None = None) -> bytes:
    """A .tflite file with standard metadata, the class names and the spec in it; its tensors are named too.

    Args:
        data: what the converter gave, one input and one output.
        spec: what is to be known of it.
        told_threshold: the threshold that other tools are told; None for the spec's. They give no class at all below
            it, so one that export fitted is not for them.

    Raises:
        ModelError: a class name has a line break in it, which a label file cannot hold, or the rewritten file
            does not hold the same weights.
    """
    if broken := [name for name in spec.classes if name.splitlines() != [name]]:
        raise ModelError(f"the class name {broken[0]!r} has a line break in it or is empty: rename the class")
    told = spec if told_threshold is None else replace(spec, threshold=told_threshold)
    repacked = _with_buffer(data, metadata_flatbuffer(told, sha256_bytes(data)[:12]))
    archive = io.BytesIO(repacked)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as files:
        for name, text in (
            (TFLITE_LABELS_FILE, "".join(f"{name}\n" for name in spec.classes)),
            (TFLITE_SPEC_FILE, canonical_json(spec.to_json())),
        ):
            files.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), text.encode())
    return archive.getvalue()


def metadata_flatbuffer(spec: ModelSpec, version: str) -> bytes:
    """The metadata alone: picture input with its normalization, scores with their label file.

    Args:
        spec: what is to be known of the model.
        version: tells one conversion of one training from every other; `add_metadata` takes the digest of what the
            converter gave.
    """
    builder = _Builder(1024)
    width, height = spec.input_size_wh
    size = builder.table(2, [(0, "Uint32", width), (1, "Uint32", height)])
    image = builder.table(2, [(0, "Int8", _COLOUR_SPACE.get(spec.colour, 0)), (1, "offset", size)])
    content = builder.table(3, [(0, "Uint8", _IMAGE_PROPERTIES), (1, "offset", image)])
    normalization = builder.table(
        2, [(0, "offset", builder.floats(spec.mean)), (1, "offset", builder.floats(spec.std))]
    )
    normalize = builder.table(2, [(0, "Uint8", _NORMALIZATION), (1, "offset", normalization)])
    low = [(0.0 - m) / s for m, s in _pairs(spec)]
    high = [(255.0 - m) / s for m, s in _pairs(spec)]
    tensor_in = builder.table(
        7,
        [
            (0, "offset", builder.text("image")),
            (1, "offset", builder.text(f"{spec.colour} picture, {spec.resize}")),
            (3, "offset", content),
            (4, "offset", builder.tables([normalize])),
            (5, "offset", builder.table(2, [(0, "offset", builder.floats(high)), (1, "offset", builder.floats(low))])),
        ],
    )
    labels = builder.file(TFLITE_LABELS_FILE, "the classes, in the order of the scores", _AXIS_LABELS)
    feature = builder.table(3, [(0, "Uint8", _FEATURE_PROPERTIES), (1, "offset", builder.table(0, []))])
    fields: list[tuple[int, str, Any]] = [
        (0, "offset", builder.text("scores")),
        (1, "offset", builder.text(f"{spec.output} of the classes")),
        (3, "offset", feature),
        (5, "offset", builder.table(2, [(0, "offset", builder.floats([1.0])), (1, "offset", builder.floats([0.0]))])),
        (6, "offset", builder.tables([labels])),
    ]
    if spec.output == "logits":
        fields = [field for field in fields if field[0] != 5]
    if spec.threshold > 0:
        threshold = builder.table(1, [(0, "Float32", spec.threshold)])
        unit = builder.table(2, [(0, "Uint8", _THRESHOLDING), (1, "offset", threshold)])
        fields.append((4, "offset", builder.tables([unit])))
    tensor_out = builder.table(7, fields)
    subgraph = builder.table(
        7, [(2, "offset", builder.tables([tensor_in])), (3, "offset", builder.tables([tensor_out]))]
    )
    spec_file = builder.file(TFLITE_SPEC_FILE, "onsight's ModelSpec", _DESCRIPTIONS)
    model = builder.table(
        8,
        [
            (0, "offset", builder.text(spec.name)),
            (1, "offset", builder.text(f"Image classifier, {len(spec.classes)} classes")),
            (2, "offset", builder.text(version)),
            (3, "offset", builder.tables([subgraph])),
            (6, "offset", builder.tables([spec_file])),
            (7, "offset", builder.text(_PARSER)),
        ],
    )
    builder.Finish(model, _IDENTIFIER)
    return bytes(builder.Output())


def _pairs(spec: ModelSpec) -> list[tuple[float, float]]:
    count = max(len(spec.mean), len(spec.std))
    mean, std = (values * count if len(values) == 1 else values for values in (spec.mean, spec.std))
    return list(zip(mean, std, strict=True))


def _with_buffer(data: bytes, metadata: bytes) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].name = b"image"
    graph.tensors[graph.outputs[0]].name = b"scores"
    before = [_bytes(buffer) for buffer in model.buffers]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(metadata, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _BUFFER_NAME, len(model.buffers) - 1
    model.metadata = [*(m for m in model.metadata or [] if m.name != _BUFFER_NAME), entry]
    builder = _Builder(len(data) + len(metadata) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    packed = bytes(builder.Output())
    after = [_bytes(buffer) for buffer in schema.ModelT.InitFromPackedBuf(packed, 0).buffers]
    if after[:-1] != before or after[-1] != metadata:
        raise ModelError("writing the metadata into the .tflite file would have changed its weights")
    return packed


def _bytes(buffer: Any) -> bytes:
    return b"" if buffer.data is None else bytes(buffer.data)


class _Builder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no types
    """A flatbuffers.Builder that aligns byte vectors to 16, as the model's schema asks (`force_align: 16`).

    The generated Python code does not, and kernels that load weights by vector instructions may rely on it.
    """

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
        return super().StartVector(elemSize, numElems, 16 if elemSize == 1 else alignment)

    def table(self, slots: int, fields: Sequence[tuple[int, str, Any]]) -> int:
        """A table; a field is (slot, `offset` or flatbuffers' name of a scalar, value)."""
        self.StartObject(slots)
        for slot, kind, value in fields:
            if kind == "offset":
                self.PrependUOffsetTRelativeSlot(slot, value, 0)
            else:
                getattr(self, f"Prepend{kind}Slot")(slot, value, 0)
        return int(self.EndObject())

    def text(self, value: str) -> int:
        """A string."""
        return int(self.CreateString(value))

    def floats(self, values: Sequence[float]) -> int:
        """A vector of float32."""
        return int(self.CreateNumpyVector(np.asarray(values, np.float32)))

    def tables(self, offsets: Sequence[int]) -> int:
        """A vector of tables."""
        self.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.PrependUOffsetTRelative(offset)
        return int(self.EndVector())

    def file(self, name: str, description: str, kind: int) -> int:
        """An AssociatedFile."""
        return self.table(4, [(0, "offset", self.text(name)), (1, "offset", self.text(description)), (2, "Int8", kind)])
