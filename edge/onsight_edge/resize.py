"""The resize: one pair of sizes, its buffers made once.

Averaging over every pixel of a large frame (`INTER_AREA`) costs more than a small network. Where a picture shrinks at
least fourfold, four samples stand for every pixel that comes out. Each is a mean of four pixels (`INTER_LINEAR`), taken
from two columns side by side and from two rows that lie as far apart as they can: neighbouring rows look alike, so the
second one would say little. `python -m onsight_benchmarks.preprocess` has what that costs and what it is worth beside
other ways.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Step = Callable[["NDArray[np.uint8]"], "NDArray[np.uint8]"]
SAMPLED_FROM = 4  # times: from here on samples are taken
_ROWS_APART = 5  # rows of the source for one of the result and one row between the samples' rows, at least


def resizing(
    source_wh: tuple[int, int], target_wh: tuple[int, int], out: NDArray[np.uint8]
) -> tuple[slice, list[Step]]:
    """What brings pictures of one size to another.

    Args:
        source_wh, target_wh: sizes in pixels.
        out: (height, width, channels) uint8 of the target size, 1, 3 or 4 channels; the last step writes into it.

    Returns:
        The rows of a picture to take, and steps, each of which takes what the one before gave and returns its own
        buffer.
    """
    width, height = target_wh
    rows, steps = slice(None), []
    if source_wh[0] >= SAMPLED_FROM * width and source_wh[1] >= SAMPLED_FROM * height:
        rows = rows_apart(source_wh[1], height)
        double = np.empty((2 * height, 2 * width, out.shape[2]), np.uint8)
        steps.append(_step((2 * width, 2 * height), double, cv2.INTER_LINEAR))
    shrinks = source_wh[0] > width or source_wh[1] > height
    steps.append(_step(target_wh, out, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
    return rows, steps


def _step(size_wh: tuple[int, int], out: NDArray[np.uint8], how: int) -> Step:
    return functools.partial(cv2.resize, dsize=size_wh, dst=out, interpolation=how)  # type: ignore[return-value]


def rows_apart(source: int, target: int) -> slice:
    """The rows that samples are taken from: every `step`-th, in the middle of its like.

    A sample then has its two rows within its own quarter of a pixel that comes out, so that a picture magnified by
    repetition comes back as it was. The step is odd, so that the rows lie evenly about the picture's middle.

    Args:
        source, target: rows before and after the resize.
    """
    step = max(1, source // (_ROWS_APART * target))
    step -= 1 - step % 2
    count = source // step
    first = step // 2 + (source - count * step) // 2
    return slice(first, first + count * step, step)
