"""The targets of records that answer one question, and those that were missed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from onsight_benchmarks.tables.table import Loaded, footer, header, row


def targets_markdown(record: Loaded, details: Callable[[dict[str, Any]], list[str]] | None) -> str:
    """A record's targets, what its kind has to say beside them, and on what it was measured.

    Raises:
        KeyError, TypeError: it is no such record.
    """
    value = record.value
    lines = header("figure", ">measured", ">limit", "met")
    lines += [
        row(one["what"], f"{one['measured']:g}", _limit(one), "yes" if one["met"] else "no") for one in value["targets"]
    ]
    if details is not None:
        lines += ["", *details(value["results"])]
    device = value["device"]
    lines += ["", footer(device["cpu"], device["os"], value["taken"], value["invalid_because"])]
    return "\n".join(lines)


def missed(records: Sequence[Loaded]) -> str:
    """Every target of any record that was missed."""
    lines = [
        row(record.name, one["what"], f"{one['measured']:g}", _limit(one))
        for record in records
        for one in record.value.get("targets", ())
        if not one["met"]
    ]
    return "\n".join([*header("record", "figure", ">measured", ">limit"), *lines]) if lines else "No target is missed."


def _limit(target: dict[str, Any]) -> str:
    return f"{'at most' if target['at_most'] else 'at least'} {target['limit']:g}"


SECTIONS = {"missed": missed}
