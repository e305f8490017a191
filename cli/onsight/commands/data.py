"""`onsight data`: describe a data set, and draw a contact sheet of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onsight.loading import reading
from onsight.main import print_json
from onsight.options import SEED, FiniteRange, json_option
from onsight.outputs import check_outputs
from onsight_edge.errors import UsageError

if TYPE_CHECKING:
    from onsight_edge.datasets.summary import DatasetSummary

_SHOWN = 10


@click.command("data", short_help="Describe a data set.")
@click.argument("data")
@click.option("--size", metavar="N|WxH", help="Bring the pictures to this size; default: as they are.")
@click.option(
    "--validation",
    type=FiniteRange(0, 1, max_open=True),
    default=0.1,
    show_default=True,
    help="The fraction of the training pictures that validate, where the files set none apart.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Decides the splits.")
@click.option("--limit", type=click.IntRange(1), help="At most so many pictures a split, every class in its share.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the contact sheet and the description as NAME.json; default: the sheet in the current folder.",
)
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the contact sheet; default: NAME-contact-sheet.png.",
)
@click.option("--no-sheet", is_flag=True, help="Draw no contact sheet.")
@click.option(
    "--columns", type=click.IntRange(1, 100), default=12, show_default=True, help="Pictures a class on the sheet."
)
@json_option
def command(
    data: str,
    size: str | None,
    validation: float,
    seed: int,
    limit: int | None,
    out: Path | None,
    sheet: Path | None,
    no_sheet: bool,
    columns: int,
    as_json: bool,
) -> None:
    """Describe DATA: pictures by class and split, sizes, what was left out and why, copies, and a contact sheet.

    DATA is cifar10, fashion_mnist, a folder of class folders, or a .npz file (docs/data.md). The named sets are
    fetched first if they are not in the cache.
    """
    if sheet is not None and (no_sheet or sheet.suffix.lower() != ".png"):
        raise UsageError("--sheet names a .png file and does not go with --no-sheet")
    check_outputs({"--sheet": sheet, "--out": out}, [data])
    from onsight_edge.datasets import load_dataset
    from onsight_edge.datasets.sheet import contact_sheet, write_png
    from onsight_edge.datasets.summary import describe
    from onsight_edge.files import write_json

    size_wh = None if size is None else _size_wh(size)
    with reading(data) as on_progress:
        dataset = load_dataset(
            data,
            size_wh=size_wh,
            validation=validation,
            seed=seed,
            limit=limit,
            on_progress=on_progress,
        )
    summary = describe(dataset)
    if not no_sheet:
        sheet = sheet or (out or Path()) / f"{dataset.name}-contact-sheet.png"
        write_png(contact_sheet(dataset, columns=columns, seed=seed), sheet)
    document = {**summary.to_json(), "sheet": None if sheet is None else str(sheet)}
    if out is not None:
        write_json(out / f"{dataset.name}.json", document)
    if as_json:
        print_json(document)
    else:
        _print(summary, sheet)


def _size_wh(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) not in (1, 2) or not all(side.isascii() and side.isdigit() for side in sides):
        raise UsageError(f"--size must be a number of pixels or WxH, such as 96 or 96x64, not {text!r}")
    return (int(sides[0]), int(sides[-1]))


def _print(summary: DatasetSummary, sheet: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    table = Table(title=Text(f"{summary.name}: {len(summary.classes)} classes"), show_footer=True)
    splits = tuple(summary.counts)
    table.add_column("class", Text("total"), overflow="fold")
    for split in splits:
        table.add_column(split, f"{summary.total(split):,}", justify="right")
    table.add_column("total", f"{summary.total():,}", justify="right")
    for place, name in enumerate(summary.classes):
        row = [summary.counts[split][place] for split in splits]
        table.add_row(Text(name), *(f"{count:,}" for count in row), f"{sum(row):,}")
    console.print(table)

    def line(label: str, text: str) -> None:
        console.print(f"{label:<11} {text}", soft_wrap=True)

    line("pictures", f"{_wh(summary.size_wh)}, {'RGB' if summary.channels == 3 else 'grey'}")
    if summary.smallest_wh == summary.largest_wh:
        line("files", f"all {_wh(summary.smallest_wh)}")
    else:
        extremes = f"{_wh(summary.smallest_wh)} to {_wh(summary.largest_wh)}, median {_wh(summary.median_wh)}"
        line("files", f"{extremes}, most often {_wh(summary.common_wh[:2])} ({summary.common_wh[2]:,})")
    if summary.imbalance > 1.5:
        line("balance", f"the largest class has {summary.imbalance:.1f} times the training pictures of the smallest")
    line("copies", f"{summary.repeated:,} within the set, {len(summary.duplicates):,} across splits")
    for title, pairs in (("  across", summary.duplicates), ("  conflict", summary.conflicts)):
        for one, other in pairs[:_SHOWN]:
            line(title, f"{one} = {other}")
        _more(line, len(pairs))
    line("left out", f"{len(summary.left_out):,} files")
    for item in summary.left_out[:_SHOWN]:
        line("", f"{item.name}: {item.reason}")
    _more(line, len(summary.left_out))
    for note in summary.notes:
        line("note", note)
    line("sha256", summary.sha256)
    if sheet is not None:
        line("sheet", str(sheet))


def _more(line: Callable[[str, str], None], count: int) -> None:
    if count > _SHOWN:
        line("", f"and {count - _SHOWN:,} more: --json lists all")


def _wh(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
