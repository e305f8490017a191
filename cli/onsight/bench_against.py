"""`onsight bench --against`: what an earlier record measured, measured again, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from onsight_edge.errors import BenchmarkError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from onsight_benchmarks.change import Against
    from onsight_benchmarks.record import Record

# everything else is as the earlier record says
_FREE = {"model", "against", "fail_above", "force", "fresh", "image", "source", "spec", "out", "html", "as_json"}


def bench_again(
    context: click.Context,
    earlier: Path,
    measure: Callable[..., Record],
    *,
    fail_above: float,
    force: bool,
    free: dict[str, Any],
) -> Record:
    """Measure what the earlier record measured, and hold the two against each other.

    Args:
        context: of the call, to see which options were typed.
        earlier: the earlier record's file.
        measure: `bench` of the model, to be given what was measured.
        fail_above, force: see `hold_against`.
        free: those of bench's arguments that the earlier record does not decide.

    Raises:
        UsageError: an option was typed that the earlier record decides.
        BenchmarkError: no such record, or the two cannot be compared.
    """
    from onsight_benchmarks.against import hold_against, what_was_measured
    from onsight_benchmarks.record import Record

    for parameter in context.command.params:
        name = str(parameter.name)
        if name not in _FREE and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--against measures what {earlier.name} measured: leave {parameter.opts[0]} out")
    then = Record.load(earlier)
    try:
        wanted = what_was_measured(then)
        return hold_against(then, lambda: measure(**wanted, **free), fail_above=fail_above, force=force)
    except BenchmarkError as error:
        raise BenchmarkError(f"{earlier}: {error}") from error


def against_table(found: Against) -> Table:
    """A Rich table of what changed that fits 80 columns."""
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"against {found.taken}",
        title_justify="left",
        padding=(0, 1, 0, 0),
        caption="ratio: of the rounds' fastest calls, 99 % interval; p50: ms, disturbances included",
    )
    table.add_column("measurement", overflow="fold")
    for name in ("p50 then", "now", "ratio", "interval", "is it?"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.changes:
        ratio = one.ratio
        table.add_row(
            one.label,
            f"{one.then_p50_ms:.3f}",
            f"{one.now_p50_ms:.3f}",
            f"{ratio.median:.3f}x",
            f"{ratio.low:.3f}-{ratio.high:.3f}",
            one.answer,
        )
    return table


def against_lines(found: Against) -> list[str]:
    """What else there is to say of it."""
    lines = [f"not compared like with like (--force): {why}" for why in found.differences]
    if found.told:
        lines.append(f"changed since: {'; '.join(found.told)}")
    if found.times_measured > 1:
        lines.append(
            "measured twice, for something seemed slower or could not be told at first; these are the second figures"
        )
    return lines


def fail_where_slower(found: Against) -> None:
    """Raise where something is slower beyond doubt.

    Raises:
        BenchmarkError: it is; one line that names what.
    """
    grown = found.grown()
    if grown:
        ratios = ((one.label, one.ratio) for one in grown)
        what = ", ".join(f"{label} {ratio.median:.3f}x ({ratio.low:.3f}-{ratio.high:.3f})" for label, ratio in ratios)
        raise BenchmarkError(f"slower than on {found.taken} beyond doubt, and above {found.fail_above:g}x: {what}")
