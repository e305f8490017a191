"""A Markdown table of what the web server and its clients cost the age of a frame."""

from __future__ import annotations

from typing import Any

from onsight_benchmarks.tables.table import Table, header, row


def web_load(results: dict[str, Any]) -> list[str]:
    """One row a kind of run: percentiles of the age, the p90 beside the row above, results over frames."""
    lines = header("server", ">age p50 ms", ">p90", ">p99", ">p90, of the row above", ">results over frames")
    for kind, ages in results["age_ms"].items():
        ratio = results["ratio"].get(kind, {}).get("p90")
        beside = "" if ratio is None else f"{ratio['median']:.2f}x ({ratio['low']:.2f}-{ratio['high']:.2f})"
        figures = [f"{ages[name]:.2f}" for name in ("p50", "p90", "p99")]
        lines.append(row(kind, *figures, beside, f"{results['out_in'][kind]:.4f}"))
    clients = results["clients"]
    return [
        *lines,
        "",
        f"Each client that watched got {clients['pictures_each']:g} pictures, {clients['sent_age_ms']:g} ms old when "
        f"they were sent, each that listened {clients['results_each']:g} results.",
    ]


TABLES = {"web_load": Table(details=web_load)}
