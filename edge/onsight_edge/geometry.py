"""Which part of a frame a model looks at, and which way up: pure arithmetic, in whole pixels.

The order is fixed: the region is cut out, turned clockwise, mirrored, and fitted into the model's input. Turning and
mirroring commute with fitting, so they are done on the small picture, where they cost next to nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from onsight_edge.spec import Flip, ModelSpec, Resize, Rotate

Size = tuple[int, int]
REDUCTIONS = (8, 4, 2)  # by which OpenCV decodes a JPEG to fewer pixels, the most first
COVER = 1.5  # pixels of a reduced picture for each of the input, each way

_FLIP_BITS = {"none": 0, "horizontal": 1, "vertical": 2, "both": 3}
# a turn clockwise is a transposition and a flip after it: (transposed, flip bits)
_TURNS = {0: (False, 0), 90: (True, 1), 180: (False, 3), 270: (True, 2)}
_FLIP_CODES = (None, 1, 0, -1)  # OpenCV's, by the bits above


class View(NamedTuple):
    """What of a frame is looked at; see the attributes of the same names of ModelSpec."""

    roi: tuple[float, float, float, float] | None = None
    rotate: Rotate = 0
    flip: Flip = "none"

    @property
    def whole(self) -> bool:
        """Whether frames are looked at as they come."""
        return self == WHOLE

    def turned(self, size_wh: Size) -> Size:
        """Width and height as they are after the turn."""
        return (size_wh[1], size_wh[0]) if self.rotate in (90, 270) else size_wh


WHOLE = View()


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int


class Fit(NamedTuple):
    """How a frame of one size gets into a model's input.

    Attributes:
        cut: what is taken of the frame.
        inner_wh: the size that the cut is resized to, before it is transposed.
        transpose: rows become columns after the resize.
        flip: OpenCV's flip code after that, None for none.
        place: where it lies in the model's input, after all; smaller than it only for `fit-longest`.
    """

    cut: Box
    inner_wh: Size
    transpose: bool
    flip: int | None
    place: Box


def view_of(spec: ModelSpec) -> View:
    """What a spec's model looks at."""
    return View(spec.roi, spec.rotate, spec.flip)


def fit(frame_wh: Size, input_wh: Size, resize: Resize, view: View) -> Fit:
    """How a frame of `frame_wh` pixels gets into an input of `input_wh`.

    A region of less than a pixel is given one.
    """
    cut = region(frame_wh, view.roi)
    transpose, bits = _TURNS[view.rotate]
    bits ^= _FLIP_BITS[view.flip]
    wanted_wh = (input_wh[1], input_wh[0]) if transpose else input_wh
    inner_wh = wanted_wh
    if resize == "fit-shortest":
        cut = _middle(cut, wanted_wh)
    elif resize == "fit-longest":
        inner_wh = _within((cut.width, cut.height), wanted_wh)
    width, height = (inner_wh[1], inner_wh[0]) if transpose else inner_wh
    place = Box((input_wh[0] - width) // 2, (input_wh[1] - height) // 2, width, height)
    return Fit(cut, inner_wh, transpose, _FLIP_CODES[bits], place)


def region(frame_wh: Size, roi: tuple[float, float, float, float] | None) -> Box:
    """A region given in shares of the frame, in whole pixels of it: its edges rounded, at least one pixel."""
    width, height = frame_wh
    if roi is None:
        return Box(0, 0, width, height)
    left, top = min(round(roi[0] * width), width - 1), min(round(roi[1] * height), height - 1)
    right, bottom = round((roi[0] + roi[2]) * width), round((roi[1] + roi[3]) * height)
    return Box(left, top, max(1, min(right, width) - left), max(1, min(bottom, height) - top))


def reduction(frame_wh: Size, input_wh: Size, resize: Resize, view: View) -> int:
    """The most by which a JPEG of `frame_wh` may be reduced while decoding so that its cut covers the input 1.5 times.

    libjpeg reduces by leaving out the higher frequencies of each 8x8 block, which does not alias but is no average
    either. With half as many pixels again as the input has, each way, what comes out is as near to the average over
    every pixel as it is from the whole picture.

    Returns:
        1, 2, 4 or 8.
    """
    for by in REDUCTIONS:
        reduced = (frame_wh[0] // by, frame_wh[1] // by)
        if min(reduced) < 1:
            continue
        found = fit(reduced, input_wh, resize, view)
        if found.cut.width >= COVER * found.inner_wh[0] and found.cut.height >= COVER * found.inner_wh[1]:
            return by
    return 1


def _middle(cut: Box, wanted_wh: Size) -> Box:
    """The largest box of the proportions of `wanted_wh` in the middle of `cut`."""
    scale = min(cut.width / wanted_wh[0], cut.height / wanted_wh[1])
    width = max(1, min(cut.width, round(wanted_wh[0] * scale)))
    height = max(1, min(cut.height, round(wanted_wh[1] * scale)))
    return Box(cut.left + (cut.width - width) // 2, cut.top + (cut.height - height) // 2, width, height)


def _within(size_wh: Size, wanted_wh: Size) -> Size:
    scale = min(wanted_wh[0] / size_wh[0], wanted_wh[1] / size_wh[1])
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))
