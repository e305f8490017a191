"""Ratios on one scale, a row each: a dot and its interval, and where 1 is."""

from __future__ import annotations

from collections.abc import Sequence

from onsight_benchmarks.comparison.charts import svg
from onsight_benchmarks.comparison.charts.looks import Look
from onsight_benchmarks.comparison.ratios import Relative

_WIDE, _HIGH, _PAD = 200, 24, 9
_WORD = 34  # pixels that a ratio's words take


def forest_scale(relatives: Sequence[Relative | None]) -> svg.Scale:
    """A scale by powers of ten that holds all intervals, and 1."""
    known = [value for one in relatives if one is not None for value in (one.ratio, one.low, one.high)]
    return svg.log_scale([*(value for value in known if value is not None), 0.8, 1.25], _PAD, _WIDE - _PAD, air=1.05)


def forest_axis(scale: svg.Scale) -> str:
    """The column's head: some round ratios, 1 among them."""
    kept: dict[float, float] = {1.0: _inside(scale.at(1.0))}
    for value in sorted(scale.ticks(5), key=lambda value: abs(scale.at(value) - scale.at(1.0)), reverse=True):
        if all(abs(_inside(scale.at(value)) - other) > _WORD for other in kept.values()):
            kept[value] = _inside(scale.at(value))
    parts = [svg.text(x, 12, f"{value:.3g}x") for value, x in kept.items()]
    return f'<svg class="forest" viewBox="0 0 {_WIDE} 16" aria-hidden="true">{"".join(parts)}</svg>'


def forest_cell(relative: Relative | None, scale: svg.Scale, look: Look) -> str:
    """A ratio with its interval; for the reference the line of 1 alone."""
    parts = [svg.line(scale.at(1.0), 0, scale.at(1.0), _HIGH, "one")]
    if relative is not None:
        if relative.low is not None and relative.high is not None:
            low, high = scale.at(relative.low), scale.at(relative.high)
            parts.append(svg.line(low, _HIGH / 2, max(high, low + 1), _HIGH / 2, f"whisker {look.kind}"))
        parts.append(look.mark(scale.at(relative.ratio), _HIGH / 2, str(relative), 4.5))
    return f'<svg class="forest" viewBox="0 0 {_WIDE} {_HIGH}" aria-hidden="true">{"".join(parts)}</svg>'


def _inside(x: float) -> float:
    return min(max(x, _WORD / 2), _WIDE - _WORD / 2)
