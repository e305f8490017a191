"""`onsight export`: a run becomes a bundle of checked TFLite and ONNX files."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onsight.main import print_json
from onsight.options import SEED, FiniteRange, json_option, spec_option
from onsight_edge.datasets import NAMED, cached_path
from onsight_edge.files import printable

if TYPE_CHECKING:
    from onsight_export.options import Batch, Golden, Layout, Range


def _count(context: click.Context, parameter: click.Parameter, value: str) -> int | None:
    """A number of pictures, or None for `auto`."""
    return None if value == "auto" else int(click.IntRange(1).convert(value, parameter, context))  # type: ignore[arg-type]


@click.command("export")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--quant",
    default="all",
    show_default=True,
    metavar="LIST",
    help="Variants, comma-separated: all; tflite-float32, tflite-float16, tflite-dynamic, tflite-int8, "
    "tflite-int16x8, onnx-float32, onnx-float16, onnx-int8; or in short int8 (both formats), tflite (all of them) and "
    "so on.",
)
@click.option(
    "--max-drop",
    type=FiniteRange(min=0),
    default=1.0,
    show_default=True,
    metavar="POINTS",
    help="Percentage points of accuracy a variant may lose against Keras; more, and no bundle is written.",
)
@click.option(
    "--calibration",
    callback=_count,
    default="auto",
    show_default=True,
    metavar="N|auto",
    help="Training pictures, balanced over the classes, that the int8 variants are calibrated on; auto measures on "
    "validation pictures how many are best.",
)
@click.option(
    "--estimator",
    type=click.Choice(["auto", "minmax", "percentile", "mse", "entropy"]),
    default="auto",
    show_default=True,
    help="How the values that a layer gave on those become its range in 8 bits; auto measures which is best.",
)
@click.option("--sensitivity", is_flag=True, help="Measure what each layer costs in 8 bits: a table and a chart.")
@click.option(
    "--keep-float",
    metavar="LIST",
    default="",
    help="Layers, by their Keras names, comma-separated, that the int8 variants leave in float.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Which training pictures those are.")
@click.option(
    "--min-agreement",
    type=FiniteRange(0, 1),
    default=0.9,
    show_default=True,
    metavar="SHARE",
    help="Share of the test pictures on which an 8-bit variant must name the class that Keras names.",
)
@click.option(
    "--reject",
    type=FiniteRange(0, 1),
    default=0.95,
    show_default=True,
    metavar="SHARE",
    help="Fit each variant's threshold so that it accepts this share of known pictures; 0 fits none.",
)
@click.option("--unknowns", metavar="DATA", help="Pictures of no known class: the report says how many pass as one.")
@click.option(
    "--batch",
    type=click.Choice(["1", "dynamic"]),
    help="Pictures a file takes at a time [default: 1 for TFLite, dynamic for ONNX].",
)
@click.option(
    "--layout",
    type=click.Choice(["nhwc", "nchw"]),
    default="nhwc",
    show_default=True,
    help="Of the ONNX files' input: channels last or first.",
)
@click.option("--float-io", is_flag=True, help="tflite-int8 takes and gives float32 (pixels 0..255 still), not uint8.")
@click.option("--opset", type=click.IntRange(13, 18), default=17, show_default=True, help="Of the ONNX files.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The bundle: a folder, or one file that ends in .zip [default: NAME.bundle beside SOURCE].",
)
@click.option(
    "--data",
    help="A .keras file's or a SavedModel's data set: cifar10, fashion_mnist, a folder of class folders, an .npz file. "
    "For a run: where its data set is now, if it was moved.",
)
@spec_option
@click.option(
    "--range",
    "expects",
    type=click.Choice(["0..255", "0..1", "-1..1"]),
    help="What a .keras file or a SavedModel expects pixels to be [default: 0..255, if it answers as if that were so].",
)
@click.option(
    "--golden",
    type=click.Choice(["synthetic", "test"]),
    default="synthetic",
    show_default=True,
    help="What the bundle's golden samples show: drawn frames, or test pictures, which then travel with it.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Check on N of the test pictures only, evenly spread; the report says so.",
)
@json_option
def command(
    source: Path,
    quant: str,
    max_drop: float,
    calibration: int | None,
    estimator: str,
    sensitivity: bool,
    keep_float: str,
    seed: int,
    min_agreement: float,
    reject: float,
    unknowns: str | None,
    batch: Batch | None,
    layout: Layout,
    float_io: bool,
    opset: int,
    out: Path | None,
    data: str | None,
    spec: Path | None,
    expects: Range | None,
    golden: Golden,
    limit: int | None,
    as_json: bool,
) -> None:
    """Quantize SOURCE to TFLite and ONNX; writes a checked bundle.

    SOURCE is a run (a folder that `onsight train` wrote), a .keras file, or a SavedModel. Every file is run over the
    data set's test pictures as a device runs it, and compared with Keras.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from onsight.export_screen import show_report
    from onsight.int8_speed import int8_over_float32
    from onsight_export.export import export_run
    from onsight_export.options import ExportOptions, default_out
    from onsight_export.run import open_run
    from onsight_export.sources import kind_of
    from onsight_export.variants import parse_quant

    options = ExportOptions(
        variants=parse_quant(quant),
        max_drop_points=max_drop,
        calibration=calibration,
        estimator=None if estimator == "auto" else estimator,
        sensitivity=sensitivity,
        keep_float=tuple(name.strip() for name in keep_float.split(",") if name.strip()),
        seed=seed,
        opset=opset,
        limit=limit or 0,
        data=data,
        spec=spec,
        range=expects,
        batch=batch,
        layout=layout,
        float_io=float_io,
        min_agreement=min_agreement,
        reject=reject,
        unknowns=unknowns,
        golden=golden,
        command=printable(shlex.join(["onsight", *sys.argv[1:]])),
    )
    out = out or default_out(source)
    kind = kind_of(source, options)
    _fetch_if_named(unknowns or "")
    _fetch_if_named(data or (open_run(source).data["uri"] if kind == "run" else ""))
    # a descriptor of its own: the libraries' chatter on 2 is caught while they work
    with os.fdopen(os.dup(2), "w") as terminal:
        console = Console(file=terminal)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
            tasks: dict[str, TaskID] = {}

            def show(stage: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bars.add_task(stage)
                bars.update(tasks[stage], completed=done, total=total)

            report = export_run(source, out, options, show)
            variants = [each.variant for each in report.variants]
            speed = int8_over_float32(out, variants)
    if as_json:
        print_json({"bundle": str(out), "int8_over_float32": speed, **report.to_json()})
    else:
        show_report(report, out, speed)


def _fetch_if_named(uri: str) -> None:
    if uri in NAMED and not cached_path(uri).exists():
        from onsight_train.fetch import fetch

        fetch(uri)
