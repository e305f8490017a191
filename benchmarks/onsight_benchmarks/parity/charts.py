"""Small plots for the rows of the parity page's tables, as inline SVG in the page's own colours.

Each plot of a column has the same scale, whose ends the column's head shows, so that a column reads as one chart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDE, _HIGH, _PAD = 220, 22, 7
_ROOM = 30  # pixels that two numbers of an axis are apart at least


@dataclass(frozen=True, slots=True)
class Scale:
    """What a column of plots spans, linear or by powers of ten."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value stands, pixels from the left; values beyond an end stand at it."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return _PAD + (value - low) / (high - low) * (_WIDE - 2 * _PAD)


def drop_scale(intervals: Sequence[tuple[float, float]], limit: float) -> Scale:
    """For drops in points with their intervals: all of them, 0, and the limit where it is not far off."""
    low = min([-0.5, *(one for one, _ in intervals)])
    high = max([0.5, *(one for _, one in intervals)])
    return Scale(math.floor(low * 2) / 2, math.ceil(max(high, limit if limit <= 3 else 0) * 2) / 2)


def error_scale(values: Sequence[float]) -> Scale:
    """For errors that span powers of ten."""
    known = [value for value in values if 0 < value < math.inf]
    low, high = min(known, default=1e-3), max(known, default=1.0)
    first = math.floor(math.log10(low))
    return Scale(10.0**first, 10.0 ** max(math.ceil(math.log10(high) - 1e-9), first + 1), log=True)


def axis(scale: Scale) -> str:
    """The column's head: its ends, and 0 or some powers of ten between them."""
    if scale.log:
        first, last = round(math.log10(scale.low)), round(math.log10(scale.high))
        step = max(1, -(-(last - first) // 4))
        ticks = [(10.0**power, f"1e{power}" if power else "1") for power in range(first, last + 1, step)]
    else:
        ticks = [(0.0, "0"), (scale.high, f"{scale.high:+g}")]
        if scale.at(0) - scale.at(scale.low) > _ROOM:
            ticks.insert(0, (scale.low, f"{scale.low:+g}"))
    parts = []
    for value, words in ticks:
        left = scale.at(value)
        anchor = "start" if left < 2 * _PAD else "end" if left > _WIDE - 2 * _PAD else "middle"
        parts.append(f'<text x="{left:.1f}" y="12" text-anchor="{anchor}">{words}</text>')
    return f'<svg class="rowplot" viewBox="0 0 {_WIDE} 16" aria-hidden="true">{"".join(parts)}</svg>'


def drop_plot(drop: float, interval: tuple[float, float], scale: Scale, limit: float, broken: bool) -> str:
    """A drop in points with its interval, 0 and the limit."""
    kind = " off" if broken else ""
    left, right = scale.at(interval[0]), scale.at(interval[1])
    parts = [_tick(scale.at(0), "grid")]
    if limit <= scale.high:
        parts.append(_tick(scale.at(limit), "limit"))
    parts.append(
        f'<rect class="span{kind}" x="{left:.1f}" y="8" width="{max(right - left, 1):.1f}" height="6" rx="3"/>'
    )
    parts.append(f'<circle class="dot{kind}" cx="{scale.at(drop):.1f}" cy="11" r="4.5"/>')
    return _svg(parts, f"drop {drop:+.2f} points, {interval[0]:+.2f} to {interval[1]:+.2f}")


def error_plot(filled: float, hollow: float, scale: Scale, limit: float | None, broken: bool) -> str:
    """Two errors on one scale, and the limit of the filled one.

    Args:
        filled: the error that the limit is for. hollow: another one.
        limit: or None where there is none.
        broken: whether to draw it as such.
    """
    kind = " off" if broken else ""
    parts = [f'<line class="grid" x1="{_PAD}" y1="11" x2="{_WIDE - _PAD}" y2="11"/>']
    if limit is not None and scale.low <= limit <= scale.high:
        parts.append(_tick(scale.at(limit), "limit"))
    if hollow > 0:
        parts.append(f'<circle class="hollow" cx="{scale.at(hollow):.1f}" cy="11" r="4"/>')
    if filled > 0:
        parts.append(f'<circle class="dot{kind}" cx="{scale.at(filled):.1f}" cy="11" r="4.5"/>')
    held = "" if limit is None else f", {limit:g} tolerated"
    return _svg(parts, f"{filled:.2g}{held}; {hollow:.2g}")


def _tick(left: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{left:.1f}" y1="1" x2="{left:.1f}" y2="21"/>'


def _svg(parts: Sequence[str], label: str) -> str:
    return f'<svg class="rowplot" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
