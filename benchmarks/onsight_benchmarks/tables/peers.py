"""Tables of the peers' record: one a network and precision, ratios first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onsight_benchmarks.tables.table import Loaded, Table, footer, header, percent, row


def case_lines(case: dict[str, Any]) -> list[str]:
    """A case's title, its table, and who is not in it."""
    lines = [
        f"**{case['name']}**",
        "",
        *header(
            "", "file", ">time of onsight's", ">p50", ">p90", ">p99", ">same label", ">right", ">init", ">RSS", ">cores"
        ),
    ]
    for one in case["subjects"]:
        ratio, times, right = one["ratio"], one["latency_ms"], one["accuracy"]
        lines.append(
            row(
                f"{one['name']} {one['version']}" + ("" if one["peer"] else " *"),
                one["file"],
                f"{ratio['median']:.2f}x ({ratio['low']:.2f}-{ratio['high']:.2f})",
                *(f"{times[key]:.3f}" for key in ("p50", "p90", "p99")),
                percent(one["same_labels"]),
                "-" if right is None else percent(right),
                f"{one['init_ms']:.0f}",
                "-" if one["rss_mib"] is None else f"{one['rss_mib']:.0f}",
                f"{one['cores']:.2f}",
            )
        )
    lines += ["", *(f"- not measured: {one['name']}: {one['reason']}" for one in case["skipped"])]
    return lines if case["skipped"] else lines[:-1]


def whole(records: Sequence[Loaded]) -> str:
    """All cases of the records, and what the columns mean."""
    parts = []
    for record in records:
        value = record.value
        for case in value["results"]["cases"]:
            parts += [*case_lines(case), ""]
        method, device = value["method"], value["device"]
        parts += [
            f"Frame to class, {method['threads']} thread(s), milliseconds and MiB. same label: as onsight's, of "
            f"{method['count']} {method['pictures']}. cores: that it kept busy. *: onsight's own, with that backend.",
            "",
            footer(device["cpu"], device["os"], value["taken"], tuple(value["invalid_because"])),
            "",
        ]
    return "\n".join(parts).rstrip()


def section(records: Sequence[Loaded]) -> str:
    """For benchmarks/README.md."""
    found = [record for record in records if record.kind == "peers"]
    return whole(found) if found else ""


TABLES = {"peers": Table(whole=whole)}
SECTIONS = {"peers": section}
