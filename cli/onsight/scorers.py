"""A run, a bundle or a model file as one function from pictures to scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.bundle import DEFAULT_MODEL, MANIFEST, Bundle
from onsight_edge.errors import DataError, ModelError
from onsight_edge.files import sha256_bytes
from onsight_edge.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Scorer:
    """What answers.

    Attributes:
        spec: what it expects and names.
        described: its part of the JSON document: `kind`, `backend`, `sha256` and more.
        scores: (N, height, width, channels) uint8 -> (N, classes) float32, the spec's temperature in them.
        chunk: pictures at a time that suit it.
    """

    spec: ModelSpec
    described: dict[str, Any]
    scores: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    chunk: int


@contextmanager
def open_scorer(
    model: str, run: Path | None, *, variant: str | None, backend: str, threads: int, spec: Path | None
) -> Iterator[Scorer]:
    """Open a run through Keras, everything else as it runs live.

    Args:
        model: a bundle, a model file or `default`.
        run: the run's folder, or None.
        variant, backend, threads, spec: see `Classifier.open`; not for runs.

    Raises:
        ModelError, IntegrityError, BackendError, MissingExtraError: it cannot be opened.
    """
    if run is not None:
        from onsight_edge.postprocess import probabilities
        from onsight_train.evaluate import open_run, predict_scores
        from onsight_train.frameworks import load_keras

        network, run_spec = open_run(run)
        keras = load_keras()
        described: dict[str, Any] = {
            "kind": "run",
            "sha256": sha256_bytes((run / "model.keras").read_bytes()),
            "backend": f"keras {keras.__version__} on {keras.backend.backend()}",
        }
        yield Scorer(run_spec, described, lambda pixels: probabilities(predict_scores(network, pixels), run_spec), 1000)
        return
    from onsight_edge.classifier import Classifier

    with Classifier.open(model, variant=variant, backend=backend, threads=threads, spec=spec) as classifier:
        described = {"backend": f"{classifier.backend.name} {classifier.backend.version}", "threads": threads}
        if file := classifier.model:
            kind = "file" if file.bundle is None else "bundle"
            described = {"kind": kind, "variant": file.variant, "sha256": file.sha256, **described}
        yield Scorer(classifier.spec, described, classifier.scores, 250)


def run_folder(model: str) -> Path | None:
    """The folder of a run, named itself or by its `model.keras`; None for everything else."""
    path = Path(model)
    if path.name == "model.keras" and path.is_file():
        return path.parent
    return path if path.is_dir() and (path / "model.keras").exists() else None


def trained_on(run: Path) -> dict[str, Any]:
    """What a run's `data.json` says of its data set.

    Raises:
        ModelError: it cannot be read, or names no data set.
    """
    path = run / "data.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict) or "uri" not in found:
        raise ModelError(f"{path} does not name the run's data set: the key 'uri' is missing")
    return found


def exported_from(model: str) -> dict[str, Any]:
    """How the data set behind a bundle was split: another seed would put training pictures into the test part."""
    path = DEFAULT_MODEL if model == "default" else Path(model)
    if not (path / MANIFEST).is_file() and not (path.suffix.lower() == ".zip" and path.is_file()):
        return {}
    bundle = Bundle.open(path)
    if "report.json" not in bundle.files:
        return {}
    found = json.loads(bundle.read(bundle.files["report.json"]))
    return dict(found.get("dataset", {}))


def map_labels(labels: NDArray[np.int64], of_data: Sequence[str], of_model: Sequence[str]) -> NDArray[np.int64]:
    """Labels in the data set's class order as positions in the model's: classes are matched by name.

    Raises:
        DataError: the data set shows a class that the model does not know.
    """
    place = {name: index for index, name in enumerate(of_model)}
    if unknown := [name for name in of_data if name not in place]:
        raise DataError(
            f"the model does not know the data set's {_list(unknown)}: it knows {_list(of_model)}; classes are "
            "matched by name"
        )
    table: NDArray[np.int64] = np.array([place[name] for name in of_data], np.int64)
    return np.asarray(table[labels], np.int64)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown
