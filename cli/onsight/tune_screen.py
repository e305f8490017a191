"""What `onsight tune` shows on a terminal: a table, and what follows from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from onsight_benchmarks.tuning.outcome import Tried
    from onsight_benchmarks.tuning.tune import Tuned


def show(found: Tuned, *, profile: Path, record: Path | None, chosen_file: bool, as_json: bool) -> None:
    """Print the table, then one line each: the choice, int8, what may not be taken, what could not run, remarks.

    Args:
        found: the outcome.
        profile: where the choice was written to, if there is one.
        record: where the record was written to.
        chosen_file: whether the user named the profile's file.
        as_json: the document stands on stdout already: remarks go to stderr, and no table.
    """
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    if not as_json:
        wide = None if sys.stdout.isatty() else 100  # a pipe has no width; cut names would be of no use there
        Console(width=wide).print(tune_table(found))
    for line in lines(found):
        console.print(escape(line))
    for reason in found.report.invalid_because:
        console.print(f"[yellow]the times are not for quoting:[/yellow] {escape(reason)}")
    if found.profile is not None:
        use = f"onsight run --profile {profile}" if chosen_file else "onsight run uses it, --no-profile ignores it"
        console.print(escape(f"profile: {profile}; {use}"))
    if record is not None:
        console.print(escape(f"record: {record}"))


def tune_table(found: Tuned) -> Table:
    """A rich table of all combinations that fits 80 columns, the chosen one first; times in milliseconds."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="one 640x480 frame, ms", title_justify="left")
    for name in ("variant", "backend"):
        table.add_column(name, overflow="fold")
    for name in ("thr", "p50", "p95", "ratio", "accuracy"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for one in found.tried:
        times = one.end_to_end_ms
        table.add_row(
            one.model.variant,
            one.backend.name,
            str(one.backend.threads),
            "-" if times is None else f"{times.p50:.3f}",
            "-" if times is None else f"{times.p95:.3f}",
            "-" if one.ratio is None else f"{one.ratio.median:.2f}x",
            "-" if one.accuracy is None else f"{one.accuracy.accuracy:.2%}",
            _outcome(one),
            style="bold" if one.fate == "chosen" else None,
        )
    table.caption_justify = "left"
    table.caption = "ratio: time beside the chosen one's, round by round; outcome: the round in which it left"
    return table


def lines(found: Tuned) -> list[str]:
    """What follows from the table, a sentence each."""
    said = []
    chosen = next((one for one in found.tried if one.fate == "chosen"), None)
    if chosen is not None and chosen.end_to_end_ms is not None:
        times = chosen.end_to_end_ms
        threads = f"{chosen.backend.threads} thread{'s' if chosen.backend.threads > 1 else ''}"
        said.append(
            f"fastest here: {chosen.model.variant} with {chosen.backend.name}, {threads}: p50 {times.p50:.3f} ms, "
            f"p95 {times.p95:.3f} ms ({len(found.tried)} combinations in {found.report.results['seconds']:.1f} s)"
        )
    said += [
        f"int8 is slower here: {one.of} takes {one.ratio} of the time of {one.to}" for one in found.int8 if one.slower
    ]
    refused = dict.fromkeys(
        (one.model.variant if one.fate == "accuracy" else one.label, one.because)
        for one in found.tried
        if one.fate in ("p95", "accuracy", "golden", "failed")
    )
    said += [f"rejected {what}: {because}" for what, because in refused]
    for because in dict.fromkeys(one.because for one in found.tried if one.fate == "even"):
        same = [one.label for one in found.tried if (one.fate, one.because) == ("even", because)]
        said.append(f"{because}: {', '.join(same)}")
    skipped = found.report.results["skipped"]
    for backend, reason in dict.fromkeys((one.backend, one.reason) for one in skipped):
        variants = ", ".join(one.variant for one in skipped if (one.backend, one.reason) == (backend, reason))
        said.append(f"cannot run here: {backend} ({variants}): {reason}")
    if found.exhaustive is not None:
        full = found.exhaustive
        said.append(f"all measured in full: the fastest is {full.best}, the choice takes {full.ratio} of its time")
    return [*said, *found.notes]


def _outcome(one: Tried) -> str:
    if one.fate == "slower":
        return "warm-up" if one.rung is None else f"round {one.rung}"
    return {"even": "to the end", "p95": "p95"}.get(one.fate, one.fate)
