"""Markdown tables of what measuring itself costs, and of how often it sees what is not there."""

from __future__ import annotations

from typing import Any

from onsight_benchmarks.tables.table import Table, header, row


def aa(results: dict[str, Any]) -> list[str]:
    """One row a way of comparing a file with itself."""
    lines = header("the same file", ">pairs", ">no difference", ">faster", ">slower", ">ratio, least", ">most")
    found = {f"in turns, {stage.replace('_', ' ')}": one for stage, one in results["pairs"].items()}
    if "sessions" in results:
        found["in sessions of their own, end to end"] = results["sessions"]
    for name, one in found.items():
        ratio = one["ratio"]
        counts = (one["pairs"], one["no_difference"], one["faster"], one["slower"])
        lines.append(row(name, *counts, f"{ratio['min']:.3f}x", f"{ratio['max']:.3f}x"))
    slowed = results["slowed"]
    return [*lines, "", f"Slowed by {slowed['by']:.0%}: found in {slowed['found']} of {slowed['pairs']} pairs."]


def harness(results: dict[str, Any]) -> list[str]:
    """One row a way of timing the same calls."""
    lines = header("way", ">p50 us", ">p90 us", ">p99 us", ">between calls us")
    for name, one in results["latency_ms"].items():
        times = (f"{1e3 * one[key]:.2f}" for key in ("p50", "p90", "p99"))
        lines.append(row(name, *times, f"{results['pause_us'][name]['p50']:.2f}"))
    lines.append("")
    for key, said in (("ratio", "harness / bare"), ("ratio_of_rounds", "whole measurement in rounds / one bare loop")):
        lines.append(f"- {said}: {results[key]['median']:.4f}x ({results[key]['low']:.4f}-{results[key]['high']:.4f})")
    return lines


TABLES = {"aa": Table(details=aa), "harness": Table(details=harness)}
