"""Run folders, read and checked for comparing: what was trained, how it fares, and on which test pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from onsight_benchmarks.run_curves import Curves, read_curves
from onsight_edge.bundle import MANIFEST
from onsight_edge.datasets import NAMED
from onsight_edge.errors import ModelError
from onsight_edge.files import sha256_bytes
from onsight_edge.metrics import wilson

T = TypeVar("T")

PARTIAL = ".partial"  # what onsight_train.run calls the folder of a training that has not ended


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One finished training as its folder tells it.

    Attributes:
        folder: where it lies. name: that folder's name.
        arch, recipe: names. recipe_fields: all of the recipe, as it was saved.
        parameters: numbers of the network. macs: multiply-accumulates of one picture; None in older runs.
        correct, pictures: on the test part. train_accuracy, validation_accuracy: of the kept weights, shares.
        gap: training minus validation accuracy, as a share.
        finding: overfitting, underfitting, balanced or unclear. sentence: the same for people, with a remedy.
        planned, done, kept: epochs. interrupted: a signal ended it.
        seconds: of the fitting.
        dataset: the set's name. uri: where it lay. data_sha256: of pixels and splits.
        test_part: what decides the test part. how: all that decides the digest beside the files themselves.
        model_sha256: of `model.keras`.
        metrics: metrics.json, whole.
    """

    folder: Path
    name: str
    arch: str
    recipe: str
    recipe_fields: dict[str, Any]
    parameters: int
    macs: int | None
    correct: int
    pictures: int
    train_accuracy: float
    validation_accuracy: float
    gap: float
    finding: str
    sentence: str
    planned: int
    done: int
    kept: int
    interrupted: bool
    seconds: float
    dataset: str
    uri: str
    data_sha256: str
    test_part: tuple[object, ...]
    how: tuple[object, ...]
    model_sha256: str
    curves: Curves
    metrics: dict[str, Any]

    @property
    def accuracy(self) -> float:
        """On the test part, 0..1."""
        return self.correct / self.pictures

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of `accuracy`."""
        return wilson(self.correct, self.pictures)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A folder that is not compared, and why."""

    folder: str
    reason: str


def find_runs(root: Path) -> tuple[list[Path], list[LeftOut]]:
    """The run folders directly below `root`, sorted, and those that cannot be compared.

    Bundles, files and hidden folders are passed over without a word.

    Raises:
        ModelError: `root` cannot be looked into.
    """
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise ModelError(f"cannot look for runs in {root}: {error.strerror}; name them, or train one first") from error
    found: list[Path] = []
    left_out: list[LeftOut] = []
    for folder in folders:
        if (folder / MANIFEST).exists():
            continue
        reason = unfinished(folder) or _unreadable(folder)
        if reason:
            left_out.append(LeftOut(str(folder), reason))
        else:
            found.append(folder)
    return found, left_out


def _unreadable(folder: Path) -> str | None:
    try:
        read_run(folder)
    except ModelError as error:
        return str(error)
    return None


def unfinished(folder: Path) -> str | None:
    """Why a folder is a training that has not ended, or None."""
    if folder.name.endswith(PARTIAL):
        return "still training, or killed: not finished"
    return None


def read_run(folder: Path) -> RunFacts:
    """Read a run folder.

    Raises:
        ModelError: not a run folder, or one of its files is damaged.
    """
    try:
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "is not there"
            raise ModelError(f"the run {folder} {what}: expected a folder that onsight train wrote")
        missing = [n for n in ("metrics.json", "data.json", "history.csv", "model.keras") if not (folder / n).is_file()]
        if missing:
            raise ModelError(f"{folder} is not a run that can be compared: it has no {missing[0]}")
        data, metrics = _object(folder / "data.json"), _object(folder / "metrics.json")
        digest = sha256_bytes((folder / "model.keras").read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read the run {folder}: {error.strerror}") from error
    where = folder / "metrics.json"
    recipe = _take(metrics, where, "recipe", dict)
    uri, limit = _take(data, folder / "data.json", "uri", str), data.get("limit")
    pictures, correct = _take(metrics, where, "test.pictures", int), _take(metrics, where, "test.correct", int)
    if not 0 <= correct <= pictures or not pictures:
        raise ModelError(f"{where} is damaged: {correct} right answers of {pictures} test pictures cannot be")
    # a set that comes with its test part has the same one whatever the seed; others are split by it
    seed = None if uri in NAMED and limit is None else data.get("seed")
    classes = tuple(_take(data, folder / "data.json", "classes", list))
    return RunFacts(
        folder=folder,
        name=folder.resolve().name,
        arch=_take(metrics, where, "arch", str),
        recipe=_take(metrics, where, "recipe.name", str),
        recipe_fields=recipe,
        parameters=_take(metrics, where, "parameters", int),
        macs=_take(metrics, where, "macs", int) if metrics.get("macs") is not None else None,
        correct=correct,
        pictures=pictures,
        train_accuracy=_take(metrics, where, "train.accuracy", float),
        validation_accuracy=_take(metrics, where, "validation.accuracy", float),
        gap=_take(metrics, where, "gap", float),
        finding=_take(metrics, where, "diagnosis.kind", str),
        sentence=_take(metrics, where, "diagnosis.sentence", str),
        planned=_take(metrics, where, "epochs.planned", int),
        done=_take(metrics, where, "epochs.done", int),
        kept=_take(metrics, where, "epochs.kept", int),
        interrupted=_take(metrics, where, "epochs.interrupted", bool),
        seconds=_take(metrics, where, "seconds", float),
        dataset=_take(metrics, where, "dataset.name", str),
        uri=uri,
        data_sha256=_take(metrics, where, "dataset.sha256", str),
        test_part=(uri, classes, pictures, limit, seed),
        how=(
            data.get("seed"),
            data.get("validation"),
            str(data.get("size_wh")),
            data.get("colour"),
            data.get("resize"),
        ),
        model_sha256=digest,
        curves=read_curves(folder / "history.csv"),
        metrics=metrics,
    )


def same_test(a: RunFacts, b: RunFacts) -> bool:
    """Whether two runs were tested on the same pictures, as far as their folders tell.

    Equal digests say so. Digests also cover size, seed and validation share, in which two runs may differ; then the
    same place, classes, count, limit and (where it decides the test part) seed must do. Where nothing but the digest
    differs, the files have changed in between.
    """
    if a.data_sha256 == b.data_sha256:
        return True
    return a.test_part == b.test_part and a.how != b.how


def group_runs(runs: Sequence[RunFacts]) -> list[list[RunFacts]]:
    """Runs by test part, each the same as that of every other in its group: the largest first, else as given."""
    groups: list[list[RunFacts]] = []
    for run in runs:
        for group in groups:
            if all(same_test(run, other) for other in group):
                group.append(run)
                break
        else:
            groups.append([run])
    return sorted(groups, key=lambda group: -len(group))


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged: it is not JSON ({error}); train again, or leave the run out") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} is damaged: expected an object, found {type(value).__name__}")
    return value


def _take(value: Any, where: Path, dotted: str, kind: type[T]) -> T:
    for key in dotted.split("."):
        if not isinstance(value, dict) or key not in value:
            raise ModelError(f"{where} is damaged or of another onsight: the key {dotted!r} is missing")
        value = value[key]
    right = isinstance(value, (int, float) if kind is float else kind)
    if not right or (isinstance(value, bool) and kind is not bool) or (kind is float and not math.isfinite(value)):
        raise ModelError(f"{where}: {dotted} should be {kind.__name__}, found {str(value)[:40]!r}")
    return kind(value)  # type: ignore[call-arg]
