"""Evaluate a run in float and int8 on all its test pictures, picture beside picture, for the record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.accuracy_intervals import paired_difference
from onsight_benchmarks.accuracy_record import (
    AccuracyRecord,
    FloatAnswer,
    Int8Answer,
    Tested,
    Training,
    publishable,
    record_name,
)
from onsight_benchmarks.provenance import now_utc, provenance
from onsight_benchmarks.record_file import check_writable
from onsight_benchmarks.runs import RunFacts, read_run, unfinished
from onsight_benchmarks.runs_int8 import Progress, int8_bundle, known_macs
from onsight_edge.bundle import Bundle
from onsight_edge.classifier import Classifier
from onsight_edge.device import describe_device
from onsight_edge.errors import BenchmarkError, UsageError
from onsight_edge.metrics import wilson

VARIANTS = ("tflite-int8", "onnx-int8")
_CHUNK = 100
_TOLERANCE = 0.001  # float accuracy may differ so much between the machine that trained and this one


def check_records(folders: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Where each run's record goes, checked before anything is evaluated.

    Args:
        folders: runs; those still being trained get none.
        out: the folder of the records.

    Returns:
        Run folder -> file.

    Raises:
        UsageError: two of the runs, or a run and a record of another data set, have one architecture and recipe.
        ModelError: not a run. BenchmarkError: the file cannot be written, or is no accuracy record.
    """
    targets: dict[Path, Path] = {}
    for folder in {folder.resolve(): folder for folder in folders}.values():
        if unfinished(folder):
            continue
        run = read_run(folder)
        target = out / record_name(run.arch, run.recipe)
        if taken := [str(other) for other, path in targets.items() if path == target]:
            raise UsageError(f"{taken[0]} and {folder} would both be recorded in {target}: name one of them")
        if target.exists() and (found := AccuracyRecord.load(target)).data.name != run.dataset:
            raise UsageError(
                f"{target} records a run on {found.data.name} and {folder} is one on {run.dataset}: name another "
                "folder with --record"
            )
        check_writable(target)
        targets[folder] = target
    return targets


def record_accuracy(folder: Path, progress: Progress = lambda what, done, total: None) -> AccuracyRecord:
    """Evaluate one run: Keras, then each int8 variant through the Classifier, as it runs live.

    Args:
        folder: the run's.
        progress: told what is going on.

    Raises:
        ModelError, DataError: the run cannot be exported, or its data set is gone or has changed.
        MissingExtraError: the packages that exporting needs are not installed.
    """
    from onsight_export.run import keras_scores, load_keras, load_run_data, open_run

    run = read_run(folder)
    opened = open_run(folder)
    dataset = load_run_data(opened)
    images, labels = dataset.test.images, dataset.test.labels
    progress(f"{run.name}: ask Keras", 0, 1)
    keras_right = keras_scores(load_keras(opened), opened.spec, images).argmax(axis=1)
    int8 = tuple(_int8(run, variant, images, labels, keras_right, progress) for variant in VARIANTS)
    correct = int((keras_right == labels).sum())
    objections = _objections(run, correct, opened.data)
    return AccuracyRecord(
        onsight=provenance(),
        taken=now_utc(),
        device=describe_device(),
        name=run.name,
        training=describe_training(run),
        data=Tested(dataset.name, dataset.sha256, "test", len(labels), len(dataset.classes)),
        float32=FloatAnswer(
            model_sha256=run.model_sha256,
            parameters=run.parameters,
            macs=known_macs(run, count=True),
            backend=_keras_version(),
            correct=correct,
            accuracy=round(correct / len(labels), 6),
            interval=_interval(correct, len(labels)),
        ),
        int8=int8,
        valid=not objections,
        invalid_because=objections,
    )


def describe_training(run: RunFacts) -> Training:
    """What a record says of the training; no path of the machine it ran on.

    Raises:
        BenchmarkError: metrics.json lacks a key that records need.
    """
    metrics = run.metrics
    try:
        dataset, command = metrics["dataset"], metrics["command"]
        return Training(
            arch=run.arch,
            recipe=dict(run.recipe_fields),
            command=publishable([str(word) for word in command]),
            seed=int(metrics["seed"]),
            dropout=float(metrics["dropout"]),
            patience=None if metrics["patience"] is None else int(metrics["patience"]),
            teacher=_name(metrics.get("teacher")),
            epochs_planned=run.planned,
            epochs_done=run.done,
            epochs_kept=run.kept,
            interrupted=run.interrupted,
            seconds=run.seconds,
            finished=metrics.get("finished"),
            train_pictures=int(dataset["train"]),
            validation_pictures=int(dataset["validation"]),
            gap_points=round(100 * run.gap, 4),
            finding=run.finding,
            versions={str(key): str(value) for key, value in metrics["versions"].items()},
            machine=dict(metrics["machine"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BenchmarkError(
            f"{run.folder / 'metrics.json'} does not tell all that a record needs: {error!r}"
        ) from error


def _int8(
    run: RunFacts,
    variant: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    keras_top: NDArray[np.integer],
    progress: Progress,
) -> Int8Answer:
    bundle = int8_bundle(run, variant, lambda what, done, total: progress(f"{run.name}: {what}", done, total))
    total = len(labels)
    top = np.empty(total, np.int64)
    with Classifier.open(bundle, variant=variant, threads=1) as classifier:
        for at in range(0, total, _CHUNK):
            top[at : at + _CHUNK] = classifier.scores(images[at : at + _CHUNK]).argmax(axis=1)
            progress(f"{run.name}: {variant}", min(at + _CHUNK, total), total)
        file, backend = classifier.model, f"{classifier.backend.name} {classifier.backend.version}"
    assert file is not None  # Classifier.open gave it
    ours, theirs = top == labels, keras_top == labels
    only_float, only_int8 = int((theirs & ~ours).sum()), int((ours & ~theirs).sum())
    low, high = paired_difference(only_float, only_int8, total)
    correct = int(ours.sum())
    return Int8Answer(
        variant=variant,
        bytes=len(file.data),
        sha256=file.sha256,
        backend=backend,
        calibration=_calibration(bundle, variant),
        correct=correct,
        accuracy=round(correct / total, 6),
        interval=_interval(correct, total),
        only_float=only_float,
        only_int8=only_int8,
        drop_points=round(100 * (only_float - only_int8) / total, 4),
        drop_interval_points=(round(100 * low, 4), round(100 * high, 4)),
        agreement=round(float((top == keras_top).mean()), 6),
    )


def _calibration(bundle: Path, variant: str) -> int:
    opened = Bundle.open(bundle)
    return int(json.loads(opened.read(opened.files["report.json"]))["int8"][variant]["pictures"])


def _objections(run: RunFacts, correct: int, data: Mapping[str, Any]) -> tuple[str, ...]:
    reasons = []
    if abs(correct - run.correct) > _TOLERANCE * run.pictures:
        reasons.append(
            f"Keras gets {correct} pictures right here, and {run.correct} where it was trained: more apart than "
            "another machine's rounding explains"
        )
    if data.get("limit"):
        reasons.append(f"at most {data['limit']} pictures a split were used")
    if run.interrupted:
        reasons.append(f"the training was interrupted in epoch {run.done} of {run.planned}")
    if diverged := run.metrics["epochs"].get("diverged"):
        reasons.append(f"the training diverged: {diverged}")
    return tuple(reasons)


def _interval(correct: int, total: int) -> tuple[float, float]:
    low, high = wilson(correct, total)
    return round(low, 6), round(high, 6)


def _name(teacher: Any) -> str | None:
    return None if teacher is None else Path(str(teacher)).name


def _keras_version() -> str:
    import keras

    return f"keras {keras.__version__} on {keras.backend.backend()}"
