"""Markdown tables of a long run with all outputs."""

from __future__ import annotations

from typing import Any

from onsight_benchmarks.tables.table import Table, header, row


def endurance(results: dict[str, Any]) -> list[str]:
    """Whether memory grew, and one row a cycle."""
    lines = header("memory, last half", ">MiB", ">MiB an hour", ">99 % interval", ">% of it")
    for name, key in (("resident", "rss_mib"), ("without files", "anon_mib")):
        one = results["memory"][key]
        between = f"{one['low']:+.1f} to {one['high']:+.1f}"
        lines.append(row(name, f"{one['level']:.1f}", f"{one['per_hour']:+.1f}", between, f"{one['percent']:+.2f}"))
    lines += [
        "",
        *header("cycle", ">MiB", ">descriptors", ">threads", ">results", ">dropped", ">age p50 ms", ">p90", ">p99"),
    ]
    for number, one in enumerate(results["by_cycle"], 1):
        ages = [f"{one[f'age_{name}_ms']:.1f}" for name in ("p50", "p90", "p99")]
        counts = [one[name] for name in ("fds", "threads", "results", "dropped")]
        lines.append(row(number, f"{one['rss_mib']:.1f}", *counts, *ages))
    return lines


TABLES = {"endurance": Table(details=endurance)}
