"""Writes settings that were turned while a run went on into the file that `onsight run --config` reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from onsight_edge.errors import OnsightError
from onsight_edge.files import write_text


def save_settings(path: Path, values: Mapping[str, float | int | None]) -> None:
    """Set keys of a TOML file and leave everything else in it, comments too, as it is.

    Args:
        path: of a file that `read_configuration` takes: it has no tables.
        values: key -> number; None leaves the key alone.

    Raises:
        OnsightError: the file cannot be read or written.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OnsightError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    for key, value in values.items():
        if value is not None:
            text = _with(text, key, repr(value))
    write_text(path.resolve(), text)  # a link stays one


def _with(text: str, key: str, value: str) -> str:
    line = re.compile(rf"""^([ \t]*["']?{re.escape(key)}["']?[ \t]*=[ \t]*)[^#\n]*?([ \t]*(?:#.*)?)$""", re.MULTILINE)
    if line.search(text):
        return line.sub(lambda found: f"{found[1]}{value}{found[2]}", text, count=1)
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{key} = {value}\n"
