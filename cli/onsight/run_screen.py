"""What `onsight run` tells people on standard error: how it starts and how it went."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onsight_edge.sinks import RunInfo
    from onsight_edge.summary import LiveSummary, Percentiles


def say_start(info: RunInfo) -> None:
    """One line: which model looks at what."""
    size = f" {info.size_wh[0]}x{info.size_wh[1]}" if info.size_wh else ""
    rate = f" at {info.fps:g} fps" if info.fps else ""
    print(f"{info.model} on {info.source}{size}{rate}; Ctrl-C ends", file=sys.stderr)


def print_summary(summary: LiveSummary) -> None:
    """A table of what was seen, how fast, how old and how right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    health = summary.health
    damaged = "".join(
        f", {count} {what}"
        for count, what in (
            (health.skipped, "damaged"),
            (health.frozen, "frozen"),
            (health.resized, "changes of size"),
            (health.reopened, "times lost and back"),
        )
        if count
    )
    table.add_row(
        "frames",
        f"{summary.classified} classified, {summary.dropped} dropped of {summary.captured}{damaged} "
        f"in {summary.seconds:.1f} s, {summary.fps:.1f} fps",
    )
    table.add_row("frame age", _milliseconds(summary.age_ms))
    for name, stage in (
        ("preprocess", summary.preprocess_ms),
        ("inference", summary.inference_ms),
        ("postprocess", summary.postprocess_ms),
    ):
        table.add_row(name, _milliseconds(stage))
    if summary.accuracy is not None:
        table.add_row("accuracy", f"{summary.accuracy:.1%} ({summary.correct} of {summary.judged})")
    if summary.rejected:
        accepted = summary.accuracy_accepted
        of_them = "" if accepted is None else f"; accuracy of the others {accepted:.1%}"
        table.add_row("unknown", f"{summary.rejected} of {summary.classified}{of_them}")
    if summary.decisions is not None:
        table.add_row("decisions", f"{summary.decisions} changes")
    most = list(summary.labels.items())[:5]
    more = f", and {len(summary.labels) - 5} more" if len(summary.labels) > 5 else ""
    table.add_row("answers", ", ".join(f"{label} {count}" for label, count in most) + more)
    for sink in summary.sinks:
        if sink.name not in ("status", "events"):
            lost = f", {sink.dropped} dropped" if sink.dropped else ""
            came_back = f"; failed {sink.failures} times, the last time: {sink.last_failure}" if sink.restarts else ""
            counted = ", ".join(f"{count} {what}" for what, count in sink.counts.items() if count)
            done = (counted or "nothing yet") if sink.counts else f"{sink.written} written"
            table.add_row(sink.name, f"{done}{lost}{came_back}")
    Console(stderr=True, highlight=False).print(table)


def _milliseconds(values: Percentiles | None) -> str:
    if values is None:
        return "-"
    return f"p50 {values.p50:.2f} ms, p90 {values.p90:.2f}, p99 {values.p99:.2f}"
