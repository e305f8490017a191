"""Records: what `onsight bench` measured, as one JSON file. docs/records.md describes every key."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
import types
import typing
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from onsight_benchmarks.conditions import Conditions
from onsight_benchmarks.picture import Picture
from onsight_benchmarks.provenance import Provenance
from onsight_benchmarks.stats import Ratio, Summary
from onsight_edge.device import DeviceInfo
from onsight_edge.errors import BenchmarkError
from onsight_edge.files import write_text

SCHEMA = 1
STAGES = ("preprocess", "inference", "postprocess", "end_to_end")


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """The file that was measured.

    Attributes:
        name: the spec's.
        variant: such as `tflite-int8`; for a bare file its format.
        file: name without folder.
        bytes: its size.
        sha256: of the file.
        spec_sha256: of the whole spec.
        preprocess_sha256: of what decides the input tensor; measurements with equal ones can be compared.
    """

    name: str
    variant: str
    file: str
    bytes: int
    sha256: str
    spec_sha256: str
    preprocess_sha256: str


@dataclass(frozen=True, slots=True)
class MeasuredBackend:
    """What executed it: the runtime, its version, its threads, and what really executes (delegate, provider)."""

    name: str
    version: str
    threads: int
    detail: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model file in one runtime with one number of threads.

    Attributes:
        latency_ms: stage -> Summary in milliseconds; None for a stage that this measurement does not have.
        throughput_fps: classifications a second, one after the other.
        init_ms, first_ms: in a fresh process, see onsight_benchmarks.fresh; medians of several.
        rss_mib, rss_peak_mib: resident memory of such a process.
        values_us: stage -> every measured value in microseconds, in the order of measuring; None if left out.
    """

    model: MeasuredModel
    backend: MeasuredBackend
    latency_ms: dict[str, Summary | None]
    throughput_fps: float
    init_ms: float | None
    first_ms: float | None
    rss_mib: float | None
    rss_peak_mib: float | None
    valid: bool
    invalid_because: tuple[str, ...]
    values_us: dict[str, tuple[float, ...]] | None

    @property
    def label(self) -> str:
        """Variant, backend and threads in one word."""
        return f"{self.model.variant}/{self.backend.name}/{self.backend.threads}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one measurement compares with another that was taken round by round beside it.

    Attributes:
        of, to: labels of the two; `ratio` says how many times of the second's time the first takes.
        stage: of STAGES.
    """

    of: str
    to: str
    stage: str
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class Skipped:
    """A combination that was asked for and not measured, and why."""

    variant: str
    backend: str
    reason: str


@dataclass(frozen=True, slots=True)
class Method:
    """How it was measured.

    Attributes:
        order: in words, how the combinations took turns.
        clock: what was read.
        picture: the frame.
        seed: of the order and of a synthetic picture.
        warmup: calls of each combination before anything was measured.
        rounds, block: every combination was measured in `rounds` blocks of `block` calls.
        settle_calls, settle_ms: unmeasured calls before each block: at least so many, for at least so long.
        fresh: fresh processes for each combination.
    """

    order: str
    clock: str
    picture: Picture
    seed: int
    warmup: int
    rounds: int
    block: int
    settle_calls: int
    settle_ms: float
    fresh: int


@dataclass(frozen=True, slots=True)
class Record:
    """One run of the benchmark.

    Attributes:
        taken: when, in UTC.
        valid, invalid_because: whether nothing speaks against any of the measurements, and what does.
    """

    onsight: Provenance
    taken: str
    device: DeviceInfo
    method: Method
    conditions: Conditions
    measurements: tuple[Measurement, ...]
    comparisons: tuple[Comparison, ...]
    skipped: tuple[Skipped, ...]
    valid: bool
    invalid_because: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values; `from_json` gives it back."""
        return {"schema": SCHEMA, "kind": "latency", **asdict(self)}

    @classmethod
    def from_json(cls, value: Any, where: str = "record") -> Record:
        """Read what `to_json` wrote; `where` names the file in messages.

        Raises:
            BenchmarkError: not a latency record of this schema, or a key is missing, unknown or of the wrong kind.
        """
        if not isinstance(value, dict) or "schema" not in value:
            raise BenchmarkError(f"{where} is not an onsight record: expected a JSON object with the key 'schema'")
        if value["schema"] != SCHEMA:
            raise BenchmarkError(f"{where}: schema {value['schema']!r} is not {SCHEMA}: written by another onsight")
        if value.get("kind") != "latency":
            raise BenchmarkError(f"{where} is a record of {value.get('kind')!r}; one of 'latency' was expected")
        rest = {key: item for key, item in value.items() if key not in ("schema", "kind")}
        return cast(Record, read_value(cls, rest, where))

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read a record file.

        Raises:
            BenchmarkError: not there, not JSON, or not a record.
        """
        return cls.from_json(load_json(path), str(path))

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        save_json(path, self.to_json())

    def find(self, variant: str, backend: str | None = None, threads: int | None = None) -> Measurement | None:
        """The first measurement of that variant (and backend, and threads), or None."""
        for one in self.measurements:
            if (
                one.model.variant == variant
                and backend in (None, one.backend.name)
                and threads in (None, one.backend.threads)
            ):
                return one
        return None


def load_json(path: Path) -> Any:
    """The JSON in a record file.

    Raises:
        BenchmarkError: not there, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchmarkError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(f"{path} is not a record: it is not JSON ({error})") from error


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
    """Write a record file, whole or not at all: indented, but a list of numbers on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    flat = re.sub(r"\[\s+([-+0-9.eE,\s]+?)\s+\]", lambda found: "[" + " ".join(found[1].split()) + "]", text)
    write_text(path, flat + "\n")


def read_value(kind: Any, value: Any, where: str) -> Any:
    """A value of type `kind` from JSON, checked at every level against the type that the field declares.

    Args:
        kind: a dataclass, or what its fields may be declared as.
        value: what the JSON holds.
        where: names the file, for messages.

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
        for name in names:
            if name not in value:
                raise BenchmarkError(f"{where}: the key {name!r} is missing")
        return kind(**{name: read_value(hints[name], value[name], f"{where}: {name}") for name in names})  # type: ignore[operator]
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return read_value(next(one for one in inner if one is not types.NoneType), value, where)
    if origin is tuple and isinstance(value, list | tuple):
        if inner[-1] is not Ellipsis and len(inner) != len(value):
            raise BenchmarkError(f"{where}: expected {len(inner)} items, found {len(value)}")
        return tuple(read_value(inner[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: read_value(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (str, bool) and isinstance(value, kind):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is object:
        return value
    name = getattr(kind, "__name__", str(kind)) if origin is None else str(kind)
    raise BenchmarkError(f"{where}: expected {name}, found {type(value).__name__} {str(value)[:40]!r}")
