"""Records: what `onsight bench` measured, as one JSON file. docs/records.md describes every key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from onsight_benchmarks.change import Against
from onsight_benchmarks.conditions import Conditions
from onsight_benchmarks.measurement import Measurement
from onsight_benchmarks.picture import Picture
from onsight_benchmarks.provenance import Provenance
from onsight_benchmarks.record_file import load_json, read_value, save_json
from onsight_benchmarks.stats import Ratio
from onsight_edge.device import DeviceInfo
from onsight_edge.errors import BenchmarkError

SCHEMA = 1


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
        source, fps: the camera of `live`; else None.
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
    source: str | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """The graphics processor that executed it; None where its driver does not tell.

    Attributes:
        name: such as `NVIDIA H200`.
        driver, cuda: versions.
        memory_mib: of the device.
        sm_mhz, memory_mhz: clocks while it was measured (median of samples).
        power_w: while it was measured (median of samples).
    """

    name: str
    driver: str | None
    cuda: str | None
    memory_mib: int | None
    sm_mhz: float | None
    memory_mhz: float | None
    power_w: float | None


@dataclass(frozen=True, slots=True)
class Record:
    """One run of the benchmark.

    Attributes:
        taken: when, in UTC.
        valid, invalid_because: whether nothing speaks against any of the measurements, and what does.
        gpu: where one took part.
        against: what changed since an earlier record, where it was taken with `--against`.
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
    gpu: Gpu | None = None
    against: Against | None = None

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
