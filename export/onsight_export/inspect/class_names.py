"""Class names that other tools leave in ONNX files."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

# onsight and many others; Ultralytics (a Python dict as text); Hugging Face
_KEYS = ("classes", "names", "labels", "class_names", "id2label")
_MOST = 1 << 20  # characters


def classes_of_metadata(metadata: Mapping[str, str]) -> tuple[tuple[str, ...] | None, str]:
    """Names under a usual key of `metadata_props`, and that key; a list, or a mapping from the number of the class."""
    for key in _KEYS:
        if names := _names(metadata.get(key, "")):
            return names, key
    return None, ""


def classes_of_nodes(model: onnx.ModelProto) -> tuple[tuple[str, ...] | None, str]:
    """Names in the attribute that scikit-learn's classifiers keep them in, and where that is."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "classlabels_strings" and attribute.strings:
                return tuple(name.decode("utf-8", "replace") for name in attribute.strings), node.name or node.op_type
    return None, ""


def _names(text: str) -> tuple[str, ...] | None:
    if not text or len(text) > _MOST:
        return None
    value: Any = None
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
            break
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    else:  # a plain list of words, one a line or between commas
        value = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    if isinstance(value, dict):
        try:
            value = [value[key] for key in sorted(value, key=int)]
        except (ValueError, TypeError):
            return None
    if not isinstance(value, list | tuple) or not value or not all(isinstance(name, str | int) for name in value):
        return None
    return tuple(str(name) for name in value)
