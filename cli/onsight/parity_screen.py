"""What `onsight parity` shows on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from onsight_benchmarks.parity.timing import Times
    from onsight_export.parity.diagnosis import Diagnosis
    from onsight_export.parity.parity import Parity
    from onsight_export.parity.waterfall import Step

_PIPE = 160  # a pipe has no width; cut figures would be of no use there
_WIDE = 130  # characters that all columns take
_COLUMNS = (
    "step",
    "accuracy",
    "95 %",
    "drop",
    "drop 95 %",
    "same",
    "lost/won",
    "max diff",
    "mean diff",
    "ECE",
    "KB",
    "p50",
)
_NARROW = ("step", "accuracy", "drop", "same", "max diff", "KB", "p50")


def show(parity: Parity, times: Times | None, layers: bool) -> None:
    """Print the waterfall, what is broken and why, and with `layers` every layer."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else _PIPE, highlight=False, markup=False)
    console.print(waterfall_table(parity, times, console.width))
    console.print(
        f"drop: points of accuracy below {parity.reference.name}. same: pictures with its class. "
        "lost/won: pictures that it alone, or the step alone, gets right. diff: of a score.",
        soft_wrap=True,
    )
    if times is not None:
        bad = "".join(f"; not valid: {why}" for why in times.objections)
        console.print(f"p50: of {times.calls} inferences in turns, one thread, milliseconds{bad}", soft_wrap=True)
    for step in parity.broken:
        console.print(f"{step.name} is broken: {'; '.join(step.objections)}", style="red", soft_wrap=True)
        diagnosis = parity.diagnoses[step.name]
        console.print(f"  {diagnosis.sentence}", soft_wrap=True)
        if diagnosis.explanation is not None and diagnosis.first is not None:
            console.print(f"  the first layer off is {diagnosis.first.layer}, which the pictures reach first")
    if not parity.broken:
        console.print("no step is broken: each differs by no more than its number format explains", style="green")
    if layers:
        for step in parity.steps:
            console.print(layer_table(step, parity.diagnoses[step.name]))


def waterfall_table(parity: Parity, times: Times | None, width: int) -> Table:
    """One row a step, the reference first; where a terminal is narrow, without the columns that matter least."""
    from rich.table import Table
    from rich.text import Text

    data = parity.data
    many = f"{data['pictures']:,}"
    if data["pictures"] < data["test_pictures"]:
        many += f" of {data['test_pictures']:,}"
    table = Table(title=Text(f"{parity.reference.spec.name} on {data['name']}, {many} test pictures"))
    shown = [column for column in _COLUMNS if width >= _WIDE or column in _NARROW]
    for column in shown:
        table.add_column(column, justify="left" if column == "step" else "right", no_wrap=True)
    own, size = parity.answers, parity.reference.described.get("bytes")
    first = {
        "step": parity.reference.name,
        "accuracy": f"{100 * own.accuracy:.2f}",
        "95 %": _span(own.interval, 100),
        "ECE": f"{100 * own.ece:.2f}",
        "KB": "-" if size is None else f"{size / 1000:.0f}",
    }
    table.add_row(*(first.get(column, "-") for column in shown))
    for place, step in enumerate(parity.steps):
        cells = _cells(step) | {"p50": "-" if times is None else f"{times.inference_ms[place].p50:.3f}"}
        table.add_row(*(cells[column] for column in shown), style="red" if step.broken else "")
    return table


def layer_table(step: Step, diagnosis: Diagnosis) -> Table | str:
    """Every layer of a file that could be compared, or why none could be."""
    from rich.table import Table
    from rich.text import Text

    if diagnosis.not_compared is not None:
        return f"{step.name}: layers were not compared: {diagnosis.not_compared}"
    table = Table(title=Text(f"{step.name}: layers, relative error"), title_justify="left")
    for name in ("layer", "kind"):
        table.add_column(name, overflow="fold")
    for name in ("own", "tolerated", "with those before"):
        table.add_column(name, justify="right", no_wrap=True)
    for error in diagnosis.layers:
        beside = [name for name in error.fused if name != error.layer]
        table.add_row(
            Text(error.layer + (f" (+ {', '.join(beside)})" if beside else "")),
            error.kind,
            f"{error.own:.2g}",
            f"{error.tolerance:g}",
            f"{error.total:.2g}",
            style="red" if error.off else "",
        )
    return table


def _cells(step: Step) -> dict[str, str]:
    answers = step.answers
    low, high = answers.drop_interval
    return {
        "step": step.name,
        "accuracy": f"{100 * answers.accuracy:.2f}",
        "95 %": _span(answers.interval, 100),
        "drop": f"{answers.drop_points:+.2f}",
        "drop 95 %": f"{low:+.2f}..{high:+.2f}",
        "same": f"{100 * answers.agreement:.2f}",
        "lost/won": f"{answers.only_reference}/{answers.only_step}",
        "max diff": f"{answers.largest_difference:.2g}",
        "mean diff": f"{answers.mean_difference:.2g}",
        "ECE": f"{100 * answers.ece:.2f}",
        "KB": f"{step.bytes / 1000:.0f}",
    }


def _span(interval: tuple[float, float], factor: float) -> str:
    return f"{factor * interval[0]:.1f}-{factor * interval[1]:.1f}"
