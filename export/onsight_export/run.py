"""What training hands over: a run folder, read and checked before anything is converted."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets import load_dataset
from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import DataError, MissingExtraError, ModelError
from onsight_edge.files import sha256_bytes
from onsight_edge.geometry import view_of
from onsight_edge.postprocess import probabilities
from onsight_edge.spec import ModelSpec
from onsight_export.quiet import quiet

if TYPE_CHECKING:
    import keras

_BATCH = 250


@dataclass(frozen=True, slots=True)
class Run:
    """One training's folder.

    Attributes:
        path: the folder.
        spec: from `spec.json`.
        data: from `data.json`: how to load the data set again, and its digest.
        sha256: of `model.keras`.
    """

    path: Path
    spec: ModelSpec
    data: dict[str, Any]
    sha256: str

    @property
    def model_path(self) -> Path:
        """The trained network."""
        return self.path / "model.keras"

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name


def open_run(path: Path) -> Run:
    """Read a run folder's spec and data description.

    Raises:
        ModelError: not a folder, or one without `model.keras`, `spec.json`, `data.json`, or damaged ones.
    """
    try:
        if not path.is_dir():
            what = "is a file" if path.exists() else "is not there"
            raise ModelError(
                f"the run {path} {what}: expected the folder that onsight train wrote, a .keras file or a SavedModel"
            )
        missing = [name for name in ("model.keras", "spec.json", "data.json") if not (path / name).is_file()]
    except OSError as error:  # too long a name, a folder that may not be entered
        raise ModelError(f"cannot read the run {path}: {error.strerror}") from error
    if missing:
        raise ModelError(f"{path} is not a run: it has no {missing[0]}; make one with: onsight train DATA --out {path}")
    where = path / "data.json"
    try:
        data = json.loads(where.read_text(encoding="utf-8"))
        sha256 = sha256_bytes((path / "model.keras").read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{where} is not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("uri"), str):
        raise ModelError(f"{where} does not name the run's data set: the key 'uri' is missing")
    return Run(path, ModelSpec.load(path / "spec.json"), data, sha256)


def load_run_data(run: Run, uri: str | None = None, on_progress: Callable[[int, int], None] | None = None) -> Dataset:
    """The data set the run was trained on, split as it was then.

    Args:
        run: says how.
        uri: where it lies now, if not where it lay then.
        on_progress: see `load_dataset`.

    Raises:
        DataError: not there, changed since the training, or its classes are not the model's.
    """
    data, spec = run.data, run.spec
    size = data.get("size_wh")
    dataset = load_dataset(
        uri or data["uri"],
        size_wh=None if size is None else (int(size[0]), int(size[1])),
        colour=spec.colour,
        resize=spec.resize,
        view=view_of(spec),
        validation=float(data.get("validation", 0.1)),
        seed=int(data.get("seed", 0)),
        limit=data.get("limit") or None,
        on_progress=on_progress,
    )
    width, height = spec.input_size_wh
    if dataset.test.images.shape[1:] != (height, width, spec.channels):
        raise DataError(
            f"{dataset.uri} has pictures of shape {dataset.test.images.shape[1:]}; the run's network takes "
            f"{(height, width, spec.channels)}"
        )
    if dataset.classes != spec.classes:
        raise DataError(
            f"{dataset.uri} has the classes {', '.join(dataset.classes)[:80]}; the run's are "
            f"{', '.join(spec.classes)[:80]}: the order counts too"
        )
    trained_on = data.get("sha256")
    if trained_on and dataset.sha256 and trained_on != dataset.sha256:
        raise DataError(
            f"{dataset.uri} has changed since {run.path} was trained on it: pictures it learned from may now be "
            f"among the test pictures; restore it, or train again"
        )
    return dataset


def import_tensorflow() -> Any:
    """TensorFlow with Keras on top of it, imported without a word.

    Raises:
        MissingExtraError: not installed. ModelError: Keras already runs on another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"  # a run trained on JAX or torch converts through TensorFlow too
    with quiet():
        try:
            import keras
            import tensorflow
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "tensorflow", "export", "exporting") from error
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"exporting needs Keras on TensorFlow, and it already runs on {keras.backend.backend()}: "
            f"export in a process of its own"
        )
    return tensorflow


def load_keras(run: Run) -> keras.Model:
    """The trained network.

    Raises:
        ModelError: the file is damaged, or its input and output are not what the spec says.
    """
    model = load_keras_file(run.model_path)
    check_network(model, run.spec, str(run.model_path), "its spec.json")
    return model


def load_keras_file(path: Path) -> keras.Model:
    """The network in a .keras file.

    Raises:
        ModelError: the file is damaged, or holds layers that Keras does not know.
    """
    import_tensorflow()
    import keras

    with quiet():
        try:
            model: keras.Model = keras.models.load_model(path, compile=False)
        except Exception as error:  # Keras raises whatever its zip, JSON and HDF5 readers raise
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            failure = ModelError(f"cannot load {path}: {reason[:200]}")
            raise failure from error
    if not getattr(model, "inputs", None):
        raise ModelError(f"{path} does not say what it takes: save a functional or Sequential network with an Input")
    return model


def check_network(model: keras.Model, spec: ModelSpec, name: str, says: str) -> None:
    """Whether a network can be what its spec says; sizes that it leaves free fit any.

    Args:
        model: any network.
        spec: says size, channels and classes.
        name, says: what to call the network and the spec in messages.

    Raises:
        ModelError: another number of inputs or outputs, or other shapes.
    """
    width, height = spec.input_size_wh
    wanted = ((height, width, spec.channels), (len(spec.classes),))
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(f"{name} has {len(model.inputs)} inputs and {len(model.outputs)} outputs, not 1")
    found = (tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape[1:]))
    fits = all(
        len(shape) == len(sizes) and all(a in (None, b) for a, b in zip(shape, sizes, strict=True))
        for shape, sizes in zip(found, wanted, strict=True)
    )
    if not fits:
        raise ModelError(f"{name} takes {found[0]} and gives {found[1]}; {says} says {wanted[0]} and {wanted[1]}")


def keras_scores(model: keras.Model, spec: ModelSpec, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What Keras says of pictures: the reference that every variant is held against.

    Args:
        model: takes raw pixels 0..255.
        spec: says whether it answers probabilities or logits, and the temperature.
        pixels: (N, height, width, channels) uint8.

    Returns:
        (N, classes) float32 probabilities.
    """
    parts = [
        np.asarray(model.predict_on_batch(pixels[at : at + _BATCH].astype(np.float32)), np.float32)
        for at in range(0, len(pixels), _BATCH)
    ]
    return probabilities(np.concatenate(parts), spec)
