"""How `onsight compare` shows records beside each other on a terminal of 80 columns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from onsight_benchmarks.comparison.comparison import Beside, Comparison
    from onsight_benchmarks.comparison.ratios import Relative
    from onsight_benchmarks.comparison.subjects import Subject

_PIPE = 100  # a pipe has no width; cut names would be of no use there
_SHORT = {"no difference": "same"}


def show(comparison: Comparison, html: Path | None, *, to_stderr: bool) -> None:
    """Print the tables, where `to_stderr` is false, and what must be known of them."""
    from rich.console import Console

    if not to_stderr:
        tables = Console(width=None if sys.stdout.isatty() else _PIPE, highlight=False, markup=False)
        for table in comparison_tables(comparison):
            tables.print(table)
            tables.print()
    console = Console(stderr=to_stderr, highlight=False, markup=False, soft_wrap=True)
    if not to_stderr:
        for sentence in headlines(comparison):
            console.print(sentence)
    for caution in comparison.cautions:
        console.print(caution, style="yellow")
    for remark in comparison.remarks:
        console.print(remark)
    if html is not None:
        console.print(f"page: {html}")


def headlines(comparison: Comparison) -> list[str]:
    """Each other record's fastest beside the first's, a sentence each; of a single record its fastest and slowest."""
    from onsight_benchmarks.comparison.wording import best_sentence

    return [best_sentence(comparison, subject) for subject in comparison.best]


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Rich tables that fit 80 columns: the records, times, what else is known, and like beside like."""
    tables = [_records(comparison), _times(comparison)]
    if (facts := _facts(comparison)) is not None:
        tables.append(facts)
    if comparison.alike:
        tables.append(_alike(comparison.alike))
    return tables


def _records(comparison: Comparison) -> Table:
    table = _table("", "record", "device", "taken", "")
    for entry in comparison.entries:
        state = "DRY RUN" if entry.dry_run else "valid" if entry.record.valid else "NOT VALID"
        _add(table, entry.letter, entry.name, entry.device, entry.record.taken[:10], state)
    return table


def _times(comparison: Comparison) -> Table:
    from onsight_benchmarks.comparison.wording import span_words

    table = _table("measurement", ">p50 ms", ">p99 ms", ">time", "", ">fps", ">fps x")
    for subject in comparison.subjects:
        beside = comparison.relative(subject)
        whole = subject.whole
        relative = None if beside is None else beside.time
        throughput = None if beside is None else beside.throughput
        fps = subject.fps
        _add(
            table,
            _name(subject, comparison),
            *(["-", "-"] if whole is None else [_ms(whole.p50), _ms(whole.p99)]),
            "1" if beside is None else _ratio(relative),
            "dry run" if subject.entry.dry_run else _answer(relative),
            f"{fps:,.0f}" if fps >= 100 else f"{fps:.3g}",
            "1" if throughput is None and beside is None else _bare(throughput),
        )
    span = span_words(comparison)
    table.caption = (
        f"p50, p99: {span}. time: of one frame beside {comparison.reference.name}, with its interval; "
        "same: no difference. fps: pictures a second."
    )
    return table


def _facts(comparison: Comparison) -> Table | None:
    """What only some records know: accuracy, energy, scenarios; None where none knows any."""
    columns: dict[str, Callable[[Subject], str]] = {}
    if any(s.measured.accuracy is not None for s in comparison.subjects):
        columns[">accuracy %"] = _accuracy
    if any(s.measured.energy is not None for s in comparison.subjects):
        columns[">mJ"] = _energy
    if any(s.measured.scenario is not None for s in comparison.subjects):
        columns["scenario"] = _scenario
    if not columns:
        return None
    table = _table("measurement", *columns)
    for subject in comparison.subjects:
        _add(table, _name(subject, comparison), *(write(subject) for write in columns.values()))
    if ">mJ" in columns:
        table.caption = "mJ: millijoules a picture, idle power included."
    return table


def _alike(alike: Sequence[Beside]) -> Table:
    stages = list(dict.fromkeys(stage for one in alike for stage in one.stages if stage != "end_to_end"))
    table = _table("like beside like", ">time", "", *(f">{stage}" for stage in stages))
    for one in alike:
        whole = one.time
        others = (_bare(one.stages.get(stage)) for stage in stages)
        _add(
            table, f"{one.of.entry.letter}/{one.to.entry.letter} {one.of.label}", _ratio(whole), _answer(whole), *others
        )
    table.caption = "B/A: times of A's time that B takes, all of it and by stage."
    return table


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, caption_justify="left")
    for column in columns:
        number = column.startswith(">")
        table.add_column(
            column.removeprefix(">"),
            justify="right" if number else "left",
            no_wrap=number,
            overflow="fold",  # where it is tight names break, numbers never
        )
    return table


def _add(table: Table, *cells: str) -> None:
    from rich.text import Text

    table.add_row(*map(Text, cells))


def _name(subject: Subject, comparison: Comparison) -> str:
    return subject.name if len(comparison.entries) > 1 else subject.label


def _ms(value: float) -> str:
    return f"{value:.3f}" if value < 99.95 else f"{value:.1f}"


def _ratio(relative: Relative | None) -> str:
    return "-" if relative is None else str(relative)


def _bare(relative: Relative | None) -> str:
    from onsight_benchmarks.comparison.ratios import times

    return "-" if relative is None else times(relative.ratio)


def _answer(relative: Relative | None) -> str:
    return "" if relative is None or relative.answer is None else _SHORT.get(relative.answer, relative.answer)


def _accuracy(subject: Subject) -> str:
    from onsight_edge.metrics import wilson

    known = subject.measured.accuracy
    if known is None or not known.pictures:
        return "-"
    low, high = wilson(known.correct, known.pictures)
    return f"{100 * known.correct / known.pictures:.2f} ({100 * low:.1f}-{100 * high:.1f})"


def _energy(subject: Subject) -> str:
    found = subject.measured.energy
    return "-" if found is None else f"{found.mj_per_picture:.3g}"


def _scenario(subject: Subject) -> str:
    from onsight_benchmarks.comparison.wording import scenario_words

    found = subject.measured.scenario
    return "-" if found is None else scenario_words(found)
