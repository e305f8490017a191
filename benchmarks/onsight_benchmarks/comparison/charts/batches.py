"""Pictures a second against the batch."""

from __future__ import annotations

from onsight_benchmarks.comparison.charts import svg
from onsight_benchmarks.comparison.charts.figure import Figure, ms
from onsight_benchmarks.comparison.charts.looks import Look
from onsight_benchmarks.comparison.comparison import Comparison
from onsight_benchmarks.comparison.subjects import Subject


def batches(comparison: Comparison, looks: dict[str, Look]) -> Figure | None:
    """One line for what differs in the batch alone; None where no call answers more than one picture."""
    if all(subject.pictures == 1 for subject in comparison.subjects):
        return None
    groups: dict[tuple[str, str, str, int, str], list[Subject]] = {}
    for subject in comparison.subjects:
        one = subject.measured
        if subject.serial and subject.fps > 0:
            key = (subject.entry.letter, one.model.variant, one.backend.name, one.backend.threads, one.backend.detail)
            groups.setdefault(key, []).append(subject)
    shown = [sorted(group, key=lambda subject: subject.pictures) for group in groups.values()]
    bottom = svg.HIGH - svg.BOTTOM
    every = [subject for group in shown for subject in group]
    x = svg.log_scale([float(s.pictures) for s in every], svg.LEFT, svg.WIDE - svg.RIGHT, air=1.25)
    y = svg.log_scale([s.fps for s in every], bottom, svg.TOP, air=1.3)
    parts = [
        *(svg.line(x.at(count), svg.TOP, x.at(count), bottom) + svg.text(x.at(count), bottom + 16, str(count))
          for count in _spread(sorted({s.pictures for s in every}), x)),
        svg.text((svg.LEFT + svg.WIDE - svg.RIGHT) / 2, bottom + 36, "pictures a call", kind="name"),
        svg.left_axis([(y.at(v), svg.number(v)) for v in y.ticks(6)], svg.LEFT, svg.WIDE - svg.RIGHT,
                      "pictures a second", (svg.TOP + bottom) / 2),
    ]  # fmt: skip
    leaders = []
    for group in sorted(shown, key=lambda group: -_look(group, looks).place):
        look = _look(group, looks)
        leaders.append(min(group, key=lambda subject: looks[subject.name].place))
        points = [(x.at(s.pictures), y.at(s.fps)) for s in group]
        title = f"{leaders[-1].name}: up to {max(s.fps for s in group):,.0f} pictures a second"
        if len(points) > 1:
            parts.append(svg.polyline(points, look.line_kind, title))
        parts += [
            look.mark(*point, f"{s.name}: {s.fps:,.0f} pictures a second", 4.5)
            for point, s in zip(points, group, strict=True)
        ]
    return Figure(
        id="batches",
        title="Pictures a second over the batch",
        lead="What a device manages when pictures may wait for each other. A camera's frames may "
        "not: there the batch is 1.",
        drawings=(svg.picture(parts, "Throughput against batch; the table below has its figures"),),
        key=tuple(s for s in reversed(leaders) if looks[s.name].strong),
        pale=sum(not looks[s.name].strong for s in leaders),
        columns=("measurement", ">pictures a call", ">ms a call, p50", ">pictures a second"),
        rows=[[s.name, str(s.pictures), "–" if s.p50_ms is None else ms(s.p50_ms), f"{s.fps:,.0f}"] for s in every],
    )


def _look(group: list[Subject], looks: dict[str, Look]) -> Look:
    return min((looks[subject.name] for subject in group), key=lambda look: look.place)


def _spread(counts: list[int], x: svg.Scale) -> list[int]:
    """Those whose numbers do not run into each other."""
    kept: list[int] = []
    for count in counts:
        if not kept or x.at(count) - x.at(kept[-1]) > 26:
            kept.append(count)
    return kept
