"""What rides inside a model file: the spec that export put there, read without any runtime or schema library.

TFLite Model Metadata appends associated files as a zip archive to the flatbuffer
(https://ai.google.dev/edge/litert/models/metadata); ONNX has string pairs in ModelProto.metadata_props
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3, field 14).
"""

from __future__ import annotations

import io
import json

from onsight_edge.errors import ModelError
from onsight_edge.protobuf import walk
from onsight_edge.spec import ModelSpec

TFLITE_SPEC_FILE = "onsight.json"
TFLITE_LABELS_FILE = "labels.txt"
ONNX_SPEC_KEY = "onsight_spec"
_METADATA_PROPS = 14
_MOST_BYTES = 1 << 20  # of one associated file: a spec with a thousand classes takes 30 KB


def read_spec(data: bytes, model_format: str, where: str) -> ModelSpec | None:
    """The spec inside a model file, or None where there is none.

    Raises:
        ModelError: there is one and it is damaged.
    """
    text = _tflite_spec(data) if model_format == "tflite" else _onnx_metadata(data).get(ONNX_SPEC_KEY)
    if text is None:
        return None
    try:
        return ModelSpec.from_json(json.loads(text), where)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where}: the spec inside it is damaged: {error}") from error


def _tflite_spec(data: bytes) -> str | None:
    import zipfile  # with zlib, lzma and bz2 behind it; a bundle's spec stands in its manifest
    import zlib

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if archive.getinfo(TFLITE_SPEC_FILE).file_size > _MOST_BYTES:
                return None
            return archive.read(TFLITE_SPEC_FILE).decode()
    except (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, OSError, EOFError, ValueError):
        return None  # none there, or damaged: the caller says what is missing


def _onnx_metadata(data: bytes) -> dict[str, str]:
    pairs: dict[str, str] = {}
    try:
        for number, value in walk(memoryview(data)):
            if number == _METADATA_PROPS and isinstance(value, memoryview):
                pair = {n: bytes(v).decode() for n, v in walk(value) if isinstance(v, memoryview)}
                pairs[pair.get(1, "")] = pair.get(2, "")
    except (IndexError, UnicodeDecodeError, ValueError):  # not protobuf: the runtime will say so
        return {}
    return pairs
