"""A Markdown table of what looking at the device costs."""

from __future__ import annotations

from typing import Any

from onsight_benchmarks.tables.table import Table, header, row


def sampling(results: dict[str, Any]) -> list[str]:
    """One row a way of looking: what a look costs, and percentiles as ratios to those without looks."""
    costs = results["costs"]
    figures = list(next(iter(costs.values()))["ratio_to_none"])
    lines = header("who looks, at what", ">a look costs, us", *(f">{figure}" for figure in figures))
    for name, cost in costs.items():
        ratios = [cost["ratio_to_none"][figure] for figure in figures]
        lines.append(
            row(
                name,
                f"{cost['look_us']:.0f}",
                *(f"{r['median']:.2f}x ({r['low']:.2f}-{r['high']:.2f})" for r in ratios),
            )
        )
    return [*lines, "", f"Without looks p50 is {results['p50_us']:g} us."]


TABLES = {"sampling": Table(details=sampling)}
