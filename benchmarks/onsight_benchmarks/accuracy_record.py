"""Accuracy records: what one training came to, in float and in int8, on all test pictures. Keys: docs/records.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

from onsight_benchmarks.provenance import Provenance
from onsight_benchmarks.record import SCHEMA
from onsight_benchmarks.record_file import load_json, read_value, save_json
from onsight_edge.device import DeviceInfo
from onsight_edge.errors import BenchmarkError

KIND = "accuracy"


@dataclass(frozen=True, slots=True)
class Training:
    """How the network was trained, as the run's metrics.json tells.

    Attributes:
        arch: the architecture. recipe: all fields of the recipe, its name among them.
        command: what was typed; of absolute paths the last part only.
        seed, dropout, patience: as trained. teacher: the name of the run that it learnt from, or None.
        epochs_planned, epochs_done, epochs_kept: the last is the epoch whose weights these are.
        interrupted: a signal ended it.
        seconds: of the fitting. finished: when, UTC.
        train_pictures, validation_pictures: how many.
        gap_points: training minus validation accuracy, in percentage points. finding: the diagnosis' kind.
        versions, machine: of what trained it.
    """

    arch: str
    recipe: dict[str, object]
    command: tuple[str, ...]
    seed: int
    dropout: float
    patience: int | None
    teacher: str | None
    epochs_planned: int
    epochs_done: int
    epochs_kept: int
    interrupted: bool
    seconds: float
    finished: str | None
    train_pictures: int
    validation_pictures: int
    gap_points: float
    finding: str
    versions: dict[str, str]
    machine: dict[str, object]


@dataclass(frozen=True, slots=True)
class Tested:
    """On which pictures: `classes` how many, `sha256` of pixels and splits, all of the part `split`."""

    name: str
    sha256: str
    split: str
    pictures: int
    classes: int


@dataclass(frozen=True, slots=True)
class FloatAnswer:
    """The network itself, in Keras.

    Attributes:
        model_sha256: of `model.keras`. parameters: how many. macs: multiply-accumulates of one picture.
        backend: what executed it, with version.
        correct, accuracy, interval: on the test pictures; Wilson's 95 %.
    """

    model_sha256: str
    parameters: int
    macs: int | None
    backend: str
    correct: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Int8Answer:
    """One int8 file, executed picture by picture as it runs live.

    Attributes:
        variant, bytes, sha256: of the file. backend: what executed it, with version.
        calibration: training pictures its ranges were found on.
        correct, accuracy, interval: on the test pictures; Wilson's 95 %.
        only_float, only_int8: pictures that Keras got right and this file wrong, and the other way round.
        drop_points: float minus int8 accuracy in percentage points; drop_interval_points: its 95 % interval from the
            pairs (see onsight_benchmarks.accuracy_intervals).
        agreement: share of pictures on which both name the same class.
    """

    variant: str
    bytes: int
    sha256: str
    backend: str
    calibration: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    only_float: int
    only_int8: int
    drop_points: float
    drop_interval_points: tuple[float, float]
    agreement: float


@dataclass(frozen=True, slots=True)
class AccuracyRecord:
    """One training, evaluated.

    Attributes:
        onsight, taken, device: who evaluated, when (UTC) and where; where it was trained stands in `training`.
        name: the run's.
        valid, invalid_because: whether nothing speaks against the figures, and what does.
    """

    onsight: Provenance
    taken: str
    device: DeviceInfo
    name: str
    training: Training
    data: Tested
    float32: FloatAnswer
    int8: tuple[Int8Answer, ...]
    valid: bool
    invalid_because: tuple[str, ...]

    @property
    def recipe(self) -> str:
        """The recipe's name."""
        return str(self.training.recipe.get("name", ""))

    def find(self, variant: str) -> Int8Answer | None:
        """The answer of one int8 variant, or None."""
        return next((one for one in self.int8 if one.variant == variant), None)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values; `from_json` gives it back."""
        return {"schema": SCHEMA, "kind": KIND, **asdict(self)}

    @classmethod
    def from_json(cls, value: Any, where: str = "record") -> AccuracyRecord:
        """Read what `to_json` wrote; `where` names the file in messages.

        Raises:
            BenchmarkError: not an accuracy record of this schema, a key is missing, unknown or of the wrong kind, or
                the counts contradict each other.
        """
        if not isinstance(value, dict) or "schema" not in value:
            raise BenchmarkError(f"{where} is not an onsight record: expected a JSON object with the key 'schema'")
        if value["schema"] != SCHEMA:
            raise BenchmarkError(f"{where}: schema {value['schema']!r} is not {SCHEMA}: written by another onsight")
        if value.get("kind") != KIND:
            raise BenchmarkError(f"{where} is a record of {value.get('kind')!r}; one of {KIND!r} was expected")
        rest = {key: item for key, item in value.items() if key not in ("schema", "kind")}
        record = cast(AccuracyRecord, read_value(cls, rest, where))
        _check_counts(record, where)
        return record

    @classmethod
    def load(cls, path: Path) -> AccuracyRecord:
        """Read a record file.

        Raises:
            BenchmarkError: not there, not JSON, or not an accuracy record.
        """
        return cls.from_json(load_json(path), str(path))

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        save_json(path, self.to_json())


def record_name(arch: str, recipe: str) -> str:
    """The file name of a record: `resnet8-standard.json`."""
    return re.sub(r"[^\w.-]+", "-", f"{arch}-{recipe}") + ".json"


def publishable(words: Sequence[str]) -> tuple[str, ...]:
    """A command without the folders of the machine it ran on: of absolute paths the last part is left.

    `--flag=/a/b` becomes `--flag=b`.
    """
    return tuple(_without_folders(word) for word in words)


def _without_folders(word: str) -> str:
    flag, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(value)
        if path.is_absolute() or value.startswith("~"):
            value = path.name or value
    return flag + equals + value


def _check_counts(record: AccuracyRecord, where: str) -> None:
    total = record.data.pictures
    rows = [("float32", record.float32.correct, record.float32.accuracy)]
    rows += [(one.variant, one.correct, one.accuracy) for one in record.int8]
    for name, correct, accuracy in rows:
        if not 0 <= correct <= total or total < 1 or abs(correct / total - accuracy) > 1e-6:
            raise BenchmarkError(f"{where}: {name}: {correct} of {total} pictures are not an accuracy of {accuracy}")
    for one in record.int8:
        if record.float32.correct - one.only_float + one.only_int8 != one.correct:
            raise BenchmarkError(
                f"{where}: {one.variant}: {record.float32.correct} right in float, {one.only_float} lost and "
                f"{one.only_int8} won do not give {one.correct}"
            )
