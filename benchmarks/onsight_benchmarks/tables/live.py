"""Markdown tables of the records whose results say more than their targets do."""

from __future__ import annotations

from typing import Any

from onsight_benchmarks.tables.table import Table, percent


def sentinel(results: dict[str, Any]) -> list[str]:
    """One row a kind of pictures, one column a change: the share of runs with the right warning."""
    changes = list(next(iter(results.values())))
    lines = [f"| pictures | {' | '.join(changes)} |", f"| --- |{' --: |' * len(changes)}"]
    for kind, rates in results.items():
        lines.append(f"| {kind} | {' | '.join(_warned(rates[change]) for change in changes)} |")
    return [
        *lines,
        "",
        "Share of runs of 10 s with the right warning, of pictures as they are with any; median seconds until it.",
    ]


def unknowns(results: dict[str, Any]) -> list[str]:
    """One row a file and a way of scoring: known pictures refused, unknown ones accepted."""
    kinds = list(next(iter(next(iter(results.values()))["scores"].values()))["false_accepts"])
    heads = " | ".join(f"{kind} accepted" for kind in kinds)
    lines = [
        f"| file | score | known refused | accuracy of the others | {heads} |",
        f"| --- | --- | --: | --: |{' --: |' * len(kinds)}",
    ]
    for name, one in results.items():
        for way, found in one["scores"].items():
            accepted = " | ".join(percent(found["false_accepts"][kind]) for kind in kinds)
            right = found["accuracy_accepted"]
            cells = f"{percent(found['false_rejects'])} | {'-' if right is None else percent(right)} | {accepted}"
            lines.append(f"| {name} | {way} | {cells} |")
    return lines


def preprocess(results: dict[str, Any]) -> list[str]:
    """One row a way of shrinking a frame: its cost, and on how many frames its label is that of the area average."""
    changes = results["changes"]
    heads = " | ".join(f"same label, {one['frames']}" for one in changes)
    lines = [f"| way | p50 us | of the invoke | {heads} |", f"| --- | --: | --: |{' --: |' * len(changes)}"]
    for way in dict.fromkeys([*results["cost"], *(way for one in changes for way in one["ways"])]):
        cost = results["cost"].get(way)
        cells = ["-", "-"] if cost is None else [f"{cost['us']['p50']:.0f}", f"{cost['of_invoke']['median']:.3f}x"]
        for one in changes:
            found = one["ways"].get(way)
            cells.append("-" if found is None else " / ".join(percent(v) for v in found["agreement"].values()))
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return [*lines, "", f"Labels by {' / '.join(next(iter(changes[0]['ways'].values()))['agreement'])}."]


def live_loop(results: dict[str, Any]) -> list[str]:
    """The saturated loops side by side, then the age of frames at sinks of several speeds."""
    lines = ["| loop | fps x slowest stage | fps | read ms | classify ms |", "| --- | --: | --: | --: | --: |"]
    for name in results["efficiency"]:
        cells = [f"{results[key][name]['p50']:g}" for key in ("efficiency", "fps", "read_ms", "classify_ms")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        "| sink takes | out / in | age p50 ms | p90 | p99 | growth |",
        "| --: | --: | --: | --: | --: | --: |",
    ]
    for name, one in results["paced"].items():
        ages = " | ".join(f"{one['delivered_ms'][key]:.1f}" for key in ("p50", "p90", "p99"))
        lines.append(f"| {name} ms | {one['out_in']:.4f} | {ages} | {one['growth_ms']:.1f} |")
    return lines


TABLES = {
    "sentinel": Table(details=sentinel),
    "unknowns": Table(details=unknowns),
    "preprocess": Table(details=preprocess),
    "live_loop": Table(details=live_loop),
}


def _warned(rate: dict[str, Any]) -> str:
    after = "" if rate["after_s"] is None else f", {rate['after_s']:g} s"
    return f"{100 * rate['warned']:.1f} %{after}"
