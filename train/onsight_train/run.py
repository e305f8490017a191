"""A training from data set to run folder, from its beginning or from where it was killed."""

from __future__ import annotations

import dataclasses
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import DataError, ModelError
from onsight_edge.files import atomic_path, write_json
from onsight_edge.metrics import Evaluation
from onsight_edge.spec import ModelSpec
from onsight_train import folder as folders

# all that the end of a training needs is imported at its beginning: hours later the files may have changed
from onsight_train.checkpoint import Checkpoint, Checkpoints
from onsight_train.diagnose import Diagnosis, diagnose
from onsight_train.fit import DivergedError, Epoch, Fitted, Watcher, fit
from onsight_train.folder import PARTIAL, check_out, partial_folder
from onsight_train.frameworks import load_keras, load_pyplot
from onsight_train.history import write_history
from onsight_train.optimizer import precision
from onsight_train.outcome import data_json, judge, metrics_json, versions
from onsight_train.plan import Plan, Planned, teacher_sha256
from onsight_train.plots import draw_confusion, draw_curves
from onsight_train.remains import Remains
from onsight_train.signals import signals_noted
from onsight_train.teacher import Teacher

__all__ = ["PARTIAL", "Plan", "Run", "check_out", "partial_folder", "resume_run", "train_run"]

EVERY_S = 60.0  # between checkpoints within an epoch
SHARE = 0.02  # of the time at most that writing them may take


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished training.

    Attributes:
        folder: where it lies.
        spec: what the model expects and answers.
        test: how it fares on the test part, scores calibrated with the spec's temperature.
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


def train_run(
    dataset: Dataset, plan: Plan, folder: Path, watcher: Watcher | None = None, *, every_s: float = EVERY_S
) -> Run:
    """Train and write a run folder: model, spec, data, history, metrics and two pictures.

    While it trains, `folder.partial` holds the best model so far and a checkpoint, so that a killed process leaves a
    usable run and can be gone on with; the folder gets its name when everything is written. A first Ctrl-C ends the
    training early, and is passed over once that has ended; a second one leaves `folder.partial`.

    Where the loss becomes NaN after the first epoch, the run is written all the same, with the weights of the lowest
    validation loss; see `Fitted.diverged`.

    Args:
        dataset: what it learns from.
        plan: all else that decides it.
        folder: must not exist yet.
        watcher: told how far it is.
        every_s: seconds between checkpoints within an epoch, more where they are slow to write; 0 writes one after
            every batch.
    Raises:
        OnsightError: the folder cannot be written (checked first), or the training diverged in its first epoch.
    """
    check_out(folder)
    for part in ("train", "validation", "test"):
        if not len(getattr(dataset, part)):
            raise DataError(f"{dataset.name}: the {part} part holds no pictures")
    load_pyplot()  # refuse now, not after hours
    partial = partial_folder(folder)
    colour = _spec(dataset, plan).colour
    planned = Planned(plan, data_json(dataset, plan, colour), teacher_sha256(plan.teacher), versions())
    with folders.making(partial):
        planned.save(partial)
        return _carry_through(dataset, planned, folder, Checkpoints(partial, planned.sha256), None, watcher, every_s)


def resume_run(left: Remains, dataset: Dataset, watcher: Watcher | None = None, *, every_s: float = EVERY_S) -> Run:
    """Go on with a killed training; it ends as `train_run` would have, with the same weights on the same machine.

    Args:
        left: what it left, see `remains`.
        dataset: loaded as it was then.
        watcher, every_s: as in `train_run`.

    Raises:
        DataError: the pictures are others.
        ModelError: the teacher, the network's code or the backend is another.
    """
    plan, data = left.planned.plan, left.planned.data
    if dataset.sha256 != data["sha256"]:
        raise DataError(
            f"the pictures of {data['uri']} are no longer those that {left.folder} was begun with (their digest "
            "differs): bring them back, or train anew"
        )
    if teacher_sha256(plan.teacher) != left.planned.teacher_sha256:
        raise ModelError(f"the teacher {plan.teacher} is no longer the one that {left.folder} was begun with")
    begun, now = left.planned.versions.get("backend"), versions()["backend"]
    if begun != now:
        raise ModelError(f"{left.folder} was begun on {begun}, this is {now}: set KERAS_BACKEND={begun}")
    load_pyplot()
    with folders.telling(partial_folder(left.folder)):
        return _carry_through(dataset, left.planned, left.folder, left.checkpoints, left.checkpoint, watcher, every_s)


def _carry_through(
    dataset: Dataset,
    planned: Planned,
    folder: Path,
    checkpoints: Checkpoints,
    start: Checkpoint | None,
    watcher: Watcher | None,
    every_s: float,
) -> Run:
    plan, partial = planned.plan, partial_folder(folder)
    keras = load_keras()
    spec = _spec(dataset, plan)
    teacher = None
    if plan.teacher:
        teacher = Teacher.open(plan.teacher, dataset.classes, dataset.size_wh, spec.colour)
    keras.utils.set_random_seed(plan.seed)
    shape, dropout = dataset.train.images.shape[1:], plan.recipe.dropout
    with precision(plan.recipe):
        model = plan.arch.build(shape, len(dataset.classes), dropout)
    # a twin that never is compiled: a saved optimizer would double the file and date it
    twin = plan.arch.build(shape, len(dataset.classes), dropout)
    spec.save(partial / "spec.json")
    write_json(partial / "data.json", dict(planned.data))
    # to the last file: Ctrl-C while the end is written must not leave a partial run
    with signals_noted() as stop:
        try:
            fitted = fit(
                model,
                dataset,
                plan.recipe,
                seed=plan.seed,
                patience=plan.patience,
                watcher=watcher,
                keeper=_Keeper(partial, twin, checkpoints, every_s),
                stop=stop,
                twin=twin,
                teacher=teacher,
                start=start,
            )
        except DivergedError:  # nothing was learnt, and going on would end the same way
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _save_model(partial, twin)
        write_history(partial / "history.csv", fitted.history)
        judged = judge(twin, dataset)
        spec = dataclasses.replace(spec, temperature=judged.temperature)
        spec.save(partial / "spec.json")
        diagnosis = diagnose(fitted.history, plan.recipe, plan.patience)
        metrics = metrics_json(dataset, plan, twin, fitted, judged, diagnosis)
        write_json(partial / "metrics.json", metrics)
        title = f"{plan.arch.name} on {dataset.name}"
        draw_curves(partial / "learning_curves.png", fitted.history, diagnosis, title)
        draw_confusion(
            partial / "confusion_matrix.png",
            judged.test.matrix,
            dataset.classes,
            f"{title}: {judged.test.accuracy:.1%} of {judged.test.total:,} test pictures right",
        )
        partial.rename(folder)
        folders.tidy(folder)
    return Run(folder, spec, judged.test, diagnosis, fitted, int(twin.count_params()), metrics)


def _spec(dataset: Dataset, plan: Plan) -> ModelSpec:
    return ModelSpec(
        name=plan.name,
        classes=dataset.classes,
        input_size_wh=dataset.size_wh,
        colour="grey" if dataset.train.images.shape[3] == 1 else "rgb",
        resize=plan.resize,
        **plan.view._asdict(),
    )


def _save_model(partial: Path, twin: Any) -> None:
    with atomic_path(partial / folders.MODEL) as temporary:
        twin.save(temporary)


class _Keeper:
    """Writes history.csv, the weights of the best epoch so far, and checkpoints; a `fit.Keeper`."""

    def __init__(self, partial: Path, twin: Any, checkpoints: Checkpoints, every_s: float) -> None:
        self._partial, self._twin, self._checkpoints, self._every_s = partial, twin, checkpoints, every_s
        self._next = time.monotonic() + every_s

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def epoch(self, history: tuple[Epoch, ...], best: bool) -> None:
        write_history(self._partial / "history.csv", history)
        if best:
            _save_model(self._partial, self._twin)

    def save(self, checkpoint: Checkpoint) -> None:
        began = time.monotonic()
        self._checkpoints.write(checkpoint)
        now = time.monotonic()
        # where a card or a large network makes it slow, less often; 0 asks for one after every batch all the same
        self._next = now + (max(self._every_s, (now - began) / SHARE) if self._every_s else 0.0)
