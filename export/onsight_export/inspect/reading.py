"""Reads model files in a child process, so that a mangled one kills and hangs nothing."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

from onsight_edge.errors import MissingExtraError, ModelError
from onsight_edge.trial import in_child
from onsight_export.inspect.facts import FileFacts

_CHILD = "onsight_export.inspect.child"
# format -> the module that reads it, its package, the extra that installs it, for messages
_NEEDS = {
    "tflite": ("ai_edge_litert", "ai-edge-litert", "", "reading TFLite files"),
    "onnx": ("onnx", "onnx", "export", "reading ONNX files"),
    "keras": ("h5py", "h5py", "train", "reading .keras files"),
}
_SUFFIXES = {".tflite": "tflite", ".lite": "tflite", ".onnx": "onnx", ".keras": "keras"}


def sniff(name: str, data: bytes) -> str:
    """The format of a model file: by its first bytes where they tell, else by its suffix.

    Raises:
        ModelError: neither says so.
    """
    if data[4:8] == b"TFL3":
        return "tflite"
    found = _SUFFIXES.get(Path(name).suffix.lower())
    if found is None and data[:2] == b"PK":
        found = "keras"
    if found is None:
        raise ModelError(
            f"{name} is not a model that onsight knows: expected a .tflite, .onnx or .keras file, a run's or a "
            "bundle's folder, a .zip bundle, or 'default'"
        )
    return found


def inspect_model(data: bytes, model_format: str, where: str) -> FileFacts:
    """Read a model file in a child process with limits of time and memory.

    Args:
        data: the whole file.
        model_format: `tflite`, `onnx` or `keras`.
        where: names the file in messages.

    Raises:
        ModelError: not a model of that format, or damaged. MissingExtraError: a package that reads the format is not
            installed.
    """
    if model_format not in _NEEDS:  # a bundle may name its variants as it likes
        raise ModelError(f"{where}: files of the format {model_format!r} are not known; known are {', '.join(_NEEDS)}")
    module, package, extra, purpose = _NEEDS[model_format]
    if importlib.util.find_spec(module) is None:
        raise MissingExtraError(package, extra, purpose)
    mib = len(data) >> 20
    try:
        answer = in_child(_CHILD, data, model_format, seconds=20 + mib / 10, memory_mib=2048 + 6 * mib)
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error
    return FileFacts.from_json(json.loads(answer))


def missing_beside(facts: FileFacts, folder: Path) -> FileFacts:
    """The facts with a warning for each file of external weights that is not in `folder`, or is too short.

    Names that lead out of the folder are never followed: a model could ask for any file of the machine.
    """
    warnings = list(facts.warnings)
    for one in facts.external:
        if Path(one.name).name != one.name or one.name in ("", ".", ".."):
            warnings.append(f"its weights should lie in {one.name!r}, which is not a plain file name: not looked for")
            continue
        try:
            size = (folder / one.name).stat().st_size
        except OSError:
            warnings.append(f"its weights lie in {one.name}, which is not beside it")
            continue
        if one.bytes is not None and size < one.bytes:
            warnings.append(f"its weights need {one.bytes:,} bytes of {one.name}, which has {size:,}")
    return replace(facts, warnings=tuple(warnings))
