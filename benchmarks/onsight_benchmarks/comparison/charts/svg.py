"""Scales, ticks and marks. Colours are classes of the page's style, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDE, HIGH = 460, 330
LEFT, RIGHT, TOP, BOTTOM = 74, 14, 12, 44
_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to pixels along one side.

    Attributes:
        low, high: the values at its ends.
        start, end: the pixels at its ends.
        log: by powers of ten.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value stands; values beyond the ends stand on them."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 7) -> list[float]:
        """Round values between the ends, about as many as `most`."""
        return _log_ticks(self.low, self.high, most) if self.log else _linear_ticks(self.low, self.high, most)


def log_scale(values: Sequence[float], start: float, end: float, air: float = 1.12) -> Scale:
    """A scale by powers of ten that holds values above 0, with some air at both ends."""
    known = [value for value in values if 0 < value < math.inf] or [1.0]
    return Scale(min(known) / air, max(known) * air, start, end, log=True)


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in (_STEPS, (1.0, 3.0), (1.0,)):
        found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        found = [value for value in found if low <= value <= high]
        if len(found) <= most:
            break
    if len(found) > most:
        found = found[:: -(-len(found) // most)]
    if len(found) >= 3:
        return found
    return max(found, _linear_ticks(low, high, most), key=len)  # not even a power of ten wide


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    raw = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """A tick's number: `0.2`, `12`, `1,500`."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    """Words at a place; they are escaped."""
    styled = f' class="{kind}"' if kind else ""
    return f'<text{styled} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def polyline(points: Sequence[tuple[float, float]], kind: str, title: str) -> str:
    """A line through points that shows `title` when pointed at."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<g class="{kind}"><title>{escape(title)}</title><polyline points="{path}"/></g>'


def marker(x: float, y: float, shape: int, kind: str, title: str = "", size: float = 5.0) -> str:
    """One of eight shapes around a point."""
    told = f"<title>{escape(title)}</title>" if title else ""
    if shape % 8 == 0:
        return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size * 0.95:.1f}">{told}</circle>'
    points = " ".join(f"{x + size * dx:.1f},{y + size * dy:.1f}" for dx, dy in _SHAPES[shape % 8])
    return f'<polygon class="{kind}" points="{points}">{told}</polygon>'


_SHAPES: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),  # square
    2: ((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)),  # diamond
    3: ((0, -1.15), (1.1, 0.85), (-1.1, 0.85)),  # triangle
    4: ((0, 1.15), (1.1, -0.85), (-1.1, -0.85)),  # triangle on its point
    5: ((-0.4, -1.1), (0.4, -1.1), (0.4, -0.4), (1.1, -0.4), (1.1, 0.4), (0.4, 0.4),
        (0.4, 1.1), (-0.4, 1.1), (-0.4, 0.4), (-1.1, 0.4), (-1.1, -0.4), (-0.4, -0.4)),  # plus
    6: ((-1.1, -0.65), (-0.65, -1.1), (0, -0.45), (0.65, -1.1), (1.1, -0.65), (0.45, 0),
        (1.1, 0.65), (0.65, 1.1), (0, 0.45), (-0.65, 1.1), (-1.1, 0.65), (-0.45, 0)),  # cross
    7: ((-1.2, 0), (-0.6, -1.05), (0.6, -1.05), (1.2, 0), (0.6, 1.05), (-0.6, 1.05)),  # hexagon
}  # fmt: skip


def bottom_axis(scale: Scale, words: str, top: float, bottom: float, most: int = 7) -> str:
    """Grid lines and numbers of the horizontal side, and what it is."""
    parts = []
    for value in scale.ticks(most):
        x = scale.at(value)
        parts += [line(x, top, x, bottom), text(x, bottom + 16, number(value))]
    parts.append(text((scale.start + scale.end) / 2, bottom + 36, words, kind="name"))
    return "".join(parts)


def left_axis(ticks: Sequence[tuple[float, str]], left: float, right: float, words: str, middle: float) -> str:
    """Grid lines and words of the vertical side, by pixels, and what it is."""
    parts = [line(left, y, right, y) + text(left - 6, y + 4, label, "end") for y, label in ticks]
    turned = f'<text class="name" x="13" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 13 {middle:.1f})">'
    return "".join(parts) + f"{turned}{escape(words)}</text>"


def picture(parts: Sequence[str], label: str, width: float = WIDE, height: float = HIGH, kind: str = "chart") -> str:
    """The whole drawing with what a screen reader says of it."""
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )
