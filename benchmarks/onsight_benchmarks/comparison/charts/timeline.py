"""How the median moves while the measuring goes on, and how warm the device gets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onsight_benchmarks.comparison.charts import svg
from onsight_benchmarks.comparison.charts.figure import Figure, ms
from onsight_benchmarks.comparison.charts.looks import Look, drawn_order
from onsight_benchmarks.comparison.comparison import Comparison
from onsight_benchmarks.comparison.subjects import Subject
from onsight_benchmarks.measurement import Moment

_MOST = 15  # points of a line of rounds: single rounds are noise
_WARM_HIGH = 150
_Lines = dict[str, list[tuple[float, float]]]


def timeline(comparison: Comparison, looks: dict[str, Look]) -> Figure | None:
    """p50 over the minutes of sustained measurements, else over the rounds; None where there is neither."""
    sustained = [s for s in comparison.subjects if s.measured.over_time]
    return _over_minutes(sustained, looks) if sustained else _over_rounds(comparison, looks)


def _over_minutes(subjects: Sequence[Subject], looks: dict[str, Look]) -> Figure:
    moments = {subject.name: subject.measured.over_time or () for subject in subjects}
    lines = {name: [(one.t_s, one.p50_ms / slices[0].p50_ms) for one in slices] for name, slices in moments.items()}
    x = svg.Scale(0.0, max(line[-1][0] for line in lines.values()), svg.LEFT, svg.WIDE - svg.RIGHT)
    drawings = [_chart(subjects, lines, x, looks, "seconds since the start", "times of the first slice's p50", moments)]
    warm = {
        name: [(one.t_s, one.temperature_c) for one in slices if one.temperature_c is not None]
        for name, slices in moments.items()
    }
    if any(warm.values()):
        drawings.append(_warmth([s for s in subjects if warm[s.name]], warm, x, looks))
    held = any(one.throttled for slices in moments.values() for one in slices)
    return Figure(
        id="time",
        title="Cold and sustained",
        lead="The median of each slice of a sustained measurement, beside that of the first slice: a line that rises "
        "shows what heat or a lower clock costs." + (" Crosses: the device was held back." if held else ""),
        drawings=tuple(drawings),
        key=tuple(s for s in subjects if looks[s.name].strong),
        pale=sum(not looks[s.name].strong for s in subjects),
        columns=("measurement", ">until s", ">calls", ">p50 ms", ">p99 ms", ">°C", ">MHz", "held back"),
        rows=[
            [
                name,
                f"{one.t_s:.0f}",
                f"{one.count:,}",
                ms(one.p50_ms),
                ms(one.p99_ms),
                "–" if one.temperature_c is None else f"{one.temperature_c:.1f}",
                "–" if one.mhz is None else f"{one.mhz:.0f}",
                ", ".join(one.throttled),
            ]
            for name, slices in moments.items()
            for one in slices
        ],
    )


def _over_rounds(comparison: Comparison, looks: dict[str, Look]) -> Figure | None:
    lines: _Lines = {}
    for subject in comparison.subjects:
        blocks = subject.blocks_ms(subject.time_stage) if subject.one_frame else None
        own = subject.p50_ms or 0.0
        if blocks is None or len(blocks.values) < 3 or own <= 0:
            continue
        medians = np.median(blocks.values, axis=1) / own
        size = -(-len(medians) // _MOST)
        merged = [float(np.median(part)) for part in np.array_split(medians, -(-len(medians) // size))]
        lines[subject.name] = [(100 * (place + 0.5) / len(merged), value) for place, value in enumerate(merged)]
    if not lines:
        return None
    subjects = [subject for subject in comparison.subjects if subject.name in lines]
    x = svg.Scale(0.0, 100.0, svg.LEFT, svg.WIDE - svg.RIGHT)
    return Figure(
        id="time",
        title="While it was measured",
        lead="The median of every few calls in the order of measuring, beside the measurement's own median. A flat "
        "line is a machine that was left alone; a step or a slope is something else that ran, a clock or heat.",
        drawings=(_chart(subjects, lines, x, looks, "percent of the measuring", "times of its own p50", {}),),
        key=tuple(s for s in subjects if looks[s.name].strong),
        pale=sum(not looks[s.name].strong for s in subjects),
        columns=("measurement", ">p50 ms", ">first quarter", ">last quarter", ">lowest", ">highest"),
        rows=[[s.name, ms(s.p50_ms or 0.0), *_drift([y for _, y in lines[s.name]])] for s in subjects],
    )


def _drift(values: Sequence[float]) -> list[str]:
    quarter = max(1, len(values) // 4)
    figures = (float(np.median(values[:quarter])), float(np.median(values[-quarter:])), min(values), max(values))
    return [f"{value:.2f}x" for value in figures]


def _chart(
    subjects: Sequence[Subject],
    lines: _Lines,
    x: svg.Scale,
    looks: dict[str, Look],
    below: str,
    beside: str,
    moments: dict[str, tuple[Moment, ...]],
) -> str:
    values = [value for line in lines.values() for _, value in line]
    bottom = svg.HIGH - svg.BOTTOM
    y = svg.log_scale([*values, 0.95, 1.05], bottom, svg.TOP, air=1.03)
    ticks = [(y.at(value), f"{value:.3g}x") for value in y.ticks(6)]
    parts = [
        svg.bottom_axis(x, below, svg.TOP, bottom, most=6),
        svg.left_axis(ticks, svg.LEFT, svg.WIDE - svg.RIGHT, beside, (svg.TOP + bottom) / 2),
        svg.line(svg.LEFT, y.at(1.0), svg.WIDE - svg.RIGHT, y.at(1.0), "one"),
    ]
    for subject in drawn_order(subjects, looks):
        line, look = lines[subject.name], looks[subject.name]
        points = [(x.at(place), y.at(value)) for place, value in line]
        title = f"{subject.name}: {min(v for _, v in line):.2f}x to {max(v for _, v in line):.2f}x"
        parts.append(svg.polyline(points, look.line_kind, title))
        if look.strong:
            parts.append(look.mark(*points[-1], title, 4.5))
        for one, (left, high) in zip(moments.get(subject.name, ()), points, strict=False):
            if one.throttled:
                parts.append(svg.marker(left, high, 6, "held", f"{subject.name}: {', '.join(one.throttled)}", 4.0))
    return svg.picture(parts, "Median over time; the table below has its figures")


def _warmth(subjects: Sequence[Subject], warm: _Lines, x: svg.Scale, looks: dict[str, Look]) -> str:
    values = [value for line in warm.values() for _, value in line]
    bottom = _WARM_HIGH - svg.BOTTOM
    y = svg.Scale(min(values) - 2, max(values) + 2, bottom, svg.TOP)
    ticks = [(y.at(value), f"{value:g} °C") for value in y.ticks(4)]
    parts = [
        svg.bottom_axis(x, "seconds since the start", svg.TOP, bottom, most=6),
        svg.left_axis(ticks, svg.LEFT, svg.WIDE - svg.RIGHT, "", bottom / 2),
    ]
    for subject in drawn_order(subjects, looks):
        points = [(x.at(place), y.at(value)) for place, value in warm[subject.name]]
        hottest = max(value for _, value in warm[subject.name])
        parts.append(svg.polyline(points, looks[subject.name].line_kind, f"{subject.name}: up to {hottest:.1f} °C"))
    return svg.picture(parts, "Temperature over time; the table below has its figures", height=_WARM_HIGH)
