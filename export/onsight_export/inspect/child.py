"""The child process in which model files are parsed: `python -m onsight_export.inspect.child FORMAT`.

The file comes on stdin; its facts go to stdout as JSON. What is mangled may raise anything, take for ever or eat all
memory here: onsight_edge.trial watches the process.
"""

from __future__ import annotations

import json
import sys

from onsight_edge.errors import ModelError
from onsight_export.inspect.facts import FileFacts

FORMATS = ("tflite", "onnx", "keras")


def read_facts(data: bytes, model_format: str) -> FileFacts:
    """Parse a model file in this very process.

    Args:
        data: the whole file.
        model_format: one of FORMATS.

    Raises:
        ModelError: it is none, or damaged. MemoryError, and crashes, for what only a child process survives.
    """
    try:
        if model_format == "tflite":
            from onsight_export.inspect.tflite_file import read_tflite

            return read_tflite(data)
        if model_format == "onnx":
            from onsight_export.inspect.onnx_file import read_onnx

            return read_onnx(data)
        from onsight_export.inspect.keras_file import read_keras

        return read_keras(data)
    except (ModelError, MemoryError, ImportError):
        raise
    except Exception as error:  # generated parsers raise whatever the bytes lead them to
        reason = " ".join(str(error).split())[:100]
        raise ModelError(f"it is damaged or incomplete ({type(error).__name__}: {reason})") from error


def main() -> None:
    """Read stdin, write stdout; refuse by raising, as onsight_edge.trial wants it."""
    facts = read_facts(sys.stdin.buffer.read(), sys.argv[1])
    text = json.dumps(facts.to_json(), allow_nan=False, ensure_ascii=False, default=_text)
    sys.stdout.buffer.write(text.encode(errors="replace"))  # half a surrogate pair of a file can be printed nowhere


def _text(value: object) -> str:
    """protobuf gives the bytes themselves where a text of a damaged file is no UTF-8."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    main()
