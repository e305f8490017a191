"""A contact sheet: some pictures of every class in one picture, drawn with OpenCV."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.datasets.splits import balanced
from onsight_edge.errors import DataError
from onsight_edge.files import atomic_path
from onsight_edge.spec import Colour

MAX_ROWS = 100
_TILE = 64  # pixels a side that a picture is enlarged to at least, or reduced to at most twice of
_GAP, _MARGIN, _HEADER, _LABEL = 4, 16, 44, 190
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK, _PALE, _PAPER = (30, 30, 30), (120, 120, 120), (250, 250, 250)


def contact_sheet(dataset: Dataset, *, columns: int = 12, seed: int = 0, colour: Colour = "rgb") -> NDArray[np.uint8]:
    """Draw one row a class: its name, its counts, and training pictures of it.

    Args:
        dataset: loaded in the colour `colour`.
        columns: pictures a row.
        seed: which pictures.
        colour: channel order of the data set.

    Returns:
        (height, width, 3) uint8 BGR. At most `MAX_ROWS` classes are drawn.
    """
    train, rows = dataset.train, min(len(dataset.classes), MAX_ROWS)
    tile_wh = tile_size(dataset.size_wh)
    width = _MARGIN * 2 + _LABEL + columns * (tile_wh[0] + _GAP)
    height = _MARGIN * 2 + _HEADER + rows * (tile_wh[1] + _GAP)
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    counts = [len(part) for part in (dataset.train, dataset.validation, dataset.test)]
    title = f"{dataset.name}: {counts[0]} train, {counts[1]} validation, {counts[2]} test"
    size = f"{dataset.size_wh[0]}x{dataset.size_wh[1]} pixels, {len(dataset.classes)} classes"
    if rows < len(dataset.classes):
        size += f", the first {rows} here"
    draw_text(sheet, title, (_MARGIN, _MARGIN + 12), 0.55, _INK, width - 2 * _MARGIN)
    draw_text(sheet, size, (_MARGIN, _MARGIN + 32), 0.42, _PALE, width - 2 * _MARGIN)
    per_class = [np.bincount(p.labels, minlength=rows) for p in (dataset.train, dataset.validation, dataset.test)]
    for row in range(rows):
        top = _MARGIN + _HEADER + row * (tile_wh[1] + _GAP)
        draw_text(sheet, dataset.classes[row], (_MARGIN, top + tile_wh[1] // 2 - 2), 0.5, _INK, _LABEL - 12)
        figures = " + ".join(str(int(count[row])) for count in per_class)
        draw_text(sheet, figures, (_MARGIN, top + tile_wh[1] // 2 + 16), 0.38, _PALE, _LABEL - 12)
        members = np.flatnonzero(train.labels == row)
        chosen = members[balanced(np.zeros(len(members), np.int64), 1, columns, seed)]
        for column, place in enumerate(chosen):
            left = _MARGIN + _LABEL + column * (tile_wh[0] + _GAP)
            sheet[top : top + tile_wh[1], left : left + tile_wh[0]] = tile(train.images[place], tile_wh, colour)
    return sheet


def write_png(image_bgr: NDArray[np.uint8], path: Path) -> None:
    """Write a picture as PNG, whole or not at all.

    Raises:
        DataError: OpenCV cannot encode it.
        OnsightError: the folder cannot be written to, or the disk is full.
    """
    done, encoded = cv2.imencode(".png", image_bgr)
    if not done:
        raise DataError(f"{path}: a picture of shape {image_bgr.shape} cannot be encoded as PNG")
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def tile_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """Small pictures grow by a whole factor, so that their pixels stay square; large ones shrink."""
    longest = max(size_wh)
    factor = float(-(-_TILE // longest)) if longest <= 2 * _TILE else 2 * _TILE / longest
    return (max(1, round(size_wh[0] * factor)), max(1, round(size_wh[1] * factor)))


def tile(pixels: NDArray[np.uint8], tile_wh: tuple[int, int], colour: Colour) -> NDArray[np.uint8]:
    """A picture at the size `tile_size` says, (height, width, 3) uint8 BGR."""
    code = {"rgb": cv2.COLOR_RGB2BGR, "grey": cv2.COLOR_GRAY2BGR}.get(colour)
    bgr = pixels if code is None else cv2.cvtColor(pixels, code)
    how = cv2.INTER_AREA if bgr.shape[1] > tile_wh[0] else cv2.INTER_NEAREST
    return cv2.resize(bgr, tile_wh, interpolation=how)  # type: ignore[return-value]


def draw_text(
    sheet: NDArray[np.uint8], text: str, at: tuple[int, int], scale: float, ink: tuple[int, int, int], room: int
) -> None:
    """Write a line on a BGR picture, `at` its left and base line, cut to `room` pixels of width."""
    # OpenCV's fonts have ASCII alone: accents are dropped, what is left over becomes '?'
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in plain if not unicodedata.combining(c)).encode("ascii", "replace").decode()
    shown = plain
    while len(plain) > 1 and cv2.getTextSize(shown, _FONT, scale, 1)[0][0] > room:
        plain = plain[:-1]
        shown = plain + ".."
    cv2.putText(sheet, shown, at, _FONT, scale, ink, 1, cv2.LINE_AA)
