"""Accuracy against time: what nothing else beats."""

from __future__ import annotations

import textwrap

from onsight_benchmarks.comparison.charts import svg
from onsight_benchmarks.comparison.charts.figure import Figure, ms
from onsight_benchmarks.comparison.charts.looks import Look, drawn_order
from onsight_benchmarks.comparison.comparison import Comparison
from onsight_benchmarks.comparison.subjects import Subject
from onsight_benchmarks.plot_labels import Box, leader, place_labels
from onsight_benchmarks.runs_advice import pareto as front_of
from onsight_edge.metrics import wilson

_CHARACTER, _LINE = 6.3, 13.0  # pixels of a letter and a line of a name
_LONGEST = 30


def pareto(comparison: Comparison, looks: dict[str, Look]) -> Figure | None:
    """Measurements of one frame a call whose file's accuracy the record knows; None for fewer than two."""
    points: dict[str, tuple[Subject, float, float, float, float]] = {}
    for subject in comparison.subjects:
        known, p50 = subject.measured.accuracy, subject.p50_ms
        if subject.one_frame and p50 and known is not None and known.pictures:
            low, high = wilson(known.correct, known.pictures)
            points[subject.name] = (subject, p50, known.correct / known.pictures, low, high)
    if len(points) < 2:
        return None
    found = list(points.values())
    bottom = svg.HIGH - svg.BOTTOM
    x = svg.log_scale([one[1] for one in found], svg.LEFT, svg.WIDE - svg.RIGHT, air=1.35)
    low, high = min(one[3] for one in found), max(one[4] for one in found)
    air = max(0.15 * (high - low), 0.002)
    y = svg.Scale(max(low - air, 0.0), min(high + air, 1.0), bottom, svg.TOP)
    ticks = [(y.at(value), f"{100 * value:.4g} %") for value in y.ticks(6)]
    parts = [
        svg.bottom_axis(x, "milliseconds a frame, p50", svg.TOP, bottom),
        svg.left_axis(ticks, svg.LEFT, svg.WIDE - svg.RIGHT, "accuracy", (svg.TOP + bottom) / 2),
    ]
    front = front_of([one[1] for one in found], [one[2] for one in found])
    corners: list[tuple[float, float]] = []
    for place in front:
        at = (x.at(found[place][1]), y.at(found[place][2]))
        corners += [(at[0], corners[-1][1]), at] if corners else [at]
    if len(corners) > 1:
        parts.append(svg.polyline(corners, "curve front", "what no other measurement beats in both"))
    for subject in drawn_order([one[0] for one in found], looks):
        _, p50, share, below, above = points[subject.name]
        look = looks[subject.name]
        title = f"{subject.name}: {ms(p50)} ms, {100 * share:.2f} % ({100 * below:.2f} to {100 * above:.2f})"
        parts.append(svg.line(x.at(p50), y.at(below), x.at(p50), y.at(above), f"whisker {look.kind}"))
        parts.append(look.mark(x.at(p50), y.at(share), title, 5.5))
    leading = {subject.name for subject in (comparison.reference, *comparison.best)}
    named = [one for place, one in enumerate(found) if place in front or one[0].name in leading]
    words = [one[0].name if len(comparison.entries) > 1 else one[0].label for one in named]
    parts += _names(named, words, x, y, points)
    best = {found[place][0].name for place in front}
    return Figure(
        id="accuracy",
        title="Accuracy against time",
        lead="Up and to the left is better. Bars: 95 % intervals of the accuracy, as the export's report has it. "
        "Dashed and named: what no other measurement beats in both.",
        drawings=(svg.picture(parts, "Accuracy against time of a frame; the table below has its figures"),),
        key=tuple(one[0] for one in found if looks[one[0].name].strong),
        pale=sum(not looks[one[0].name].strong for one in found),
        columns=("measurement", ">p50 ms", ">accuracy", ">95 %", "unbeaten"),
        rows=[
            [
                subject.name,
                ms(p50),
                f"{100 * share:.2f} %",
                f"{100 * below:.2f}–{100 * above:.2f}",
                "yes" if subject.name in best else "",
            ]
            for subject, p50, share, below, above in sorted(found, key=lambda one: (one[1], -one[2]))
        ],
    )


def _names(
    named: list[tuple[Subject, float, float, float, float]],
    names: list[str],
    x: svg.Scale,
    y: svg.Scale,
    points: dict[str, tuple[Subject, float, float, float, float]],
) -> list[str]:
    """Names beside their points, where they cover nothing; pixels are counted from below, as `place_labels` does."""
    words = [textwrap.shorten(name, _LONGEST, placeholder="…") for name in names]
    centres = [(x.at(one[1]), svg.HIGH - y.at(one[2])) for one in named]
    taken = []
    for _, p50, share, low, high in points.values():
        left = x.at(p50)
        taken.append(Box(left - 6, svg.HIGH - y.at(share) - 6, left + 6, svg.HIGH - y.at(share) + 6))
        taken.append(Box(left - 2, svg.HIGH - y.at(low), left + 2, svg.HIGH - y.at(high)))
    bounds = Box(svg.LEFT, svg.BOTTOM, svg.WIDE - svg.RIGHT, svg.HIGH - svg.TOP)
    boxes = place_labels(centres, [(_CHARACTER * len(one), _LINE) for one in words], taken, bounds)
    parts = []
    for one, centre, box in zip(words, centres, boxes, strict=True):
        if (end := leader(centre, box)) is not None:
            parts.append(svg.line(centre[0], svg.HIGH - centre[1], end[0], svg.HIGH - end[1], "leader"))
        parts.append(svg.text(box.left, svg.HIGH - box.bottom - 3, one, "start", "label"))
    return parts
