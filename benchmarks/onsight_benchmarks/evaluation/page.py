"""The evaluation as one HTML page that needs nothing beside itself: charts are SVG, pictures data URIs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.evaluation.analysis import Analysis
from onsight_benchmarks.evaluation.charts import reliability_chart, strength_chart
from onsight_benchmarks.evaluation.leakage import Leakage
from onsight_benchmarks.evaluation.robustness import Robustness, corrupted
from onsight_benchmarks.evaluation.worst import Verdict
from onsight_benchmarks.html_page import fill_page, require_jinja
from onsight_edge.corruptions import STRENGTHS
from onsight_edge.datasets.sheet import tile
from onsight_edge.errors import DataError
from onsight_edge.spec import Colour

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_LONGEST = 128  # pixels that a picture in the page has at most
_MATRIX_CLASSES = 30  # more make a table that nobody can read
_CONFUSIONS, _PAIRS = 12, 12
WORDS = {
    "defocus-blur": ("Out of focus", "every point becomes a disk"),
    "motion-blur": ("Moved", "smeared along a line"),
    "gaussian-noise": ("Sensor noise", "the same grain everywhere"),
    "shot-noise": ("Photon noise", "few photons, brightened"),
    "dark": ("Underexposed", "1 to 5 stops less light"),
    "jpeg": ("JPEG", "compressed ever harder"),
    "low-resolution": ("Few pixels", "60 to 25 % of the width"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What the page shows.

    Attributes:
        document: what `--json` prints; docs/cli/val.md describes it.
        analysis: of the pictures as they are.
        images: (N, height, width, channels) uint8, the evaluated pictures.
        colour: their channel order.
        robustness: where it was measured.
        leakage: where it was searched for.
        learnt: (M, height, width, channels) uint8 the pictures that copies were searched among.
    """

    document: dict[str, Any]
    analysis: Analysis
    images: NDArray[np.uint8]
    colour: Colour
    robustness: Robustness | None = None
    leakage: Leakage | None = None
    learnt: NDArray[np.uint8] | None = None


def render(report: Report) -> str:
    """The page as HTML; names of classes and files are escaped wherever they stand.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    require_jinja()
    from markupsafe import Markup

    analysis = report.analysis
    refit = analysis.refit
    return fill_page(
        _TEMPLATE,
        {"points": _points},
        doc=report.document,
        made=report.document["made"],
        evaluation=analysis.evaluation,
        classes=_class_rows(analysis),
        matrix=_matrix(analysis),
        confusions=_confusions(analysis),
        reliability=Markup(reliability_chart(analysis.reliability, None if refit is None else refit.reliability)),
        trust=_trust(analysis),
        worst=(
            ("Most confident mistakes", _verdicts(report, analysis.mistakes)),
            ("Least believed truths, besides those", _verdicts(report, analysis.least_believed)),
        ),
        curves=_curves(report),
        pairs=_pairs(report),
        pixelated=max(report.images.shape[1:3]) <= _LONGEST,
        words=WORDS,
    )


def _class_rows(analysis: Analysis) -> list[dict[str, Any]]:
    evaluation = analysis.evaluation
    return [
        {"name": name, "support": score.support, "recall": score.recall, "precision": score.precision, "f1": score.f1}
        for name, score in zip(evaluation.classes, evaluation.per_class, strict=True)
    ]


def _matrix(analysis: Analysis) -> list[list[dict[str, Any]]] | None:
    """Counts with their share of the row's pictures; None where there are too many classes to read."""
    matrix = analysis.evaluation.matrix
    if len(matrix) > _MATRIX_CLASSES:
        return None
    totals = np.maximum(matrix.sum(axis=1), 1)
    return [
        [
            {"count": int(count), "share": float(count / total), "hit": row == column}
            for column, count in enumerate(counts)
        ]
        for row, (counts, total) in enumerate(zip(matrix, totals, strict=True))
    ]


def _confusions(analysis: Analysis) -> list[tuple[str, str, int, float]]:
    """(truth, taken for, times, share of the truth's pictures), the most frequent first."""
    matrix, names = analysis.evaluation.matrix.copy(), analysis.evaluation.classes
    totals = matrix.sum(axis=1)
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:_CONFUSIONS]
    cells = [(int(place) // len(names), int(place) % len(names)) for place in order]
    return [
        (names[row], names[column], int(matrix[row, column]), float(matrix[row, column] / totals[row]))
        for row, column in cells
        if matrix[row, column]
    ]


def _trust(analysis: Analysis) -> str:
    """The calibration in one sentence."""
    gap = analysis.reliability.overconfidence
    said = f"On average its score lies {abs(100 * gap):.1f} points {'above' if gap > 0 else 'below'} its accuracy"
    if abs(gap) < 0.005:
        return f"{said}: over all pictures its scores are about as often right as they say."
    return f"{said}: it is {'too sure of itself' if gap > 0 else 'too modest'}."


def _verdicts(report: Report, verdicts: Sequence[Verdict]) -> list[tuple[Verdict, str]]:
    return [(verdict, data_uri(report.images[verdict.index], report.colour)) for verdict in verdicts]


def _curves(report: Report) -> list[dict[str, Any]]:
    from markupsafe import Markup

    robust = report.robustness
    if robust is None:
        return []
    example = _example(report)
    found = []
    for name in robust.correct:
        shares = robust.accuracy(name)
        pictures = [
            corrupted(report.images[example : example + 1], name, s, colour=report.colour, seed=robust.seed)[0]
            for s in STRENGTHS
        ]
        found.append(
            {
                "name": name,
                "shares": shares,
                "mean": float(np.mean(shares)),
                "chart": Markup(strength_chart(robust.clean / robust.pictures, shares)),
                "pictures": [data_uri(picture, report.colour) for picture in pictures],
                "clean": data_uri(report.images[example], report.colour),
            }
        )
    return found


def _example(report: Report) -> int:
    """A picture that shows corruptions well: of the first, one with much contrast, neither mostly dark nor light."""
    pixels = report.images[:200].reshape(min(200, len(report.images)), -1).astype(np.float32)
    return int((pixels.std(axis=1) - np.abs(pixels.mean(axis=1) - 128)).argmax())


def _pairs(report: Report) -> list[dict[str, Any]]:
    """Some of the copies, spread evenly from the most to the least alike."""
    leakage, learnt = report.leakage, report.learnt
    if leakage is None or learnt is None:
        return []
    order = sorted(range(len(leakage.copies)), key=lambda place: (-leakage.copies[place].likeness, place))
    chosen = [order[place] for place in np.unique(np.linspace(0, len(order) - 1, _PAIRS).astype(int))] if order else []
    return [
        {
            "near": leakage.copies[place],
            "names": leakage.names[place],
            "picture": data_uri(report.images[leakage.copies[place].picture], report.colour),
            "other": data_uri(learnt[leakage.copies[place].copy], report.colour),
        }
        for place in chosen
    ]


def data_uri(pixels: NDArray[np.uint8], colour: Colour) -> str:
    """A picture as a PNG data URI, at most 128 pixels a side.

    Args:
        pixels: (height, width, channels) uint8 in `colour`.
        colour: the channel order.

    Raises:
        DataError: OpenCV cannot encode it.
    """
    height, width = pixels.shape[:2]
    factor = min(1.0, _LONGEST / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    done, encoded = cv2.imencode(".png", tile(pixels, size, colour), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done:
        raise DataError(f"a picture of shape {pixels.shape} cannot be encoded as PNG")
    return "data:image/png;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def _points(share: float) -> str:
    return f"{100 * share:+.2f}"
