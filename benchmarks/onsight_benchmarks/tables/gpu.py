"""Graphics processors, and what runs at the edge beside them."""

from __future__ import annotations

from collections.abc import Sequence

from onsight_benchmarks.comparison.comparison import compare_entries
from onsight_benchmarks.comparison.sameness import check_same
from onsight_benchmarks.comparison.subjects import Entry
from onsight_benchmarks.record import Record
from onsight_benchmarks.tables.latency import written
from onsight_benchmarks.tables.table import Loaded, header, row
from onsight_edge.errors import BenchmarkError


def gpu_section(records: Sequence[Loaded]) -> str:
    """Each record that a GPU took part in: the same weights at the edge beside it, then its own figures."""
    latency = [one for one in records if one.kind == "latency"]
    edge = [one for one in latency if one.value.get("gpu") is None]
    return "\n\n".join(
        "\n".join([*_beside(one, edge), written([one])]) for one in latency if one.value.get("gpu") is not None
    )


def _beside(gpu: Loaded, edge: Sequence[Loaded]) -> list[str]:
    """A row a record of the same weights: its fastest beside the GPU's fastest single picture, of the network alone."""
    entries = [Entry("A", gpu.name, Record.from_json(gpu.value, str(gpu.path)))]
    for one in edge:
        entry = Entry("B", one.name, Record.from_json(one.value, str(one.path)))
        try:
            check_same([entries[0], entry], different_models=False, different_preprocessing=False)
        except BenchmarkError:
            continue
        entries.append(entry)
    if len(entries) == 1:
        return []
    found = compare_entries(entries)
    lines = header("record", "device", "fastest", ">network, p50 ms", ">time beside the GPU's", ">pictures/s")
    for best in found.best:
        beside = found.relative(best)
        time = "1" if beside is None else "-" if beside.time is None else str(beside.time)
        p50 = "-" if best.p50_ms is None else f"{best.p50_ms:.3f}"
        lines.append(row(best.entry.name, best.entry.device, best.label, p50, time, f"{best.fps:,.0f}"))
    return [*lines, ""]


SECTIONS = {"gpu": gpu_section}
