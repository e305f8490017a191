"""Reading and writing record files: strictly typed on the way in, whole or not at all on the way out."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import tempfile
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from onsight_edge.errors import BenchmarkError
from onsight_edge.files import write_text

_ITEM = r'(?:null|[-+0-9.eE]+|"[^"\s\\]*")'  # a string without white space, which joining the lines would change
_FLAT = re.compile(rf"\[\n\s+({_ITEM}(?:,\n\s+{_ITEM})*)\n\s*\]")


def load_json(path: Path) -> Any:
    """The JSON in a record file.

    Raises:
        BenchmarkError: not there, not a file, or not JSON.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device would not end
            raise BenchmarkError(f"{path} is not a record: it is {'a folder' if path.is_dir() else 'no file'}")
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise BenchmarkError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(f"{path} is not a record: it is not JSON ({error})") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def check_writable(path: Path) -> None:
    """Refuse a record file that could not be written, before anything is measured; leaves nothing behind.

    Raises:
        BenchmarkError: it is a folder, or its folder cannot be made or written to.
    """
    made: list[Path] = []
    try:
        if path.is_dir():
            raise BenchmarkError(f"cannot write {path}: it is a folder")
        made += [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise BenchmarkError(f"cannot write {path}: {error.strerror}") from error
    finally:
        for folder in made:  # innermost first
            with contextlib.suppress(OSError):
                folder.rmdir()


def save_json(path: Path, value: dict[str, Any]) -> None:
    """Write a record file, whole or not at all: indented, but a list of numbers and single words on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    flat = _FLAT.sub(lambda found: "[" + " ".join(found[1].split()) + "]", text)
    write_text(path, flat + "\n")


def read_value(kind: Any, value: Any, where: str) -> Any:
    """A value of type `kind` from JSON, checked at every level against the type that the field declares.

    Args:
        kind: a dataclass, or what its fields may be declared as.
        value: what the JSON holds.
        where: names the file, for messages.

    A key may be missing where its field has a default: older records know nothing of newer figures.

    Raises:
        BenchmarkError: a key is missing or unknown, or a value is of the wrong kind.
    """
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise BenchmarkError(f"{where}: expected an object, found {type(value).__name__}")
        hints = typing.get_type_hints(kind)
        names = [field.name for field in fields(kind)]
        for key in value:
            if key not in names:
                raise BenchmarkError(f"{where}: unknown key {key!r}; known are {', '.join(names)}")
        for field in fields(kind):
            if field.name not in value and field.default is MISSING:
                raise BenchmarkError(f"{where}: the key {field.name!r} is missing")
        return kind(
            **{name: read_value(hints[name], value[name], f"{where}: {name}") for name in names if name in value}
        )  # type: ignore[operator]
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return read_value(next(one for one in inner if one is not types.NoneType), value, where)
    if origin is tuple and isinstance(value, list | tuple):
        if inner == (float, ...) and all(type(item) in (float, int) for item in value):
            return tuple(map(float, value))  # records keep a great many values
        if inner[-1] is not Ellipsis and len(inner) != len(value):
            raise BenchmarkError(f"{where}: expected {len(inner)} items, found {len(value)}")
        return tuple(read_value(inner[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: read_value(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) <= sys.float_info.max:  # JSON's 1e999 is infinite
            raise BenchmarkError(f"{where}: expected a finite number, found {str(value)[:40]}")
        return float(value)
    if kind in (str, bool) and isinstance(value, kind):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is object:
        return value
    name = getattr(kind, "__name__", str(kind)) if origin is None else str(kind)
    raise BenchmarkError(f"{where}: expected {name}, found {type(value).__name__} {str(value)[:40]!r}")
