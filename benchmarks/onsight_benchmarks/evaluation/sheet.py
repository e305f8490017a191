"""The worst pictures as one picture, drawn with OpenCV alone, so that a device can make it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.evaluation.analysis import Analysis
from onsight_benchmarks.evaluation.worst import Verdict
from onsight_edge.datasets.sheet import draw_text, tile, tile_size
from onsight_edge.spec import Colour

_COLUMNS, _CELL, _GAP, _MARGIN, _CAPTION, _HEADING = 8, 118, 10, 20, 34, 40
_INK, _PALE, _PAPER, _WRONG, _RIGHT = (30, 30, 30), (110, 110, 110), (250, 250, 250), (40, 40, 190), (60, 130, 40)


def worst_sheet(title: str, analysis: Analysis, images: NDArray[np.uint8], colour: Colour) -> NDArray[np.uint8]:
    """Draw the most confident mistakes and the least believed truths, each with what it is and was taken for.

    Args:
        title: what was measured.
        analysis: names the pictures by their position in `images`.
        images: (N, height, width, channels) uint8 in `colour`.
        colour: the channel order.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    parts = (
        ("Most confident mistakes", analysis.mistakes),
        ("Lowest scores of the true class, besides those", analysis.least_believed),
    )
    tile_wh = tile_size((images.shape[2], images.shape[1]))
    cell_wh = (max(_CELL, tile_wh[0]), tile_wh[1] + _CAPTION)
    width = 2 * _MARGIN + _COLUMNS * (cell_wh[0] + _GAP) - _GAP
    rows = [-(-len(verdicts) // _COLUMNS) or 1 for _, verdicts in parts]
    height = 2 * _MARGIN + 24 + sum(_HEADING + count * (cell_wh[1] + _GAP) for count in rows)
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    draw_text(sheet, title, (_MARGIN, _MARGIN + 12), 0.55, _INK, width - 2 * _MARGIN)
    top = _MARGIN + 24
    for (heading, verdicts), count in zip(parts, rows, strict=True):
        draw_text(sheet, heading, (_MARGIN, top + 22), 0.5, _PALE, width - 2 * _MARGIN)
        top += _HEADING
        if not verdicts:
            draw_text(sheet, "none", (_MARGIN, top + 14), 0.45, _PALE, width - 2 * _MARGIN)
        for place, verdict in enumerate(verdicts):
            left = _MARGIN + place % _COLUMNS * (cell_wh[0] + _GAP)
            _cell(sheet, verdict, (left, top + place // _COLUMNS * (cell_wh[1] + _GAP)), images, tile_wh, colour)
        top += count * (cell_wh[1] + _GAP)
    return sheet


def _cell(
    sheet: NDArray[np.uint8],
    verdict: Verdict,
    at: tuple[int, int],
    images: NDArray[np.uint8],
    tile_wh: tuple[int, int],
    colour: Colour,
) -> None:
    left, top = at
    sheet[top : top + tile_wh[1], left : left + tile_wh[0]] = tile(images[verdict.index], tile_wh, colour)
    ink = _RIGHT if verdict.predicted == verdict.truth else _WRONG
    below = top + tile_wh[1]
    room = max(_CELL, tile_wh[0])
    draw_text(sheet, f"is {verdict.truth} {verdict.true_score:.2f}", (left, below + 14), 0.4, _INK, room)
    draw_text(sheet, f"said {verdict.predicted} {verdict.score:.2f}", (left, below + 29), 0.4, ink, room)
