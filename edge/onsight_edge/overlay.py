"""Draws a result into a copy of its picture, for the MP4, the window and whatever else shows one."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.frame import UNKNOWN, Result

# BGR
_PANEL = (24, 20, 16)
_TEXT = (255, 255, 255)
_DIM = (214, 210, 204)
_GOOD = (120, 220, 80)
_DOUBT = (60, 180, 255)
_TRACK = (84, 78, 72)
_WRONG = (90, 90, 255)
_OPACITY = 0.78
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_ASCII_FONTS = cv2.__version__.startswith("4.")  # from OpenCV 5 on its fonts have all of Unicode
_SMALLEST = 96  # pixels of the shorter side below which there is room for the label alone


@dataclass(frozen=True, slots=True)
class _Scale:
    """Lengths in pixels for one picture size."""

    unit: int
    line: int
    thick: int

    @property
    def large(self) -> float:
        return self.unit / 15

    @property
    def small(self) -> float:
        return self.unit / 25


def draw(image_bgr: NDArray[np.uint8], result: Result) -> NDArray[np.uint8]:
    """The picture with label, scores, rate, age and drops drawn over its lower part.

    Args:
        image_bgr: (H, W, 3) uint8 BGR; it is not changed.
        result: what to write.

    Returns:
        A new (H, W, 3) uint8 BGR picture of the same size.
    """
    image: NDArray[np.uint8] = np.array(image_bgr, np.uint8, order="C")
    height, width = image.shape[:2]
    unit = max(8, round(min(height, width * 3 / 4) / 26))
    scale = _Scale(unit, round(1.35 * unit), max(1, round(unit / 11)))
    if min(height, width) < _SMALLEST:
        _draw_small(image, result, scale)
        return image
    rows = result.prediction.top(3)
    panel_height = round(2.7 * unit) + len(rows) * scale.line + round(0.6 * unit)
    top = height - panel_height
    _shade(image, top, height)
    baseline = top + round(1.9 * unit)
    _draw_title(image, result, scale, baseline)
    for row, (name, score) in enumerate(rows):
        colour = _GOOD if row == 0 and not result.prediction.rejected else _DIM
        _draw_bar(image, name, score, colour, scale, top + round(2.7 * unit) + row * scale.line)
    return image


def draw_lost(image_bgr: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """The last picture of a source that was lost: dark, grey, the reason on it, so that nobody takes it for now.

    Args:
        image_bgr: (H, W, 3) uint8 BGR; it is not changed.
        text: the reason.

    Returns:
        A new (H, W, 3) uint8 BGR picture of the same size.
    """
    grey = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY) // 3
    image: NDArray[np.uint8] = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)  # type: ignore[assignment]
    height, width = image.shape[:2]
    size = max(8, round(min(height, width * 3 / 4) / 26)) / 20
    margin = max(2, width // 40)
    _write(image, _cut(text, width - 2 * margin, size, 1), (margin, height // 2), size, _DOUBT, 1)
    return image


def _draw_small(image: NDArray[np.uint8], result: Result, scale: _Scale) -> None:
    height = image.shape[0]
    _shade(image, max(0, height - scale.unit - 4), height)
    colour = _DOUBT if result.label == UNKNOWN else _GOOD
    _write(image, result.label, (2, height - 4), scale.unit / 28, colour, 1)


def _draw_title(image: NDArray[np.uint8], result: Result, scale: _Scale, baseline: int) -> None:
    margin = scale.unit
    right = image.shape[1] - margin
    title = _cut(f"{result.label} {result.score:.0%}", right - margin, scale.large, scale.thick)
    colour = _DOUBT if result.label == UNKNOWN else _TEXT
    _write(image, title, (margin, baseline), scale.large, colour, scale.thick)
    left = margin + _text_width(title, scale.large, scale.thick) + scale.unit
    truth = result.frame.truth
    if truth is not None:
        verdict, colour = ("right", _GOOD) if truth == result.label else (f"is {truth}", _WRONG)
        verdict = _cut(verdict, right - left, scale.small, 1)
        _write(image, verdict, (left, baseline), scale.small, colour, 1)
        left += _text_width(verdict, scale.small, 1) + scale.unit
    # what has no room is left out, the least telling first
    facts = [f"{result.fps:.1f} fps", f"{result.age_ms:.0f} ms old", f"{result.dropped} dropped"]
    while facts and _text_width("   ".join(facts), scale.small, 1) > right - left:
        facts.pop()
    if facts:
        text = "   ".join(facts)
        _write(image, text, (right - _text_width(text, scale.small, 1), baseline), scale.small, _DIM, 1)


def _draw_bar(
    image: NDArray[np.uint8], name: str, score: float, colour: tuple[int, int, int], scale: _Scale, top: int
) -> None:
    width, unit = image.shape[1], scale.unit
    left, right = round(width * 0.34), width - 4 * unit
    middle, half = top + scale.line // 2, max(2, round(unit * 0.22))
    baseline = middle + round(unit * 0.32)
    _write(image, _cut(name, left - 2 * unit, scale.small, 1), (unit, baseline), scale.small, _DIM, 1)
    filled = left + round((right - left) * float(np.clip(score, 0, 1)))
    cv2.rectangle(image, (left, middle - half), (right, middle + half), _TRACK, cv2.FILLED)
    if filled > left:
        cv2.rectangle(image, (left, middle - half), (filled, middle + half), colour, cv2.FILLED)
    _write(image, f"{score:.0%}", (right + unit // 2, baseline), scale.small, _DIM, 1)


def _shade(image: NDArray[np.uint8], top: int, bottom: int) -> None:
    part = image[max(0, top) : bottom]
    panel = np.full_like(part, _PANEL)
    cv2.addWeighted(part, 1 - _OPACITY, panel, _OPACITY, 0, dst=part)


def _write(
    image: NDArray[np.uint8],
    text: str,
    origin: tuple[int, int],
    size: float,
    colour: tuple[int, int, int],
    thick: int,
) -> None:
    cv2.putText(image, _drawable(text), origin, _FONT, size, colour, thick, cv2.LINE_AA)


def _drawable(text: str) -> str:
    if text.isascii() or not _ASCII_FONTS:
        return text
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return plain.encode("ascii", "replace").decode()


def _text_width(text: str, size: float, thick: int) -> int:
    return int(cv2.getTextSize(_drawable(text), _FONT, size, thick)[0][0])


def _cut(text: str, room: int, size: float, thick: int) -> str:
    if _text_width(text, size, thick) <= room:
        return text
    while text and _text_width(text + "...", size, thick) > room:
        text = text[:-1]
    return text + "..." if text else ""
