"""`onsight runs`: runs beside each other, in a table and a plot; and their accuracy records."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onsight.main import print_json
from onsight.options import SEED, json_option
from onsight.outputs import check_outputs
from onsight.runs_screen import WIDE, comparison_tables
from onsight_edge.errors import UsageError

if TYPE_CHECKING:
    from onsight_benchmarks.runs import LeftOut
    from onsight_benchmarks.runs_comparison import Comparison, Progress

_ROOT = Path("runs")


@click.command("runs", context_settings={"show_default": True})
@click.argument("runs", nargs=-1, metavar="[RUN]...", type=click.Path(path_type=Path))
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the comparison into this .png or .svg file.")
@click.option(
    "--no-measure",
    is_flag=True,
    help="Show what the runs' folders tell, and leave int8 files, their accuracy and their latency out.",
)
@click.option("--iterations", type=click.IntRange(1), default=300, help="Measured calls of each int8 file.")
@click.option("--seed", type=SEED, default=0, help="Of the order of measuring.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each run's accuracy record, ARCH-RECIPE.json, into this folder.",
)
@json_option
def command(
    runs: tuple[Path, ...],
    plot: Path | None,
    no_measure: bool,
    iterations: int,
    seed: int,
    record: Path | None,
    as_json: bool,
) -> None:
    """Compare runs: accuracy against parameters, MACs, int8 size and measured int8 latency.

    RUN is a folder that `onsight train` wrote; without one, every run below the folder runs/. Says what over- and
    underfits and what to try next. Makes each run's int8 file the first time and keeps it in the cache folder.
    """
    from onsight_benchmarks.runs import find_runs

    if no_measure and record is not None:
        raise UsageError("--record evaluates int8 files, which --no-measure leaves out: choose one")
    left_out: list[LeftOut] = []
    folders = list(runs)
    if not folders:
        folders, left_out = find_runs(_ROOT)
    show_comparison(
        folders,
        as_json=as_json,
        plot=plot,
        measure=not no_measure,
        iterations=iterations,
        seed=seed,
        record=record,
        left_out=left_out,
    )


def show_comparison(
    folders: Sequence[Path],
    *,
    as_json: bool,
    plot: Path | None = None,
    measure: bool = True,
    iterations: int = 300,
    seed: int = 0,
    record: Path | None = None,
    left_out: Sequence[LeftOut] = (),
) -> None:
    """Compare runs and print the table, the advice and the remarks; `onsight train --arch a,b` ends with it.

    Args:
        folders: of the runs.
        as_json: print one JSON document on stdout in place of the table.
        plot: a .png or .svg file to draw.
        measure, iterations, seed, left_out: see `onsight_benchmarks.runs_comparison.compare_runs`.
        record: a folder to write accuracy records into.

    Raises:
        as `compare_runs` and `draw_comparison`.
    """
    from onsight_benchmarks.accuracy import check_records, record_accuracy
    from onsight_benchmarks.record_file import check_writable
    from onsight_benchmarks.runs_comparison import compare_runs
    from onsight_benchmarks.runs_json import comparison_json
    from onsight_benchmarks.runs_plot import check_plot, draw_comparison

    if plot is not None:
        check_plot(plot)
        check_outputs({"--plot": plot}, list(folders))
        check_writable(plot)
        from onsight_train.frameworks import load_pyplot

        load_pyplot()  # refuse now, not after minutes
    targets = check_records(folders, record) if record is not None else {}
    if measure:
        _fetch_data(folders)
    with _bars() as progress:
        comparison = compare_runs(
            folders, measure=measure, iterations=iterations, seed=seed, left_out=left_out, progress=progress
        )
        if plot is not None:
            draw_comparison(plot, comparison)
        for folder, target in targets.items():
            record_accuracy(folder, progress).save(target)
    if as_json:
        print_json({**comparison_json(comparison), "records": [str(target) for target in targets.values()]})
    _print(comparison, plot, list(targets.values()), as_json)


def _fetch_data(folders: Sequence[Path]) -> None:
    """Fetch the public sets that the runs' int8 files are made and checked with, where one must still be made."""
    from onsight_benchmarks.runs import read_run, unfinished
    from onsight_benchmarks.runs_int8 import VARIANT, kept_folder
    from onsight_edge.datasets import NAMED, cached_path

    for folder in folders:
        if unfinished(folder):
            continue
        run = read_run(folder)
        made = (kept_folder(run) / f"{VARIANT}.bundle").exists()
        if run.uri in NAMED and not made and not cached_path(run.uri).exists():
            from onsight_train.fetch import fetch

            fetch(run.uri)


@contextmanager
def _bars() -> Iterator[Progress]:
    """A bar on stderr that shows the step at hand."""
    import os

    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    # a descriptor of its own: the libraries' chatter on 2 is caught while they work
    with os.fdopen(os.dup(2), "w") as terminal:
        console = Console(file=terminal)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
            task = bars.add_task("")

            def show(what: str, done: int, total: int) -> None:
                bars.update(task, description=escape(what), completed=done, total=total)

            yield show


def _print(comparison: Comparison, plot: Path | None, records: Sequence[Path], to_stderr: bool) -> None:
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE  # a pipe has no width; cut names would be of no use there
    table = Console(width=width, highlight=False, markup=False)
    console = Console(stderr=to_stderr, highlight=False, markup=False, soft_wrap=True)
    for ranking in comparison.rankings:
        if not to_stderr:
            table.print(*comparison_tables(ranking, table.width))
        for sentence in ranking.advice:
            console.print(f"- {sentence}")
        for run in ranking.runs:
            if run.remark:
                console.print(f"{run.label}: {run.remark}")
    if len(comparison.rankings) > 1:
        console.print("The tables do not compare with each other: other pictures were tested.")
    for one in comparison.left_out:
        console.print(f"left out: {one.folder}: {one.reason}")
    if (measured := comparison.latencies) is not None:
        console.print(
            f"int8 latency: p50 of {measured.calls} calls in turns, one thread, {measured.backend}"
            + "".join(f"; not valid: {why}" for why in measured.objections)
        )
    if plot is not None:
        console.print(f"plot: {plot}")
    for path in records:
        console.print(f"record: {path}")
