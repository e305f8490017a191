"""One colour, marker and line for each measurement, the same in all charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onsight_benchmarks.comparison.charts import svg
from onsight_benchmarks.comparison.comparison import Comparison
from onsight_benchmarks.comparison.subjects import Subject

COLOURS = 8  # classes s0 to s7 of the page
_LINES = 3  # classes d0 to d2: unbroken, dashed, dotted


@dataclass(frozen=True, slots=True)
class Look:
    """How a measurement is drawn.

    Attributes:
        place: 0 for the reference; the smaller the more it matters.
    """

    place: int

    @property
    def strong(self) -> bool:
        """Whether it has a colour of its own; the others are drawn pale."""
        return self.place < COLOURS

    @property
    def kind(self) -> str:
        """The classes of its marks."""
        return f"s{self.place % COLOURS}" if self.strong else "pale"

    @property
    def line_kind(self) -> str:
        """The classes of its lines."""
        return f"curve {self.kind} d{self.place % _LINES}"

    def mark(self, x: float, y: float, title: str = "", size: float = 5.0) -> str:
        """Its marker at a place."""
        return svg.marker(x, y, self.place, f"mark {self.kind}", title, size)

    def swatch(self) -> str:
        """Its line and marker for a key."""
        line = f'<g class="{self.line_kind}"><polyline points="1,8 27,8"/></g>'
        return f'<svg class="swatch" viewBox="0 0 28 16" aria-hidden="true">{line}{self.mark(14, 8)}</svg>'


def looks_of(comparison: Comparison) -> dict[str, Look]:
    """By name, by what matters most: the reference, each record's best, two that were sustained, then the fastest."""
    sustained = [subject for subject in comparison.subjects if subject.measured.over_time]
    order: list[Subject] = [comparison.reference, *comparison.best, *sustained[:2]]
    queues = [sorted((s for s in comparison.subjects if s.entry is entry), key=_speed) for entry in comparison.entries]
    for rank in range(max(len(queue) for queue in queues)):
        order += [queue[rank] for queue in queues if rank < len(queue)]
    return {name: Look(place) for place, name in enumerate(dict.fromkeys(subject.name for subject in order))}


def drawn_order(subjects: Sequence[Subject], looks: dict[str, Look]) -> list[Subject]:
    """What matters most last, so that nothing covers it."""
    return sorted(subjects, key=lambda subject: -looks[subject.name].place)


def _speed(subject: Subject) -> tuple[bool, float]:
    p50 = subject.p50_ms
    return (not subject.one_frame, float("inf") if p50 is None else p50)
