"""The distribution of latencies: which share of the calls was answered within a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.comparison.charts import svg
from onsight_benchmarks.comparison.charts.figure import Figure, ms
from onsight_benchmarks.comparison.charts.looks import Look, drawn_order
from onsight_benchmarks.comparison.comparison import Comparison
from onsight_benchmarks.comparison.wording import span_words
from onsight_benchmarks.stats import summarise

Floats = NDArray[np.float64]

_SHARES = (0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
_POINTS = 160


def cdf(comparison: Comparison, looks: dict[str, Look]) -> Figure | None:
    """All calls of every measurement that answers one frame a call; of live ones alone, the ages of all frames.

    None where no record keeps the values.
    """
    calls = {s.name: v for s in comparison.subjects if s.one_frame and (v := s.values_ms(s.time_stage)) is not None}
    if calls:
        return _figure(
            comparison,
            looks,
            calls,
            title="Every call",
            what="calls answered by then",
            lead=f"How many of all calls took no more than so many milliseconds, {span_words(comparison)}",
        )
    ages = {s.name: v for s in comparison.subjects if not s.serial and (v := s.values_ms("age")) is not None}
    if not ages:
        return None
    return _figure(
        comparison,
        looks,
        ages,
        title="Every frame",
        what="frames of that age or less",
        lead="How many of all frames were no older than so many milliseconds when a result of them, or of a newer one, "
        "was published",
    )


def _figure(
    comparison: Comparison, looks: dict[str, Look], found: dict[str, Floats], *, title: str, what: str, lead: str
) -> Figure:
    most = max(len(values) for values in found.values())
    top_share = 1 - 1 / max(most, 20)
    x = svg.log_scale(
        [float(edge) for v in found.values() for edge in (v.min(), v.max())],
        svg.LEFT,
        svg.WIDE - svg.RIGHT,
        air=1.04,
    )
    bottom = svg.HIGH - svg.BOTTOM
    height = svg.Scale(0.0, _stretched(top_share), bottom, svg.TOP)
    ticks = [(height.at(_stretched(share)), f"{100 * share:g} %") for share in _SHARES if share <= top_share]
    parts = [
        svg.bottom_axis(x, "milliseconds", svg.TOP, bottom),
        svg.left_axis(ticks, svg.LEFT, svg.WIDE - svg.RIGHT, what, (svg.TOP + bottom) / 2),
    ]
    shown = [subject for subject in comparison.subjects if subject.name in found]
    for subject in drawn_order(shown, looks):
        values = np.sort(found[subject.name])
        shares = _places(len(values))
        times = values[np.minimum((shares * len(values)).astype(int), len(values) - 1)]
        points = [(x.at(float(t)), height.at(_stretched(float(s)))) for t, s in zip(times, shares, strict=True)]
        look = looks[subject.name]
        p50, p99 = (float(values[int(len(values) * share)]) for share in (0.5, 0.99))
        told = f"{subject.name}: p50 {ms(p50)} ms, p99 {ms(p99)} ms, slowest {ms(float(values[-1]))} ms"
        parts.append(svg.polyline(points, look.line_kind, told))
        if look.strong:
            parts.append(look.mark(x.at(p50), height.at(_stretched(0.5)), told, 4.5))
    rows = []
    for subject in shown:
        whole = summarise(found[subject.name])
        figures = (whole.min, whole.p50, whole.p90, whole.p95, whole.p99, whole.max)
        rows.append([subject.name, f"{whole.count:,}", *map(ms, figures)])
    return Figure(
        id="distribution",
        title=title,
        lead=f"{lead}. The further left and the steeper, the better; the upper part is stretched, so that the slowest "
        "can be seen. Nothing is clipped.",
        drawings=(svg.picture(parts, "Cumulative distribution of latencies; the table below has its figures"),),
        key=tuple(s for s in shown if looks[s.name].strong),
        pale=sum(not looks[s.name].strong for s in shown),
        columns=("measurement", ">how many", ">least", ">p50", ">p90", ">p95", ">p99", ">most"),
        rows=rows,
    )


def _stretched(share: float) -> float:
    """0 for 0, 1 for 90 %, 2 for 99 %, and so on."""
    return -math.log10(max(1 - share, 1e-9))


def _places(count: int) -> Floats:
    """Shares at which the curve of so many values is drawn: evenly on the stretched side, up to the slowest value."""
    last = _stretched(1 - 1 / count)
    return np.unique(1 - 10.0 ** -np.linspace(0.0, last, min(_POINTS, max(count, 2))))
