"""The waterfall as one HTML page that needs nothing beside itself: plots are SVG, pictures data URIs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from onsight_benchmarks.evaluation.page import data_uri
from onsight_benchmarks.html_page import fill_page, require_jinja
from onsight_benchmarks.parity.charts import axis, drop_plot, drop_scale, error_plot, error_scale
from onsight_benchmarks.parity.timing import Times
from onsight_export.parity.diagnosis import Diagnosis
from onsight_export.parity.parity import Parity
from onsight_export.parity.tolerance import tolerance_of

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_PIXELATED = 128  # pictures up to so many pixels a side keep their pixels' edges
_MOST_CLASSES = 60


def render(parity: Parity, times: Times | None, document: dict[str, Any]) -> str:
    """The page as HTML; names of classes, files and layers are escaped wherever they stand.

    Args:
        parity, times: measured.
        document: what `--json` prints; docs/cli/parity.md describes it.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    require_jinja()
    rows, heads = _rows(parity, times)
    return fill_page(
        _TEMPLATE,
        {"sentence": _sentence},
        doc=document,
        made=document["made"],
        parity=parity,
        own=parity.answers,
        rows=rows,
        heads=heads,
        times=times,
        diagnoses=[
            (step, _layers(parity.diagnoses[step.name])) for step in parity.steps if step.name in parity.diagnoses
        ],
        flips=_flips(parity),
        worst=_worst(parity),
        pixelated=max(parity.pictures.pixels.shape[1:3]) <= _PIXELATED,
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _rows(parity: Parity, times: Times | None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from markupsafe import Markup

    limit = parity.limits.max_drop_points
    drops = drop_scale([step.answers.drop_interval for step in parity.steps], limit)
    limits = [tolerance_of(step.number_format).largest_difference for step in parity.steps]
    errors = error_scale(
        [value for step in parity.steps for value in (step.answers.largest_difference, step.answers.mean_difference)]
        + [one for one in limits if one is not None]
    )
    largest = max(step.bytes for step in parity.steps)
    p50s = [None] * len(parity.steps) if times is None else [one.p50 for one in times.inference_ms]
    slowest = max((one for one in p50s if one is not None), default=1.0)
    rows = [
        {
            "step": step,
            "a": step.answers,
            "drop": Markup(drop_plot(step.answers.drop_points, step.answers.drop_interval, drops, limit, step.broken)),
            "error": Markup(
                error_plot(step.answers.largest_difference, step.answers.mean_difference, errors, held, step.broken)
            ),
            "size_share": step.bytes / largest,
            "p50": p50,
            # by powers of ten: one format without fast kernels would leave the others without a bar
            "p50_share": None if p50 is None else _log_share(p50, min(p for p in p50s if p is not None), slowest),
        }
        for step, held, p50 in zip(parity.steps, limits, p50s, strict=True)
    ]
    return rows, {"drop": Markup(axis(drops)), "error": Markup(axis(errors))}


def _log_share(value: float, least: float, most: float) -> float:
    low, high = math.log10(least) - 0.3, math.log10(most)
    return (math.log10(value) - low) / (high - low)


def _layers(diagnosis: Diagnosis) -> dict[str, Any]:
    from markupsafe import Markup

    layers = diagnosis.layers
    scale = error_scale([value for one in layers for value in (one.own, one.total, one.tolerance)])
    return {
        "diagnosis": diagnosis,
        "axis": Markup(axis(scale)),
        "rows": [
            {
                "layer": one,
                "beside": [name for name in one.fused if name != one.layer],
                "plot": Markup(error_plot(one.own, one.total, scale, one.tolerance, one.off)),
            }
            for one in layers
        ],
    }


def _flips(parity: Parity) -> list[dict[str, Any]]:
    """One row a class; the classes with most changes where there are too many to read."""
    names = list(parity.reference.spec.classes)
    if len(names) > _MOST_CLASSES:
        names.sort(key=lambda name: -sum(s.answers.flips[name].lost + s.answers.flips[name].won for s in parity.steps))
        names = names[:_MOST_CLASSES]
    rows = []
    for name in names:
        cells = []
        for step in parity.steps:
            flips = step.answers.flips[name]
            net = (flips.lost - flips.won) / max(flips.pictures, 1)
            cells.append({"flips": flips, "net": net, "strength": min(0.08 + 8 * abs(net), 0.6) if net else 0.0})
        rows.append({"name": name, "pictures": parity.steps[0].answers.flips[name].pictures, "cells": cells})
    return rows


def _worst(parity: Parity) -> list[dict[str, Any]]:
    colour = parity.reference.spec.colour
    return [
        {
            "step": step,
            "pictures": [(one, data_uri(parity.pictures.pixels[one.row], colour)) for one in step.answers.worst],
        }
        for step in parity.steps
        if step.answers.worst
    ]
