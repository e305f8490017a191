"""`onsight val`: how right a run, a bundle or a model file is on a data set. On a device it needs no TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from onsight.loading import reading
from onsight.main import print_json
from onsight.options import SEED, FiniteRange, backend_option, json_option, spec_option, threads_option, variant_option
from onsight_edge.bundle import DEFAULT_MODEL, MANIFEST, Bundle
from onsight_edge.errors import DataError, ModelError, UsageError
from onsight_edge.metrics import Evaluation, evaluate
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from onsight_edge.datasets import Dataset

_CHUNK = 250  # pictures between two moves of the progress bar


@dataclass(frozen=True, slots=True)
class _Scorer:
    spec: ModelSpec
    described: dict[str, Any]
    scores: Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@click.command("val")
@click.argument("model")
@click.argument("data", required=False)
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Which part of the data set.",
)
@click.option("--limit", type=click.IntRange(1), help="At most so many pictures, every class in its share.")
@click.option(
    "--seed",
    type=SEED,
    help="Decides the split of data that comes unsplit; default: the run's or the bundle's, else 0.",
)
@click.option(
    "--validation",
    type=FiniteRange(0, 1, max_open=True),
    help="The fraction of the training pictures that validate; default: the run's or the bundle's, else 0.1.",
)
@variant_option
@backend_option
@threads_option
@spec_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    model: str,
    data: str | None,
    split: str,
    limit: int | None,
    seed: int | None,
    validation: float | None,
    variant: str | None,
    backend: str,
    threads: int,
    spec: Path | None,
    as_json: bool,
) -> None:
    """Measure MODEL's accuracy on DATA.

    MODEL is a run, a bundle, a .tflite or .onnx file, or default. DATA is cifar10, fashion_mnist, a folder of class
    folders, or a .npz file; for a run it may be left out: the data set it was trained on. A run is evaluated through
    Keras, everything else as it runs live.
    """
    run = _run_folder(model)
    if run is not None:
        for flag in ("variant", "backend", "threads", "spec"):
            if context.get_parameter_source(flag) is not click.core.ParameterSource.DEFAULT:
                raise UsageError(f"--{flag} is for bundles and model files; {run} is a run, which Keras evaluates")
    elif data is None:
        raise UsageError(f"name the data set: onsight val {model} DATA")
    trained_on = _trained_on(run) if run is not None else _exported_from(model)
    uri = data or str(trained_on["uri"])
    if seed is None:
        seed = int(trained_on.get("seed", 0))
    if validation is None:
        validation = float(trained_on.get("validation", 0.1))
    with _open(model, run, variant, backend, threads, spec) as scorer:
        dataset = _load(uri, scorer.spec, validation, seed, limit)
        part = getattr(dataset, split)
        if not len(part):
            raise DataError(f"{dataset.name}: the {split} part holds no pictures")
        labels = map_labels(part.labels, dataset.classes, scorer.spec.classes)
        scores = _score(scorer, part.images, f"{dataset.name} {split}")
        evaluation = evaluate(scores, labels, scorer.spec.classes)
        described = {"model": model, **scorer.described}
    described["data"] = {"name": dataset.name, "uri": dataset.uri, "sha256": dataset.sha256, "split": split}
    if as_json:
        print_json({**described, **evaluation.to_json()})
    else:
        _show(described, evaluation)


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


@contextmanager
def _open(
    model: str, run: Path | None, variant: str | None, backend: str, threads: int, spec: Path | None
) -> Iterator[_Scorer]:
    if run is not None:
        from onsight_edge.postprocess import probabilities
        from onsight_train.evaluate import open_run, predict_scores
        from onsight_train.frameworks import load_keras

        network, run_spec = open_run(run)
        keras = load_keras()
        described: dict[str, Any] = {
            "kind": "run",
            "backend": f"keras {keras.__version__} on {keras.backend.backend()}",
        }
        yield _Scorer(run_spec, described, lambda pixels: probabilities(predict_scores(network, pixels), run_spec))
        return
    from onsight_edge.classifier import Classifier

    with Classifier.open(model, variant=variant, backend=backend, threads=threads, spec=spec) as classifier:
        described = {"backend": f"{classifier.backend.name} {classifier.backend.version}", "threads": threads}
        if file := classifier.model:
            kind = "file" if file.bundle is None else "bundle"
            described = {"kind": kind, "variant": file.variant, "sha256": file.sha256, **described}
        yield _Scorer(classifier.spec, described, classifier.scores)


def _score(scorer: _Scorer, images: NDArray[np.uint8], title: str) -> NDArray[np.float32]:
    from rich.console import Console
    from rich.progress import Progress

    found = []
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=len(images))
        for start in range(0, len(images), _CHUNK):
            chunk = images[start : start + _CHUNK]
            found.append(scorer.scores(chunk))
            bar.advance(task, len(chunk))
    return np.concatenate(found)


def _run_folder(model: str) -> Path | None:
    path = Path(model)
    if path.name == "model.keras" and path.is_file():
        return path.parent
    return path if path.is_dir() and (path / "model.keras").exists() else None


def _trained_on(run: Path) -> dict[str, Any]:
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


def _exported_from(model: str) -> dict[str, Any]:
    """How the data set behind a bundle was split: another seed would put training pictures into the test part."""
    path = DEFAULT_MODEL if model == "default" else Path(model)
    if not (path / MANIFEST).is_file():
        return {}
    bundle = Bundle.open(path)
    if "report.json" not in bundle.files:
        return {}
    found = json.loads(bundle.read(bundle.files["report.json"]))
    return dict(found.get("dataset", {}))


def _load(uri: str, spec: ModelSpec, validation: float, seed: int, limit: int | None) -> Dataset:
    from onsight_edge.datasets import load_dataset

    with reading(uri) as on_progress:
        return load_dataset(
            uri,
            size_wh=spec.input_size_wh,
            colour=spec.colour,
            resize=spec.resize,
            validation=validation,
            seed=seed,
            limit=limit,
            on_progress=on_progress,
        )


def _show(described: dict[str, Any], evaluation: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from onsight.tables import class_table

    console = Console(highlight=False, markup=False, soft_wrap=True)
    data = described["data"]
    variant = f" {described['variant']}" if "variant" in described else ""
    title = f"{described['model']}{variant} on {data['name']} {data['split']}, {described['backend']}"
    table: Table = class_table(evaluation, Text(title))
    console.print(table)
    low, high = evaluation.interval
    top5 = f", top-5 {evaluation.correct_top5 / evaluation.total:.2%}" if len(evaluation.classes) > 5 else ""
    console.print(
        f"accuracy {evaluation.accuracy:.2%} of {evaluation.total:,} pictures "
        f"(95 % interval {low:.2%} to {high:.2%}){top5}, loss {evaluation.loss:.4f}"
    )


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown
