"""Tables of latency records: of processors, of cameras at their own pace, of graphics processors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from onsight_benchmarks.measurement import Measurement
from onsight_benchmarks.record import Record
from onsight_benchmarks.stats import Summary
from onsight_benchmarks.tables.table import Loaded, Table, footer, header, percent, row
from onsight_benchmarks.verdict import judge

Column = Callable[[Measurement], str]
_LIVE = "live"


def latency(records: Sequence[Loaded]) -> str:
    """Each record's measurements and ratios."""
    return "\n\n".join(latency_markdown(Record.from_json(one.value, str(one.path))) for one in records)


def latency_markdown(record: Record) -> str:
    """The measurements of a latency record, then the ratios; times in milliseconds, memory in MiB."""
    columns = _gpu_columns() if record.gpu is not None else _columns(record)
    lines = [*header(*columns), *(row(*(cell(one) for cell in columns.values())) for one in record.measurements)]
    if record.comparisons:
        lines += ["", *(f"- {one.of} / {one.to}, {one.stage}: {one.ratio}" for one in record.comparisons)]
    device = record.device.cpu if record.gpu is None else f"{record.gpu.name}, {record.device.cpu or 'a processor'}"
    lines += ["", footer(device, record.device.os, record.taken, record.invalid_because)]
    return "\n".join(lines)


def latency_section(records: Sequence[Loaded]) -> str:
    """Of each latency record that no GPU took part in: the ratios, then what was measured."""
    return written([one for one in records if one.kind == "latency" and one.value.get("gpu") is None])


def written(records: Sequence[Loaded]) -> str:
    """Records one below the other: the ratios, then what was measured."""
    parts = []
    for one in records:
        record = Record.from_json(one.value, str(one.path))
        parts.append(f"**{one.name}**\n\n{_ratios(record)}{latency_markdown(replace(record, comparisons=()))}")
    return "\n\n".join(parts)


def _ratios(record: Record) -> str:
    """One row a pair of combinations, one column a stage; "" where none was compared."""
    pairs = list(dict.fromkeys((one.of, one.to) for one in record.comparisons))
    if not pairs:
        return ""
    stages = list(dict.fromkeys(one.stage for one in record.comparisons))
    # intervals of records without scenarios are narrower than the verdict's rule asks for
    judged = any(one.scenario is not None for one in record.measurements)
    ratios = {(one.of, one.to, one.stage): one.ratio for one in record.comparisons}
    lines = header("takes", "of the time of", *(f">{stage.replace('_', ' ')}" for stage in stages))
    for of, to in pairs:
        found = [ratios.get((of, to, stage)) for stage in stages]
        cells = [
            "-" if one is None else f"{one} {judge(one).answer}" if judged else str(one)
            for one in found
        ]  # fmt: skip
        lines.append(row(of, to, *cells))
    return "\n".join(lines) + "\n\n"


def _columns(record: Record) -> dict[str, Column]:
    """The columns that this record has something for."""
    some = record.measurements
    columns: dict[str, Column] = {
        "variant": lambda one: one.model.variant,
        "backend": lambda one: one.backend.name,
        ">threads": lambda one: str(one.backend.threads),
    }
    scenarios = {one.scenario.name for one in some if one.scenario is not None}
    if scenarios - {"single-stream"}:
        columns["scenario"] = _scenario
    if any(one.batch > 1 for one in some):
        columns[">batch"] = lambda one: str(one.batch)
    if any(one.age_ms is not None for one in some):
        columns |= {f">age {key}": _figure(lambda one: one.age_ms, key) for key in ("p50", "p90", "p99")}
        columns[">due"] = lambda one: "-" if one.frames is None else str(one.frames.due)
        columns[">missing"] = lambda one: "-" if one.frames is None else str(one.frames.due - one.frames.captured)
        columns[">dropped"] = lambda one: "-" if one.frames is None else str(one.frames.dropped)
    columns |= {f">{key}": _figure(_stage("end_to_end"), key) for key in ("p50", "p90", "p99")}
    columns[">inference p50"] = _figure(_stage("inference"), "p50")
    if scenarios and scenarios != {_LIVE}:
        columns[">pictures/s"] = lambda one: f"{one.throughput_fps:,.0f}"
    if any(one.accuracy is not None for one in some):
        columns[">accuracy %"] = _accuracy
    if any(one.energy is not None for one in some):
        columns[">mJ a picture"] = lambda one: "-" if one.energy is None else f"{one.energy.mj_per_picture:.3g}"
    if any(one.init_ms is not None for one in some):
        columns |= {">init": lambda one: _bare(one.init_ms), ">first": lambda one: _bare(one.first_ms)}
    if any(one.rss_mib is not None for one in some):
        columns[">RSS"] = lambda one: _bare(one.rss_mib)
    return columns


def _gpu_columns() -> dict[str, Column]:
    return {
        "variant": lambda one: one.model.variant,
        "backend": lambda one: one.backend.name,
        ">batch": lambda one: str(one.batch),
        ">host to host p50": _figure(_stage("end_to_end"), "p50"),
        ">p99": _figure(_stage("end_to_end"), "p99"),
        ">device p50": _figure(_stage("device"), "p50"),
        **{f">{stage}": _figure(_stage(stage), "p50") for stage in ("h2d", "compute", "d2h")},
        ">pictures/s": lambda one: f"{one.throughput_fps:,.0f}",
        ">the CPU's class": _agreement,
    }


def _stage(name: str) -> Callable[[Measurement], Summary | None]:
    return lambda one: one.latency_ms.get(name)


def _figure(summary: Callable[[Measurement], Summary | None], key: str) -> Column:
    def cell(one: Measurement) -> str:
        found = summary(one)
        return "-" if found is None else f"{getattr(found, key):.3f}"

    return cell


def _scenario(one: Measurement) -> str:
    found = one.scenario
    if found is None:
        return "-"
    return found.name + (f", {found.pictures_per_query} a query" if found.pictures_per_query > 1 else "")


def _accuracy(one: Measurement) -> str:
    known = one.accuracy
    return "-" if known is None or not known.pictures else f"{100 * known.correct / known.pictures:.2f}"


def _agreement(one: Measurement) -> str:
    found = one.agreement
    return "-" if found is None or not found.pictures else percent(found.same / found.pictures)


def _bare(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


TABLES = {"latency": Table(whole=latency)}
SECTIONS = {"latency": latency_section}
