"""`onsight parity`: a network and every file made of it, step beside step."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onsight.main import print_json
from onsight.options import SEED, FiniteRange, json_option
from onsight.outputs import check_outputs
from onsight_edge.datasets import NAMED, cached_path
from onsight_edge.errors import UsageError
from onsight_edge.files import printable, write_text

if TYPE_CHECKING:
    from onsight_benchmarks.parity.timing import Times
    from onsight_export.parity.parity import Limits, Parity
    from onsight_export.parity.waterfall import Progress

_ITERATIONS = 100


@click.command("parity")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", required=False)
@click.option("--bundle", type=click.Path(path_type=Path), help="Compare this bundle's files; without it, export anew.")
@click.option("--run", type=click.Path(path_type=Path), help="The run that the bundle MODEL was made of.")
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), help="Compare this file, too; may be repeated."
)
@click.option("--no-export", is_flag=True, help="Compare the files named with --file only.")
@click.option(
    "--max-drop",
    type=FiniteRange(min=0),
    default=1.0,
    show_default=True,
    metavar="POINTS",
    help="Percentage points of accuracy that a step may lose; more, and it is broken.",
)
@click.option(
    "--min-agreement",
    type=FiniteRange(0, 1),
    default=0.9,
    show_default=True,
    metavar="SHARE",
    help="Share of pictures on which an 8-bit step must name the reference's class.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="N of the test pictures only, evenly spread.")
@click.option("--layers", is_flag=True, help="Compare every step layer by layer, not only broken ones.")
@click.option("--no-times", is_flag=True, help="Leave the inference times out.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the bootstrap and the order of measuring.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write everything as one self-contained page."
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the variants record, ARCH-RECIPE.json, into this folder; for a run with its bundle.",
)
@json_option
def command(
    model: Path,
    data: str | None,
    bundle: Path | None,
    run: Path | None,
    files: tuple[Path, ...],
    no_export: bool,
    max_drop: float,
    min_agreement: float,
    limit: int | None,
    layers: bool,
    no_times: bool,
    seed: int,
    html: Path | None,
    record: Path | None,
    as_json: bool,
) -> None:
    """Hold every file made of MODEL against it: Keras, then float32, float16, int8 and so on, in TFLite and ONNX.

    MODEL is a run, a .keras file, a SavedModel or a bundle; DATA the data set, which a run knows. Ends with status 1
    where a step is broken, and names the first layer that is off.
    """
    if run is not None and bundle is not None:
        raise UsageError("--run names what the bundle MODEL was made of, --bundle what was made of MODEL: give one")
    _check_page(html, [str(path) for path in (model, *filter(None, (bundle, run, *files)))] + ([data] if data else []))
    target = None
    if record is not None:
        if files or no_times or not (run or bundle):
            raise UsageError("--record takes a run with its bundle, timed, and no other files: see --bundle, --run")
        from onsight_benchmarks.variants import check_targets

        target = next(iter(check_targets([run or model], record).values()))
    from onsight_export.parity.parity import Limits

    limits = Limits(max_drop_points=max_drop, min_agreement=min_agreement, seed=seed, layers=layers)
    _fetch_if_named(model, run, data)
    parity, times = _measure(model, data, bundle, run, files, limits, limit, export=not no_export, times=not no_times)
    from onsight_benchmarks.evaluation.made import made

    document: dict[str, Any] = {
        "model": printable(str(model)),
        **parity.to_json(),
        "times": None if times is None else times.to_json(step.name for step in parity.steps),
        "made": made(printable(shlex.join(["onsight", *sys.argv[1:]]))),
    }
    if html is not None:
        from onsight_benchmarks.parity.page import render

        write_text(html, render(parity, times, document))
    if target is not None and times is not None:
        _record(parity, times, run or model, bundle or model, target)
    if as_json:
        print_json(document)
    else:
        from onsight.parity_screen import show

        show(parity, times, layers)
    for written in (html, target):
        if written is not None:
            click.echo(f"wrote {written}", err=as_json)
    if parity.broken:
        sys.exit(1)


def _measure(
    model: Path,
    data: str | None,
    bundle: Path | None,
    run: Path | None,
    files: tuple[Path, ...],
    limits: Limits,
    limit: int | None,
    *,
    export: bool,
    times: bool,
) -> tuple[Parity, Times | None]:
    from onsight_benchmarks.parity.timing import measure_times
    from onsight_export.options import ExportOptions
    from onsight_export.parity.parity import measure
    from onsight_export.parity.reference import open_subject

    options = ExportOptions(data=data, seed=limits.seed)
    with (
        _bars() as progress,
        open_subject(model, bundle=bundle, run=run, export=export, options=options, progress=progress) as subject,
        measure(subject, files, limit=limit, limits=limits, progress=progress) as (parity, opened),
    ):
        if not times:
            return parity, None
        return parity, measure_times(
            [file.classifier for file in opened],
            iterations=_ITERATIONS,
            seed=limits.seed,
            progress=lambda share: progress("measure times", round(100 * share), 100),
        )


def _record(parity: Parity, times: Times, run: Path, bundle: Path, target: Path) -> None:
    from onsight_benchmarks.parity.recording import build_record
    from onsight_benchmarks.runs import read_run
    from onsight_edge.bundle import Bundle

    facts = read_run(run)
    build_record(parity, times, facts, Bundle.open(bundle), len(parity.reference.spec.classes)).save(target)


def _fetch_if_named(model: Path, run: Path | None, data: str | None) -> None:
    from onsight.scorers import run_folder, trained_on

    folder = run_folder(str(run or model))
    uri = data or (None if folder is None else str(trained_on(folder)["uri"]))
    if uri is not None and uri in NAMED and not cached_path(uri).exists():
        from onsight_train.fetch import fetch

        fetch(uri)


def _check_page(html: Path | None, inputs: Sequence[str]) -> None:
    """Refuse at once what could not be written after minutes of measuring."""
    if html is None:
        return
    if html.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--html names a .html file, not {html}")
    check_outputs({"--html": html}, inputs)
    from onsight_benchmarks.html_page import require_jinja

    require_jinja()


@contextmanager
def _bars() -> Iterator[Progress]:
    """One bar a stage on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

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

            yield show
