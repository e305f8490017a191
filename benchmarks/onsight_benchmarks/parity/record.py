"""Variant records: one network's files beside it, on all test pictures, with size and time. Keys: docs/records.md."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from onsight_benchmarks.accuracy_record import Tested
from onsight_benchmarks.conditions import Conditions
from onsight_benchmarks.picture import Picture
from onsight_benchmarks.provenance import Provenance
from onsight_benchmarks.record import SCHEMA
from onsight_benchmarks.record_file import load_json, read_value, save_json
from onsight_benchmarks.report import Target
from onsight_benchmarks.stats import Summary
from onsight_edge.device import DeviceInfo
from onsight_edge.errors import BenchmarkError

KIND = "variants"


@dataclass(frozen=True, slots=True)
class Method:
    """How it was measured.

    Attributes:
        drop_interval: in words. seed: of the bootstrap, the order of measuring and the frame.
        picture, calls, warmup, settle_calls, settle_ms: of the times, see onsight_benchmarks.rounds.
    """

    drop_interval: str
    seed: int
    picture: Picture
    calls: int
    warmup: int
    settle_calls: int
    settle_ms: float


@dataclass(frozen=True, slots=True)
class Network:
    """The network itself, in Keras.

    Attributes:
        arch, recipe: names. parameters, macs: how many; macs None where nobody counted.
        model_sha256, bytes: of `model.keras`. backend: what executed it.
        correct, accuracy, interval, ece: on the test pictures.
    """

    arch: str
    recipe: str
    parameters: int
    macs: int | None
    model_sha256: str
    bytes: int
    backend: str
    correct: int
    accuracy: float
    interval: tuple[float, float]
    ece: float


@dataclass(frozen=True, slots=True)
class Quantized:
    """How an int8 file came to its ranges: calibration pictures, estimator, layers left in float, and why."""

    pictures: int
    estimator: str
    left_float: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class VariantAnswer:
    """One file, executed picture by picture as it runs live.

    Attributes:
        variant, bytes, sha256, backend: the file and what executed it.
        correct, accuracy, interval, ece: on the test pictures; Wilson's 95 %.
        only_keras, only_variant: pictures that only Keras, or only this file, got right.
        drop_points, drop_interval_points: accuracy lost against Keras, percentage points, with its 95 % interval.
        agreement: share of pictures with Keras's class.
        largest_difference, mean_difference: of scores.
        inference_ms: of one inference, one thread.
        objections: why it is broken; empty where it is sound.
        quantized: None but for int8.
    """

    variant: str
    bytes: int
    sha256: str
    backend: str
    correct: int
    accuracy: float
    interval: tuple[float, float]
    ece: float
    only_keras: int
    only_variant: int
    drop_points: float
    drop_interval_points: tuple[float, float]
    agreement: float
    largest_difference: float
    mean_difference: float
    inference_ms: Summary
    objections: tuple[str, ...]
    quantized: Quantized | None


@dataclass(frozen=True, slots=True)
class VariantsRecord:
    """One network's variants.

    Attributes:
        onsight, taken, device: who measured, when (UTC) and where.
        name: the run's.
        targets: what was aimed at.
        valid, invalid_because: whether nothing speaks against the figures, and what does.
    """

    onsight: Provenance
    taken: str
    device: DeviceInfo
    method: Method
    conditions: Conditions
    name: str
    data: Tested
    keras: Network
    variants: tuple[VariantAnswer, ...]
    targets: tuple[Target, ...]
    valid: bool
    invalid_because: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values; `from_json` gives it back."""
        targets = [{**asdict(target), "met": target.met} for target in self.targets]
        return {"schema": SCHEMA, "kind": KIND, **asdict(self), "targets": targets}

    @classmethod
    def from_json(cls, value: Any, where: str = "record") -> VariantsRecord:
        """Read what `to_json` wrote; `where` names the file in messages.

        Raises:
            BenchmarkError: not a variants record of this schema, a key is missing, unknown or of the wrong kind, or
                the counts contradict each other.
        """
        if not isinstance(value, dict) or "schema" not in value:
            raise BenchmarkError(f"{where} is not an onsight record: expected a JSON object with the key 'schema'")
        if value["schema"] != SCHEMA:
            raise BenchmarkError(f"{where}: schema {value['schema']!r} is not {SCHEMA}: written by another onsight")
        if value.get("kind") != KIND:
            raise BenchmarkError(f"{where} is a record of {value.get('kind')!r}; one of {KIND!r} was expected")
        rest = {key: item for key, item in value.items() if key not in ("schema", "kind")}
        if isinstance(rest.get("targets"), list):
            rest["targets"] = [
                {key: item for key, item in one.items() if key != "met"} if isinstance(one, dict) else one
                for one in rest["targets"]
            ]
        record = cast(VariantsRecord, read_value(cls, rest, where))
        _check_counts(record, where)
        return record

    @classmethod
    def load(cls, path: Path) -> VariantsRecord:
        """Read a record file.

        Raises:
            BenchmarkError: not there, not JSON, or not a variants record.
        """
        return cls.from_json(load_json(path), str(path))

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        save_json(path, self.to_json())


def _check_counts(record: VariantsRecord, where: str) -> None:
    total, keras = record.data.pictures, record.keras
    for name, correct, accuracy in [
        ("keras", keras.correct, keras.accuracy),
        *((one.variant, one.correct, one.accuracy) for one in record.variants),
    ]:
        if not 0 <= correct <= total or total < 1 or abs(correct / total - accuracy) > 1e-6:
            raise BenchmarkError(f"{where}: {name}: {correct} of {total} pictures are not an accuracy of {accuracy}")
    for one in record.variants:
        if keras.correct - one.only_keras + one.only_variant != one.correct:
            raise BenchmarkError(
                f"{where}: {one.variant}: {keras.correct} right in Keras, {one.only_keras} lost and "
                f"{one.only_variant} won do not give {one.correct}"
            )
