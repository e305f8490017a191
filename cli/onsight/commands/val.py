"""`onsight val`: how right a run, a bundle or a model file is on a data set. On a device it needs no TensorFlow."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from onsight.loading import load_for
from onsight.main import print_json
from onsight.options import SEED, FiniteRange, backend_option, json_option, spec_option, threads_option, variant_option
from onsight.outputs import check_outputs
from onsight.scorers import exported_from, map_labels, open_scorer, run_folder, trained_on
from onsight_edge.errors import DataError, UsageError


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
@click.option("--corruptions", is_flag=True, help="Measure blurred, noisy, dark, compressed and coarse pictures too.")
@click.option("--duplicates", is_flag=True, help="Search the training pictures for copies and near-copies.")
@click.option("--worst", type=click.IntRange(0, 1000), default=24, show_default=True, help="Worst pictures of a kind.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write everything as one self-contained page."
)
@click.option(
    "--sheet", type=click.Path(path_type=Path, dir_okay=False), help="Write the worst pictures as one .png file."
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
    corruptions: bool,
    duplicates: bool,
    worst: int,
    html: Path | None,
    sheet: Path | None,
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
    run = run_folder(model)
    if run is not None:
        for flag in ("variant", "backend", "threads", "spec"):
            if context.get_parameter_source(flag) is not click.core.ParameterSource.DEFAULT:
                raise UsageError(f"--{flag} is for bundles and model files; {run} is a run, which Keras evaluates")
    elif data is None:
        raise UsageError(f"name the data set: onsight val {model} DATA")
    _check_files(html, sheet, [model, *([data] if data else [])])
    origin = trained_on(run) if run is not None else exported_from(model)
    uri = data or str(origin["uri"])
    seed = int(origin.get("seed", 0)) if seed is None else seed
    validation = float(origin.get("validation", 0.1)) if validation is None else validation

    from onsight import evaluation as steps
    from onsight_benchmarks.evaluation.analysis import analyse
    from onsight_benchmarks.evaluation.leakage import picture_names
    from onsight_benchmarks.evaluation.made import made
    from onsight_edge.files import printable, write_text

    robustness = leakage = learnt = None
    with open_scorer(model, run, variant=variant, backend=backend, threads=threads, spec=spec) as scorer:
        dataset = load_for(uri, scorer.spec, validation, seed, limit)
        part = getattr(dataset, split)
        if not len(part):
            raise DataError(f"{dataset.name}: the {split} part holds no pictures")
        if duplicates:
            whole = dataset if limit is None else load_for(uri, scorer.spec, validation, seed, None)
            learnt = steps.seen_parts(whole, split)
        labels = map_labels(part.labels, dataset.classes, scorer.spec.classes)
        classes, names = scorer.spec.classes, picture_names(part, split)
        scores = steps.score(scorer, part.images, f"{dataset.name} {split}")
        temperature = scorer.spec.temperature
        analysis = analyse(scores, labels, classes, names, temperature=temperature, count=worst, seed=seed)
        if corruptions:
            robustness = steps.spoil(scorer, part.images, labels, analysis.evaluation.correct, seed)
        if learnt is not None:
            leakage = steps.find_copies(part, split, learnt, scores.argmax(axis=1) == labels)
        described: dict[str, Any] = {"model": printable(model), **scorer.described}
    described["data"] = {"name": dataset.name, "uri": dataset.uri, "sha256": dataset.sha256, "split": split}
    document = {**described, **analysis.to_json(), "made": made(printable(shlex.join(["onsight", *sys.argv[1:]])))}
    if robustness is not None:
        document["corruptions"] = robustness.to_json()
    if leakage is not None:
        document["duplicates"] = leakage.to_json()
    if sheet is not None:
        from onsight_benchmarks.evaluation.sheet import worst_sheet
        from onsight_edge.datasets.sheet import write_png

        title = f"{described['model']} on {dataset.name} {split}: {analysis.evaluation.accuracy:.2%}"
        write_png(worst_sheet(title, analysis, part.images, scorer.spec.colour), sheet)
    if html is not None:
        import numpy as np

        from onsight_benchmarks.evaluation.page import Report, render

        pixels = None if learnt is None else np.concatenate([other.images for other in learnt.values()])
        report = Report(document, analysis, part.images, scorer.spec.colour, robustness, leakage, pixels)
        write_text(html, render(report))
    if as_json:
        print_json(document)
    else:
        steps.show(described, analysis, robustness, leakage)
    for written in (sheet, html):
        if written is not None:
            click.echo(f"wrote {written}", err=as_json)


def _check_files(html: Path | None, sheet: Path | None, inputs: list[str]) -> None:
    """Refuse at once what could not be written after minutes of measuring."""
    for flag, path, endings in (("--html", html, (".html", ".htm")), ("--sheet", sheet, (".png",))):
        if path is not None and path.suffix.lower() not in endings:
            raise UsageError(f"{flag} names a {endings[0]} file, not {path}")
    check_outputs({"--html": html, "--sheet": sheet}, inputs)
    if html is not None:
        from onsight_benchmarks.html_page import require_jinja

        require_jinja()
