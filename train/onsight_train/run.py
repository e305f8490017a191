"""A training from data set to run folder."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from onsight_edge import __version__
from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import DataError, OnsightError
from onsight_edge.files import atomic_path, write_json
from onsight_edge.metrics import Evaluation, evaluate
from onsight_edge.spec import Colour, ModelSpec, Resize
from onsight_train.archs import Architecture

# all that the end of a training needs is imported at its beginning: hours later the files may have changed
from onsight_train.diagnose import Diagnosis, diagnose
from onsight_train.evaluate import predict_scores
from onsight_train.fit import Epoch, Fitted, Watcher, fit, signals_noted, write_history
from onsight_train.frameworks import load_keras, load_pyplot
from onsight_train.plots import draw_confusion, draw_curves
from onsight_train.recipes import Recipe

SCHEMA = 1
PARTIAL = ".partial"
TRAIN_SAMPLE = 10_000  # training pictures that the final training accuracy is measured on


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides a training beside the pictures.

    Attributes:
        arch: the network.
        recipe: how it is trained.
        seed: decides weights, order and changes.
        dropout: share of hidden features left out while training.
        patience: epochs without a lower validation loss before it stops; None trains them all.
        validation: fraction of the training pictures set apart, as given to `load_dataset`.
        resize: how pictures were fitted, as given to `load_dataset`.
        limit: most pictures a split, as given to `load_dataset`.
        name: what the model is called.
        command: the command line, for the record.
    """

    arch: Architecture
    recipe: Recipe
    seed: int = 0
    dropout: float = 0.0
    patience: int | None = None
    validation: float = 0.1
    resize: Resize = "squash"
    limit: int | None = None
    name: str = "model"
    command: Sequence[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished training.

    Attributes:
        folder: where it lies.
        spec: what the model expects and answers.
        test: how it fares on the test part.
        diagnosis: what the curves show.
        fitted: epochs, time, and how it ended.
        parameters: how many numbers the network has, batch norm's averages included.
        metrics: what stands in metrics.json.
    """

    folder: Path
    spec: ModelSpec
    test: Evaluation
    diagnosis: Diagnosis
    fitted: Fitted
    parameters: int
    metrics: dict[str, Any]


def check_out(folder: Path) -> None:
    """Refuse a run folder that could not be written, before any work is done.

    Raises:
        OnsightError: it exists, a killed training's remains lie there, or its parent cannot be written to.
    """
    try:
        if folder.exists() or folder.is_symlink():
            raise OnsightError(f"{folder} exists already: name another folder with --out, or remove it first")
        partial = partial_folder(folder)
        partial_there = partial.exists()
    except OSError as error:  # too long a name, a folder that may not be entered
        raise OnsightError(f"cannot write {folder}: {error.strerror}") from error
    if partial_there:
        usable = " (its model is whole: a usable run once renamed)" if (partial / "model.keras").exists() else ""
        raise OnsightError(
            f"{partial} is there: another training is writing it, or one was killed; name another --out, or remove "
            f"it{usable}"
        )
    with _making(partial):
        pass


def partial_folder(folder: Path) -> Path:
    """Where a run lies until it is whole; every file in it is whole at any moment."""
    return folder.with_name(folder.name + PARTIAL)


def train_run(dataset: Dataset, plan: Plan, folder: Path, watcher: Watcher | None = None) -> Run:
    """Train and write a run folder: model, spec, data, history, metrics and two pictures.

    While it trains, `folder.partial` holds the best model so far, so that even a killed process leaves a
    usable run; the folder gets its name when everything is written. A first Ctrl-C ends the training early, and is
    passed over once that has ended; a second one leaves `folder.partial`.

    Raises:
        OnsightError: the folder cannot be written (checked first), or the training diverged.
    """
    check_out(folder)
    for part in ("train", "validation", "test"):
        if not len(getattr(dataset, part)):
            raise DataError(f"{dataset.name}: the {part} part holds no pictures")
    load_pyplot()  # refuse now, not after hours
    keras = load_keras()
    keras.utils.set_random_seed(plan.seed)
    shape = dataset.train.images.shape[1:]
    model = plan.arch.build(shape, len(dataset.classes), plan.dropout)
    spec = ModelSpec(
        name=plan.name,
        classes=dataset.classes,
        input_size_wh=dataset.size_wh,
        colour="grey" if shape[2] == 1 else "rgb",
        resize=plan.resize,
    )
    partial = partial_folder(folder)
    with _making(partial):
        spec.save(partial / "spec.json")
        write_json(partial / "data.json", _data_json(dataset, plan, spec.colour))
        save = _Saver(partial, model, plan, dataset)
        # to the last file: Ctrl-C while the end is written must not leave a partial run
        with signals_noted() as stop:
            fitted = fit(
                model,
                dataset,
                plan.recipe,
                seed=plan.seed,
                patience=plan.patience,
                watcher=watcher,
                checkpoint=save.checkpoint,
                stop=stop,
            )
            save.model()
            write_history(partial / "history.csv", fitted.history)
            test = evaluate(predict_scores(model, dataset.test.images), dataset.test.labels, dataset.classes)
            diagnosis = diagnose(fitted.history)
            metrics = _metrics(dataset, plan, model, fitted, test, diagnosis)
            write_json(partial / "metrics.json", metrics)
            title = f"{plan.arch.name} on {dataset.name}"
            draw_curves(partial / "learning_curves.png", fitted.history, diagnosis, title)
            draw_confusion(
                partial / "confusion_matrix.png",
                test.matrix,
                dataset.classes,
                f"{title}: {test.accuracy:.1%} of {test.total:,} test pictures right",
            )
            partial.rename(folder)
    return Run(folder, spec, test, diagnosis, fitted, int(model.count_params()), metrics)


class _Saver:
    """Writes the weights of the best epoch so far, and at the end those that are kept."""

    def __init__(self, folder: Path, model: Any, plan: Plan, dataset: Dataset) -> None:
        self._folder, self._model = folder, model
        # a twin that never was compiled: a saved optimizer would double the file and date it
        self._twin = plan.arch.build(dataset.train.images.shape[1:], len(dataset.classes), plan.dropout)

    def checkpoint(self, history: tuple[Epoch, ...]) -> None:
        write_history(self._folder / "history.csv", history)
        if min(history, key=lambda row: row.val_loss) is history[-1]:
            self.model()

    def model(self) -> None:
        self._twin.set_weights(self._model.get_weights())
        with atomic_path(self._folder / "model.keras") as temporary:
            self._twin.save(temporary)


@contextlib.contextmanager
def _making(partial: Path) -> Iterator[None]:
    """Make the folder; on failure remove it, unless it holds a whole model: hours of work are not thrown away."""
    made = [partial, *(parent for parent in partial.parents if not parent.exists())]
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        folder = partial.with_name(partial.name.removesuffix(PARTIAL))
        raise OnsightError(f"cannot write {folder}: {error.strerror}") from error
    try:
        yield
    except BaseException as error:
        if not (partial / "model.keras").exists():
            shutil.rmtree(partial, ignore_errors=True)
        elif isinstance(error, OnsightError | OSError):
            raise OnsightError(f"{error}; the best model until then is in {partial}") from error
        raise
    finally:
        for place in made:  # innermost first; those that hold something stay
            with contextlib.suppress(OSError):
                place.rmdir()


def _data_json(dataset: Dataset, plan: Plan, colour: Colour) -> dict[str, Any]:
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


def _metrics(
    dataset: Dataset, plan: Plan, model: Any, fitted: Fitted, test: Evaluation, diagnosis: Diagnosis
) -> dict[str, Any]:
    sample = slice(0, TRAIN_SAMPLE)
    parts = {"train": dataset.train, "validation": dataset.validation}
    plain = {
        name: evaluate(predict_scores(model, part.images[sample]), part.labels[sample], dataset.classes)
        for name, part in parts.items()
    }
    shares = {
        name: {"pictures": e.total, "accuracy": round(e.accuracy, 6), "loss": round(e.loss, 6)}
        for name, e in plain.items()
    }
    return {
        "schema": SCHEMA,
        "test": test.to_json(),
        **shares,
        "gap": round(plain["train"].accuracy - plain["validation"].accuracy, 6),
        "diagnosis": {"kind": diagnosis.kind, "sentence": diagnosis.sentence},
        "arch": plan.arch.name,
        "parameters": int(model.count_params()),
        "dropout": plan.dropout,
        "recipe": plan.recipe.to_json(),
        "patience": plan.patience,
        "seed": plan.seed,
        "epochs": {
            "planned": plan.recipe.epochs,
            "done": len(fitted.history),
            "kept": fitted.kept,
            "stopped_early": fitted.stopped_early,
            "interrupted": fitted.interrupted,
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
        "command": list(plan.command),
        "versions": _versions(),
        "machine": {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()},
    }


def _versions() -> dict[str, str]:
    found = {"onsight": __version__, "python": platform.python_version()}
    keras = load_keras()
    found["keras"] = keras.__version__
    found["backend"] = keras.backend.backend()
    for package in ("tensorflow", "tensorflow-cpu", "torch", "jax", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
