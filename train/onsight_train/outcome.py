"""What a run folder says about its training: data.json and metrics.json."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge import __version__
from onsight_edge.calibration import ece, fit_temperature
from onsight_edge.datasets.dataset import Dataset
from onsight_edge.metrics import Evaluation, evaluate
from onsight_edge.postprocess import calibrate
from onsight_edge.spec import Colour
from onsight_train.diagnose import Diagnosis
from onsight_train.evaluate import predict_scores
from onsight_train.fit import Fitted
from onsight_train.frameworks import load_keras
from onsight_train.macs import count_macs
from onsight_train.plan import Plan

SCHEMA = 1
TRAIN_SAMPLE = 10_000  # training pictures that the final training accuracy is measured on
FEWEST = 100  # validation pictures from which a temperature is more than chance


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """How the kept weights fare on each part, scores calibrated.

    Attributes:
        temperature: fitted on the validation part; 1 where that has fewer than `FEWEST` pictures.
        ece: expected calibration error on the test part, 0..1.
        test: on the whole test part.
        train, validation: on the first `TRAIN_SAMPLE` pictures of each, unchanged.
    """

    temperature: float
    ece: float
    test: Evaluation
    train: Evaluation
    validation: Evaluation


def judge(model: Any, dataset: Dataset) -> Judged:
    """Evaluate a trained network."""
    sample = slice(0, TRAIN_SAMPLE)
    validation = predict_scores(model, dataset.validation.images)
    labels = dataset.validation.labels
    temperature = fit_temperature(validation, labels) if len(labels) >= FEWEST else 1.0

    def calibrated(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return calibrate(predict_scores(model, images), temperature)

    test = calibrated(dataset.test.images)
    return Judged(
        temperature=temperature,
        ece=ece(test, dataset.test.labels),
        test=evaluate(test, dataset.test.labels, dataset.classes),
        train=evaluate(calibrated(dataset.train.images[sample]), dataset.train.labels[sample], dataset.classes),
        validation=evaluate(calibrate(validation[sample], temperature), labels[sample], dataset.classes),
    )


def data_json(dataset: Dataset, plan: Plan, colour: Colour) -> dict[str, Any]:
    """data.json: how to load the same pictures again."""
    return {
        "schema": SCHEMA,
        "uri": dataset.uri,
        "name": dataset.name,
        "seed": plan.seed,
        "validation": plan.validation,
        "size_wh": list(dataset.size_wh),
        "colour": colour,
        "resize": plan.resize,
        "limit": plan.limit,
        "sha256": dataset.sha256,
        "classes": list(dataset.classes),
    }


def metrics_json(
    dataset: Dataset, plan: Plan, model: Any, fitted: Fitted, judged: Judged, diagnosis: Diagnosis
) -> dict[str, Any]:
    """metrics.json: what came out, and all it takes to do it again."""
    shares = {
        name: {"pictures": e.total, "accuracy": round(e.accuracy, 6), "loss": round(e.loss, 6)}
        for name, e in (("train", judged.train), ("validation", judged.validation))
    }
    return {
        "schema": SCHEMA,
        "test": judged.test.to_json(),
        **shares,
        "gap": round(judged.train.accuracy - judged.validation.accuracy, 6),
        "temperature": judged.temperature,
        "ece": round(judged.ece, 6),
        "diagnosis": {"kind": diagnosis.kind, "sentence": diagnosis.sentence},
        "arch": plan.arch.name,
        "parameters": int(model.count_params()),
        "macs": count_macs(model),
        "dropout": plan.recipe.dropout,
        "recipe": plan.recipe.to_json(),
        "teacher": None if plan.teacher is None else str(plan.teacher),
        "patience": plan.patience,
        "seed": plan.seed,
        "epochs": {
            "planned": plan.recipe.epochs,
            "done": len(fitted.history),
            "kept": fitted.kept,
            "stopped_early": fitted.stopped_early,
            "interrupted": fitted.interrupted,
            "diverged": fitted.diverged or None,
        },
        "seconds": round(fitted.seconds, 1),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "dataset": {
            "name": dataset.name,
            "uri": dataset.uri,
            "sha256": dataset.sha256,
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "test": len(dataset.test),
        },
        "left_out": len(dataset.left_out),
        "command": list(plan.command),
        "versions": versions(),
        "machine": {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()},
    }


def versions() -> dict[str, str]:
    """Of everything that can change what a training comes to."""
    found = {"onsight": __version__, "python": platform.python_version()}
    keras = load_keras()
    found["keras"] = keras.__version__
    found["backend"] = keras.backend.backend()
    for package in ("tensorflow", "tensorflow-cpu", "torch", "jax", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
