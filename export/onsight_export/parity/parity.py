"""From a reference and its files to the waterfall and its diagnoses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import DataError, ModelError
from onsight_export.options import DEFAULT_MAX_DROP, DEFAULT_MIN_AGREEMENT
from onsight_export.parity.diagnosis import Diagnosis, diagnose
from onsight_export.parity.files import Opened, open_files
from onsight_export.parity.network import Network
from onsight_export.parity.reference import Reference, Subject
from onsight_export.parity.step import METHOD, Answers, answers_json, compare, picture_names
from onsight_export.parity.waterfall import Pictures, Progress, Step, measure_steps
from onsight_export.pictures import evenly
from onsight_export.run import keras_scores


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as broken, and what is shown: see `objections` and `measure_steps`."""

    max_drop_points: float = DEFAULT_MAX_DROP
    min_agreement: float = DEFAULT_MIN_AGREEMENT
    worst: int = 12
    seed: int = 0
    layers: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Parity:
    """A whole waterfall.

    Attributes:
        reference: what the steps are held against; `answers` are its own.
        steps: in order. diagnoses: of the broken ones, or of all with `Limits.layers`.
        pictures: what everything was asked.
        data: name, digest and size of the data set.
        limits: what counted as broken.
    """

    reference: Reference
    answers: Answers
    steps: tuple[Step, ...]
    diagnoses: dict[str, Diagnosis]
    pictures: Pictures
    data: dict[str, Any]
    limits: Limits

    @property
    def broken(self) -> tuple[Step, ...]:
        """The steps that are broken."""
        return tuple(step for step in self.steps if step.broken)

    def to_json(self) -> dict[str, Any]:
        """As JSON values; docs/cli/parity.md describes every key."""
        own = answers_json(self.answers)
        kept = ("pictures", "correct", "accuracy", "accuracy_interval_95", "ece")
        return {
            "reference": {"name": self.reference.name, **self.reference.described, **{key: own[key] for key in kept}},
            "data": self.data,
            "method": {
                "drop_interval": METHOD,
                "seed": self.limits.seed,
                "max_drop_points": self.limits.max_drop_points,
                "min_agreement": self.limits.min_agreement,
            },
            "steps": [self._step_json(step) for step in self.steps],
            "broken": [step.name for step in self.broken],
        }

    def _step_json(self, step: Step) -> dict[str, Any]:
        diagnosis = self.diagnoses.get(step.name)
        return {
            "name": step.name,
            "number_format": step.number_format,
            "backend": step.backend,
            "bytes": step.bytes,
            "sha256": step.sha256,
            **answers_json(step.answers),
            "broken": step.broken,
            "objections": list(step.objections),
            "diagnosis": None if diagnosis is None else diagnosis.to_json(),
        }


def chosen_pictures(dataset: Dataset, limit: int | None) -> Pictures:
    """The test part, or `limit` pictures of it, evenly spread.

    Raises:
        DataError: it is empty.
    """
    test = dataset.test
    if not len(test):
        raise DataError(f"{dataset.uri} has no test pictures: nothing to compare on")
    chosen = evenly(len(test), limit or len(test))
    names = picture_names(test.names, chosen)
    if len(chosen) == len(test):  # no copy of all
        return Pictures(test.images, test.labels, names)
    return Pictures(test.images[chosen], test.labels[chosen], names)


@contextlib.contextmanager
def measure(
    subject: Subject,
    paths: Sequence[Path] = (),
    *,
    limit: int | None = None,
    limits: Limits | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Iterator[tuple[Parity, tuple[Opened, ...]]]:
    """The waterfall; yields it with its files still open, so that they can be timed.

    Args:
        subject: the reference, the data set whose test pictures are asked, and the bundle.
        paths: further files.
        limit: at most so many pictures.
        limits: what counts as broken.
        progress: told what is going on.

    Raises:
        ModelError, DataError, BackendError: something cannot be opened or compared.
    """
    limits = limits or Limits()
    reference, dataset = subject.reference, subject.dataset
    pictures = chosen_pictures(dataset, limit)
    with open_files(subject.bundle, paths, reference.spec) as files:
        scores, files = _reference_scores(reference, files, pictures, progress)
        if not files:
            raise ModelError("nothing to compare: the bundle has no other variant and no --file was given")
        steps = measure_steps(
            files,
            scores,
            pictures,
            reference.spec,
            max_drop_points=limits.max_drop_points,
            min_agreement=limits.min_agreement,
            count=limits.worst,
            seed=limits.seed,
            progress=progress,
        )
        diagnoses = {
            step.name: diagnose(
                file,
                step,
                None if reference.model is None else Network(reference.model),
                pictures,
                scores,
                max_drop_points=limits.max_drop_points,
                min_agreement=limits.min_agreement,
            )
            for file, step in zip(files, steps, strict=True)
            if step.broken or limits.layers
        }
        answers = compare(scores, scores, pictures.labels, reference.spec.classes, pictures.names, seed=limits.seed)
        data = {
            "name": dataset.name,
            "uri": dataset.uri,
            "sha256": dataset.sha256,
            "split": "test",
            "pictures": len(pictures.labels),
            "test_pictures": len(dataset.test),
        }
        yield Parity(reference, answers, steps, diagnoses, pictures, data, limits), files


def _reference_scores(
    reference: Reference, files: tuple[Opened, ...], pictures: Pictures, progress: Progress
) -> tuple[NDArray[np.float32], tuple[Opened, ...]]:
    tell = partial(progress, reference.name)
    tell(0, len(pictures.pixels))
    if reference.model is not None:
        scores = keras_scores(reference.model, reference.spec, pictures.pixels)
    else:
        stand = next(file for file in files if file.name == reference.name)
        files = tuple(file for file in files if file is not stand)
        scores = np.concatenate(list(stand.scores(pictures.pixels)))
    tell(len(pictures.pixels), len(pictures.pixels))
    return scores, files
