"""A chart of the page with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onsight_benchmarks.comparison.subjects import Subject


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart and the same as a table.

    Attributes:
        id: its anchor in the page.
        title, lead: what it shows, and how to read it.
        drawings: SVG.
        key: the measurements that have a colour in it.
        pale: how many others are drawn pale.
        columns, rows: the figures behind it, as text; a column whose name begins with `>` is of numbers.
    """

    id: str
    title: str
    lead: str
    drawings: tuple[str, ...]
    key: tuple[Subject, ...]
    pale: int
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]


def ms(value: float) -> str:
    """Milliseconds in a table."""
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 99.95 else f"{value:,.1f}"
