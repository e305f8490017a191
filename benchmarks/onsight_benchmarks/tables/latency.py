"""Tables of latency records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onsight_benchmarks.record import Record
from onsight_benchmarks.tables.table import Loaded, Table, footer, header, row


def latency(records: Sequence[Loaded]) -> str:
    """Each record's measurements and ratios."""
    return "\n\n".join(latency_markdown(Record.from_json(one.value, str(one.path))) for one in records)


def latency_markdown(record: Record) -> str:
    """The measurements of a latency record, then the ratios; times in milliseconds, memory in MiB."""
    lines = [
        "| variant | backend | threads | p50 | p90 | p99 | inference p50 | init | first | RSS |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for one in record.measurements:
        whole, inference = one.latency_ms.get("end_to_end"), one.latency_ms.get("inference")
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
    if record.comparisons:
        lines += ["", *(f"- {one.of} / {one.to}, {one.stage}: {one.ratio}" for one in record.comparisons)]
    lines += ["", footer(record.device.cpu, record.device.os, record.taken, record.invalid_because)]
    return "\n".join(lines)


def latency_section(records: Sequence[Loaded]) -> str:
    """Of each latency record that no GPU took part in: the ratios, then what was measured."""
    parts = []
    for one in records:
        if one.kind != "latency" or one.value.get("gpu") is not None:
            continue
        record = Record.from_json(one.value, str(one.path))
        parts.append(f"**{one.name}**\n\n{_ratios(record)}{latency_markdown(replace(record, comparisons=()))}")
    return "\n\n".join(parts)


def _ratios(record: Record) -> str:
    """One row a pair of combinations, one column a stage; "" where none was compared."""
    pairs = list(dict.fromkeys((one.of, one.to) for one in record.comparisons))
    stages = list(dict.fromkeys(one.stage for one in record.comparisons))
    found = {(one.of, one.to, one.stage): str(one.ratio) for one in record.comparisons}
    lines = header("takes", "of the time of", *(f">{stage.replace('_', ' ')}" for stage in stages))
    lines += [row(of, to, *(found.get((of, to, stage), "-") for stage in stages)) for of, to in pairs]
    return "\n".join(lines) + "\n\n" if pairs else ""


TABLES = {"latency": Table(whole=latency)}
SECTIONS = {"latency": latency_section}
