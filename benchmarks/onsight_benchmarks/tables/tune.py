"""Markdown tables of what `onsight tune` chose, and of how far that is from the best."""

from __future__ import annotations

from typing import Any

from onsight_benchmarks.tables.table import Table, header, row


def tune(results: dict[str, Any]) -> list[str]:
    """One row a combination, the chosen one first; times in milliseconds."""
    lines = header("variant", "backend", ">threads", ">p50", ">p95", ">ratio", ">accuracy", "outcome")
    for one in results["tried"]:
        times, accuracy = one["end_to_end_ms"], one["accuracy"]
        outcome = f"{one['fate']} (round {one['rung']})" if one["rung"] else one["fate"]
        lines.append(
            row(
                one["model"]["variant"],
                one["backend"]["name"],
                one["backend"]["threads"],
                *("-" if times is None else f"{times[key]:.3f}" for key in ("p50", "p95")),
                "-" if one["ratio"] is None else _ratio(one["ratio"]),
                "-" if accuracy is None else f"{100 * accuracy['accuracy']:.2f}",
                outcome,
            )
        )
    lines += [
        "",
        *(f"- {one['of']} takes {_ratio(one['ratio'])} of the time of {one['to']}" for one in results["int8"]),
    ]
    if full := results["exhaustive"]:
        lines.append(
            f"- measured in full, {results['choice']} takes {_ratio(full['ratio'])} of the time of {full['best']}"
        )
    return lines


def tune_check(results: dict[str, Any]) -> list[str]:
    """One row a tuning."""
    lines = header("model", "chosen", "fastest of all", ">takes", ">seconds", ">combinations")
    for one in results["tunings"]:
        cells = (one["model"], one["choice"], one["best"], _ratio(one["ratio"]), f"{one['seconds']:.1f}")
        lines.append(row(*cells, one["combinations"]))
    return lines


def _ratio(value: dict[str, float]) -> str:
    return f"{value['median']:.2f}x ({value['low']:.2f}-{value['high']:.2f})"


TABLES = {"tune": Table(details=tune), "tune_check": Table(details=tune_check)}
