"""What is exported: a run, a .keras file or a SavedModel, with the pictures it is calibrated and checked on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from onsight_edge.datasets import load_dataset
from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import DataError, ModelError, UsageError
from onsight_edge.files import sha256_bytes
from onsight_edge.geometry import WHOLE, view_of
from onsight_edge.spec import Colour, ModelSpec, Output
from onsight_export.fold import RANGES, takes_raw_pixels
from onsight_export.input_range import check_range
from onsight_export.options import ExportOptions
from onsight_export.quiet import quiet
from onsight_export.run import check_network, load_keras, load_keras_file, load_run_data, open_run
from onsight_export.saved_models import GRAPH, digest, load_saved_model

if TYPE_CHECKING:
    import keras

Kind = Literal["run", "keras", "saved-model"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""
_VALIDATION = 0.1  # the share of the training pictures that validates, where the source does not say


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A network to export, and its pictures.

    Attributes:
        kind: `run`, `keras` or `saved-model`.
        name: the run's, the file's or the folder's, without suffix.
        spec: of the exported files: they take raw pixels, whatever the network took.
        model: takes raw pixels 0..255: normalisation that the network expected is in front of it.
        dataset: calibrates and checks.
        sha256: of what the network was loaded from.
        seed, validation: how the data set was split.
    """

    kind: Kind
    name: str
    spec: ModelSpec
    model: keras.Model
    dataset: Dataset
    sha256: str
    seed: int
    validation: float


def kind_of(path: Path, options: ExportOptions) -> Kind:
    """What stands at a path, before anything is loaded.

    Raises:
        ModelError: nothing that can be exported.
        UsageError: the flags do not fit what stands there.
    """
    try:
        saved_model, keras_file = (path / GRAPH).is_file(), path.is_file() and path.suffix == ".keras"
    except OSError as error:  # too long a name, a folder that may not be entered
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if not (saved_model or keras_file):
        open_run(path)
        if options.spec is not None or options.range is not None:
            raise UsageError(f"--spec and --range describe a .keras file or a SavedModel; the run {path} has its own")
        return "run"
    if options.spec is not None and options.range is not None:
        raise UsageError("give --spec, whose mean and std say what the network expects, or --range, not both")
    if options.data is None:
        instead = f", or export the run: onsight export {path.parent}" if (path.parent / "data.json").exists() else ""
        raise UsageError(f"{path} does not say what pictures it was trained on: name them with --data DATA{instead}")
    return "keras" if keras_file else "saved-model"


def open_source(path: Path, options: ExportOptions, progress: Progress) -> Source:
    """Load a network and its pictures.

    Raises:
        ModelError: the network cannot be loaded or is no classifier of these pictures, or clearly expects another
            range of values than it is said to.
        DataError: the data set is not there, or has changed since a run's training.
    """
    kind = kind_of(path, options)
    return _open_run(path, options, progress) if kind == "run" else _open_network(path, kind, options, progress)


def _open_run(path: Path, options: ExportOptions, progress: Progress) -> Source:
    run = open_run(path)
    dataset = load_run_data(run, options.data, partial(progress, "read the pictures"))
    progress("load the network", 0, 1)
    model = takes_raw_pixels(load_keras(run), run.spec)
    progress("load the network", 1, 1)
    seed, validation = int(run.data.get("seed", 0)), float(run.data.get("validation", _VALIDATION))
    return Source("run", run.name, _raw(run.spec), model, dataset, run.sha256, seed, validation)


def _open_network(path: Path, kind: Kind, options: ExportOptions, progress: Progress) -> Source:
    assert options.data is not None
    given = ModelSpec.load(options.spec) if options.spec is not None else None
    name = path.resolve().stem if kind == "keras" else path.resolve().name
    progress("load the network", 0, 1)
    model = load_saved_model(path) if kind == "saved-model" else load_keras_file(path)
    progress("load the network", 1, 1)
    size_wh, colour = (given.input_size_wh, given.colour) if given is not None else _takes(path, model)
    dataset = load_dataset(
        options.data,
        size_wh=size_wh,
        colour=colour,
        resize=given.resize if given is not None else "squash",
        view=view_of(given) if given is not None else WHOLE,
        validation=_VALIDATION,
        seed=options.seed,
        on_progress=partial(progress, "read the pictures"),
    )
    if given is None:
        mean, std = RANGES[options.range or "0..255"]
        spec = ModelSpec(name, dataset.classes, size_wh, colour=colour, mean=(mean,), std=(std,))
    elif given.classes != dataset.classes:
        raise DataError(
            f"{dataset.uri} has the classes {', '.join(dataset.classes)[:80]}; {options.spec} says "
            f"{', '.join(given.classes)[:80]}: the order counts too"
        )
    else:
        spec = given
    check_network(model, spec, str(path), "a spec" if given is None else str(options.spec))
    if given is None and options.range is None:
        progress("try ranges", 0, 1)
        check_range(model, spec, dataset, str(path))
        progress("try ranges", 1, 1)
    on_pixels = takes_raw_pixels(model, spec)
    if given is None:
        spec = replace(spec, output=_output(on_pixels, dataset))
    sha256 = digest(path) if kind == "saved-model" else sha256_bytes(path.read_bytes())
    return Source(kind, name, _raw(spec), on_pixels, dataset, sha256, options.seed, _VALIDATION)


def _raw(spec: ModelSpec) -> ModelSpec:
    return replace(spec, mean=(0.0,), std=(1.0,))


def _takes(path: Path, model: keras.Model) -> tuple[tuple[int, int], Colour]:
    """Size and colour that a network's input says."""
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise ModelError(f"{path} takes {shape}, not pictures: expected (batch, height, width, 3), or 1 for grey")
    if None in shape[1:]:
        raise ModelError(f"{path} takes pictures of any size: say which one with --spec FILE.json (docs/bundle.md)")
    return (int(shape[2]), int(shape[1])), "grey" if shape[3] == 1 else "rgb"


def _output(model: keras.Model, dataset: Dataset) -> Output:
    """What a network answers, by its answers to some training pictures: whether all are shares that sum to 1."""
    pixels = dataset.train.images[:100].astype(np.float32)
    with quiet():
        answers = np.asarray(model.predict_on_batch(pixels), np.float64)
    shares = bool((answers >= 0).all() and np.abs(answers.sum(axis=1) - 1).max() < 1e-3)
    return "probabilities" if shares else "logits"
