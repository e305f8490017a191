"""A comparison as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from onsight_benchmarks.comparison.charts.batches import batches
from onsight_benchmarks.comparison.charts.cdf import cdf
from onsight_benchmarks.comparison.charts.figure import Figure, ms
from onsight_benchmarks.comparison.charts.forest import forest_axis, forest_cell, forest_scale
from onsight_benchmarks.comparison.charts.looks import Look, looks_of
from onsight_benchmarks.comparison.charts.pareto import pareto
from onsight_benchmarks.comparison.charts.timeline import timeline
from onsight_benchmarks.comparison.comparison import Beside, Comparison, compare_entries
from onsight_benchmarks.comparison.page_bars import ages, energies, stage_bars
from onsight_benchmarks.comparison.page_head import head
from onsight_benchmarks.comparison.page_method import method
from onsight_benchmarks.comparison.ratios import times
from onsight_benchmarks.comparison.subjects import Entry
from onsight_benchmarks.comparison.wording import scenario_words, span_words
from onsight_benchmarks.html_page import fill_page, require_jinja
from onsight_benchmarks.provenance import now_utc, provenance
from onsight_benchmarks.record import Record
from onsight_benchmarks.stats import LEVEL
from onsight_benchmarks.verdict import LEAST_ROUNDS, SMALLEST, SMALLEST_APART
from onsight_edge.metrics import wilson

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_FIGURES: tuple[Callable[[Comparison, dict[str, Look]], Figure | None], ...] = (cdf, pareto, timeline, batches)


def render(comparison: Comparison) -> str:
    """The page as HTML; names out of records are escaped wherever they stand.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    require_jinja()
    from markupsafe import Markup

    looks = looks_of(comparison)
    several = len(comparison.entries) > 1
    figures = [figure for draw in _FIGURES if (figure := draw(comparison, looks)) is not None]
    return fill_page(
        _TEMPLATE,
        {"ms": ms, "times": times, "scenario": scenario_words, "breaks": _breaks},
        made={"onsight": provenance(), "at": now_utc(), "level": LEVEL, "seed": comparison.seed},
        rule={"rounds": LEAST_ROUNDS, "paired": SMALLEST, "apart": SMALLEST_APART},
        several=several,
        head=head(comparison),
        entries=comparison.entries,
        reference=comparison.reference,
        span=span_words(comparison),
        cautions=comparison.cautions,
        remarks=comparison.remarks,
        swatches={name: Markup(look.swatch()) for name, look in looks.items()},
        overview=_overview(comparison, looks),
        figures=[{"figure": figure, "drawings": [Markup(one) for one in figure.drawings]} for figure in figures],
        shown={subject.name: subject.name if several else subject.label for subject in comparison.subjects},
        missing=_missing(comparison, [figure.id for figure in figures]),
        stages=stage_bars(comparison.subjects),
        ages=ages(comparison.subjects),
        energies=energies(comparison),
        scenarios=[s for s in comparison.subjects if s.measured.scenario is not None],
        headlines={one.of.name: one.headline for one in comparison.beside if one.headline is not None},
        agreements=[s for s in comparison.subjects if s.measured.agreement is not None],
        sustained=[s for s in comparison.subjects if s.measured.sustained is not None],
        starts=[s for s in comparison.subjects if s.measured.init_ms is not None or s.measured.rss_mib is not None],
        alike=_alike(comparison.alike),
        methods=[method(entry) for entry in comparison.entries],
    )


def render_record(record: Record, name: str) -> str:
    """The page of one record's own measurements.

    Args:
        record: with at least one measurement.
        name: what the page calls it, such as its file's stem.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    return render(compare_entries([Entry("A", name, record)]))


def _overview(comparison: Comparison, looks: dict[str, Look]) -> dict[str, Any]:
    from markupsafe import Markup

    found = {s.name: None if (one := comparison.relative(s)) is None else one for s in comparison.subjects}
    relatives = {name: None if one is None else one.time for name, one in found.items()}
    scale = forest_scale(list(relatives.values()))
    rows = []
    for subject in comparison.subjects:
        beside, relative, known = found[subject.name], relatives[subject.name], subject.measured.accuracy
        rows.append(
            {
                "subject": subject,
                "whole": subject.whole,
                "reference": beside is None,
                "relative": relative,
                "plot": Markup(forest_cell(relative, scale, looks[subject.name])),
                "throughput": None if beside is None else beside.throughput,
                "accuracy": None if known is None or not known.pictures else known.correct / known.pictures,
                "interval": None if known is None or not known.pictures else wilson(known.correct, known.pictures),
                "energy": subject.measured.energy,
                "best": subject in comparison.best,
            }
        )
    return {
        "axis": Markup(forest_axis(scale)),
        "rows": rows,
        "serial": any(subject.serial for subject in comparison.subjects),
        "accuracy": any(row["accuracy"] is not None for row in rows),
        "energy": any(row["energy"] is not None for row in rows),
    }


def _missing(comparison: Comparison, drawn: Sequence[str]) -> list[str]:
    """Which charts are not there, and why."""
    said = []
    single = [subject for subject in comparison.subjects if subject.one_frame]
    if "distribution" not in drawn:
        why = "the records keep no single values" if single else "no call answers a single frame"
        said.append(f"no distribution of calls: {why}")
    if all(subject.measured.accuracy is None for subject in comparison.subjects):
        said.append(
            "no accuracy against time: the records do not know how right the files are (that stands in the report of a "
            "bundle's export)"
        )
    if all(subject.measured.energy is None for subject in comparison.subjects):
        said.append("no energy: the devices have no sensor that could be read")
    return said


def _alike(alike: Sequence[Beside]) -> dict[str, Any] | None:
    if not alike:
        return None
    stages = list(dict.fromkeys(s for one in alike for s in one.stages if s not in ("end_to_end", "device")))
    return {"stages": stages, "rows": alike}


def _breaks(name: str) -> str:
    """A name that may be broken behind its slashes."""
    from markupsafe import Markup, escape

    return Markup("/<wbr>").join(escape(part) for part in name.split("/"))
