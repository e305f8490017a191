"""Reading the records to compare, and giving them names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from onsight_benchmarks.comparison.subjects import Entry
from onsight_benchmarks.contradictions import contradiction
from onsight_benchmarks.record import Record
from onsight_benchmarks.record_file import load_json
from onsight_edge.errors import BenchmarkError, UsageError


def load_entries(paths: Sequence[Path]) -> list[Entry]:
    """Read the records to compare.

    Raises:
        UsageError: none, or one is named twice. BenchmarkError: a file is not there or no latency record, or holds
            no measurement.
    """
    if not paths:
        raise UsageError("name at least one record that `onsight bench --out` wrote")
    resolved = [path.resolve() for path in paths]
    for place, path in enumerate(resolved):
        if path in resolved[:place]:
            raise UsageError(f"{paths[place]} is named twice: a record is not compared with itself")
    entries = []
    for place, (path, name) in enumerate(zip(paths, _names(resolved), strict=True)):
        record = Record.from_json(_plain(load_json(path)), plain(str(path)))
        if not record.measurements:
            raise BenchmarkError(f"{path} holds no measurement: there is nothing to compare")
        _check(record, path)
        entries.append(Entry(_letter(place), name, record))
    return entries


def _plain(value: Any) -> Any:
    """JSON whose every text is harmless on a screen: anybody may have written the record."""
    if isinstance(value, dict):
        return {plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value] if any(isinstance(item, str | list | dict) for item in value) else value
    return plain(value) if isinstance(value, str) else value


def plain(text: str) -> str:
    """Text for screens and pages: control characters and odd bytes as `\\x1b`."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _check(record: Record, path: Path) -> None:
    """Refuse figures that no clock gives, or that the values do not: a damaged record, or one written by hand."""
    for one in record.measurements:
        figures = {f"latency_ms.{stage}": astuple(s) for stage, s in one.latency_ms.items() if s is not None}
        figures |= {f"values_us.{stage}": values for stage, values in (one.values_us or {}).items()}
        figures["throughput_fps"] = (one.throughput_fps,)
        if one.scenario is not None:
            figures["scenario.value"] = (one.scenario.value,)
        if one.energy is not None:
            figures["energy.mj_per_picture"] = (one.energy.mj_per_picture,)
        if (known := one.accuracy) is not None and not 0 <= known.correct <= known.pictures:
            raise BenchmarkError(f"{path}: {one.label}: accuracy: {known.correct} correct of {known.pictures}")
        if any(not moment.p50_ms > 0 for moment in one.over_time or ()):
            raise BenchmarkError(f"{path}: {one.label}: over_time: a p50_ms that is not above 0 cannot be measured")
        for key, found in figures.items():
            if odd := [value for value in found if not (math.isfinite(value) and value >= 0)]:
                raise BenchmarkError(f"{path}: {one.label}: {key}: {odd[0]} is no figure that can be measured")
        if (said := contradiction(one)) is not None:
            raise BenchmarkError(f"{path}: {one.label}: the record contradicts itself: {said}")


def _letter(place: int) -> str:
    first, last = divmod(place, len(ascii_uppercase))
    return (ascii_uppercase[first - 1] if first else "") + ascii_uppercase[last]


def _names(paths: Sequence[Path]) -> list[str]:
    """Stems, each with so many of its folders that no two are alike."""
    names = []
    for path in paths:
        others = [other for other in paths if other != path]
        parts = [*path.parts[1:-1], path.stem]
        tails = [[*other.parts[1:-1], other.stem] for other in others]
        count = 1
        while count < len(parts) and any(tail[-count:] == parts[-count:] for tail in tails):
            count += 1
        names.append(plain("/".join(parts[-count:])))
    return names
