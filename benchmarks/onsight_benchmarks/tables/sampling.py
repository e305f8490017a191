"""A Markdown table of what looking at the device costs."""

from __future__ import annotations

from typing import Any

from onsight_benchmarks.tables.table import Table, header, row


def sampling(results: dict[str, Any]) -> list[str]:
    """One row a way of looking: percentiles of a classification as ratios to those without looks."""
    ratios = results["ratio_to_none"]
    figures = list(next(iter(ratios.values())))
    lines = header("who looks, at what", *(f">{figure}" for figure in figures))
    for name, one in ratios.items():
        cells = [f"{one[f]['median']:.2f}x ({one[f]['low']:.2f}-{one[f]['high']:.2f})" for f in figures]
        lines.append(row(name, *cells))
    return [*lines, "", f"Without looks p50 is {results['p50_us']:g} us."]


TABLES = {"sampling": Table(details=sampling)}
