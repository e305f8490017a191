"""Records as Markdown tables: python -m onsight_benchmarks.tables RECORD.json..."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from onsight_benchmarks.record import SCHEMA, Record, load_json
from onsight_edge.errors import BenchmarkError, OnsightError


def markdown(path: Path) -> str:
    """One record as Markdown: a latency table, or the targets of another kind.

    Raises:
        BenchmarkError: not there, or not a record.
    """
    value = load_json(path)
    if isinstance(value, dict) and value.get("kind") == "latency":
        return latency_markdown(Record.from_json(value, str(path)))
    try:
        if value["schema"] != SCHEMA:
            raise BenchmarkError(f"{path}: schema {value['schema']!r} is not {SCHEMA}: written by another onsight")
        return _targets_markdown(value)
    except (KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is not an onsight record: {error!r}") from error


def latency_markdown(record: Record) -> str:
    """The measurements of a latency record, then the ratios; times in milliseconds, memory in MiB."""
    lines = [
        "| variant | backend | threads | p50 | p90 | p99 | inference p50 | init | first | RSS |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for one in record.measurements:
        whole, inference = one.latency_ms["end_to_end"], one.latency_ms["inference"]
        times = [f"{s:.3f}" for s in (whole.p50, whole.p90, whole.p99)] if whole else ["-"] * 3
        cells = [
            one.model.variant,
            one.backend.name,
            str(one.backend.threads),
            *times,
            f"{inference.p50:.3f}" if inference else "-",
            *("-" if value is None else f"{value:.1f}" for value in (one.init_ms, one.first_ms, one.rss_mib)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {one.of} / {one.to}, {one.stage}: {one.ratio}" for one in record.comparisons)]
    lines += ["", _footer(record.device.cpu, record.device.os, record.taken, record.invalid_because)]
    return "\n".join(lines)


def _targets_markdown(value: dict[str, Any]) -> str:
    lines = ["| figure | measured | limit | met |", "| --- | --: | --: | --- |"]
    for one in value["targets"]:
        sign = "at most" if one["at_most"] else "at least"
        lines.append(
            f"| {one['what']} | {one['measured']:g} | {sign} {one['limit']:g} | {'yes' if one['met'] else 'no'} |"
        )
    device = value["device"]
    lines += ["", _footer(device["cpu"], device["os"], value["taken"], tuple(value["invalid_because"]))]
    return "\n".join(lines)


def _footer(cpu: str | None, system: str | None, taken: str, because: tuple[str, ...]) -> str:
    verdict = f"**Not valid:** {'; '.join(because)}." if because else "Valid."
    return f"{cpu or 'unknown processor'}, {system or 'unknown system'}, {taken}. {verdict}"


def main() -> None:
    """Print every record named on the command line."""
    if not sys.argv[1:]:
        sys.exit("usage: python -m onsight_benchmarks.tables RECORD.json...")
    try:
        print("\n\n".join(f"### {Path(name).stem}\n\n{markdown(Path(name))}" for name in sys.argv[1:]))
    except OnsightError as error:
        sys.exit(f"tables: {error}")


if __name__ == "__main__":
    main()
