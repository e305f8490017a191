"""Ways to bring a large frame down to a network's input with OpenCV and NumPy, each with its buffers made once."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.preprocess import Preprocessor
from onsight_edge.spec import ModelSpec

Image = NDArray[np.uint8]
Way = Callable[[Image], Image]
REFERENCE = "area"
OURS = "onsight"
BARE = "linear"
FLOOR = "area, 1 value in 100 off by 1"  # what the judge makes of next to nothing


def ways(frame_wh: tuple[int, int], target_wh: tuple[int, int]) -> dict[str, Way]:
    """Ways by name: (H, W, 3) uint8 BGR frames of `frame_wh` pixels to (h, w, 3) uint8 BGR of `target_wh`.

    `area` averages over every pixel. `linear` is OpenCV's default: four pixels for each that comes out. `onsight` is
    what `Preprocessor` does. `linear N` takes N x N such samples and averages them. `rows N` averages N whole rows
    for each that comes out; `every third row` averages over those. `sums` adds up every pixel and rounds once:
    exact, for frames whose sides are multiples of the target's.
    """
    width, height = target_wh
    ours = Preprocessor(ModelSpec("x", ("0", "1"), target_wh, colour="bgr"))
    found: dict[str, Way] = {
        REFERENCE: _resize(target_wh, cv2.INTER_AREA),
        BARE: _resize(target_wh, cv2.INTER_LINEAR),
        OURS: ours.pixels,
        "linear 2": _samples(2, target_wh),
        "linear 3": _samples(3, target_wh),
        "linear 4": _samples(4, target_wh),
        "rows 2": _rows(2, frame_wh, target_wh),
        "rows 4": _rows(4, frame_wh, target_wh),
        "every third row": lambda frame: _area(frame[1::3], target_wh),
    }
    if frame_wh[0] % width == 0 and frame_wh[1] % height == 0:
        found["sums"] = _sums(frame_wh, target_wh)
    random = np.random.default_rng(0)

    def nearly(frame: Image) -> Image:
        exact = _area(frame, target_wh).astype(np.int16)
        off = random.choice(np.array([-1, 1], np.int16), exact.shape) * (random.random(exact.shape) < 0.01)
        return np.asarray(np.clip(exact + off, 0, 255), np.uint8)

    return {**found, FLOOR: nearly}


def _area(image: Image, size_wh: tuple[int, int]) -> Image:
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _resize(size_wh: tuple[int, int], how: int) -> Way:
    out = np.empty((size_wh[1], size_wh[0], 3), np.uint8)
    return lambda frame: cv2.resize(frame, size_wh, dst=out, interpolation=how)  # type: ignore[return-value]


def _samples(count: int, size_wh: tuple[int, int]) -> Way:
    """`count` x `count` linear samples for each pixel, averaged; halving twice is faster than quartering."""
    width, height = size_wh
    sizes = [(count * width, count * height), *([(2 * width, 2 * height)] if count == 4 else []), size_wh]
    buffers = [np.empty((h, w, 3), np.uint8) for w, h in sizes]

    def way(frame: Image) -> Image:
        image: Image = frame
        for number, (size, buffer) in enumerate(zip(sizes, buffers, strict=True)):
            how = cv2.INTER_AREA if number else cv2.INTER_LINEAR
            image = cv2.resize(image, size, dst=buffer, interpolation=how)  # type: ignore[assignment]
        return image

    return way


def _rows(count: int, frame_wh: tuple[int, int], size_wh: tuple[int, int]) -> Way:
    """`count` (2 or 4) whole rows for each that comes out, halved in both directions while there are two, then AREA."""
    (frame_w, frame_h), (width, height) = frame_wh, size_wh
    chosen = np.floor((np.arange(count * height) + 0.5) * frame_h / (count * height)).astype(np.intp)
    taken = np.empty((len(chosen), frame_w, 3), np.uint8)
    halves = [(frame_w >> step, len(chosen) >> step) for step in range(1, count.bit_length())]
    sizes = [size for size in halves if size[0] >= width]
    buffers = [np.empty((h, w, 3), np.uint8) for w, h in sizes]
    out = np.empty((height, width, 3), np.uint8)

    def way(frame: Image) -> Image:
        image: Image = np.take(frame, chosen, axis=0, out=taken, mode="clip")  # without `clip` it goes by a copy
        for size, buffer in zip(sizes, buffers, strict=True):
            image = cv2.resize(image, size, dst=buffer, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        return cv2.resize(image, size_wh, dst=out, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]

    return way


def _sums(frame_wh: tuple[int, int], size_wh: tuple[int, int]) -> Way:
    """Row k of every cell is added to a sum at once, for each k; the columns of a cell by a matrix product.

    Every sum is a whole number that float32 holds.
    """
    (frame_w, frame_h), (width, height) = frame_wh, size_wh
    across, down = frame_w // width, frame_h // height
    columns = np.empty((height, frame_w * 3), np.float32)
    cells = columns.reshape(height * width, across * 3)
    picks = np.tile(np.eye(3, dtype=np.float32), (across, 1))
    totals = np.empty((height * width, 3), np.float32)
    out = np.empty((height, width, 3), np.uint8)
    share = np.float32(1 / (across * down))

    def way(frame: Image) -> Image:
        rows = frame.reshape(height, down, frame_w * 3)
        np.copyto(columns, rows[:, 0])
        for row in range(1, down):
            cv2.accumulate(rows[:, row], columns)
        np.matmul(cells, picks, out=totals)
        np.multiply(totals, share, out=totals)
        np.rint(totals, out=totals)
        np.copyto(out.reshape(totals.shape), totals, casting="unsafe")
        return out

    return way
