"""Markdown tables of what a run's outputs cost."""

from __future__ import annotations

from typing import Any

from onsight_benchmarks.tables.table import Table, header, row


def sink_cost(results: dict[str, Any]) -> list[str]:
    """One row a kind of outputs: a turn of the loop with them, and its ratio to one without."""
    lines = header("outputs", ">turn p50 us", ">p90", ">p99", ">of none")
    for name, turn in results["turn_ms"].items():
        ratio = results["ratio_to_none"].get(name)
        times = [f"{turn[key] * 1e3:.1f}" for key in ("p50", "p90", "p99")]
        shown = "1" if ratio is None else f"{ratio['median']:.3f}x ({ratio['low']:.3f}-{ratio['high']:.3f})"
        lines.append(row(name, *times, shown))
    return lines


TABLES = {"sink_cost": Table(details=sink_cost)}
