"""The resize: one pair of sizes, its buffers made once.

Averaging over every pixel of a large frame (`INTER_AREA`) costs more than a small network. Where a picture shrinks at
least fourfold, four samples stand for every pixel that comes out. Each is a mean of four pixels (`INTER_LINEAR`), taken
from two columns side by side and from two rows that lie as far apart as they can: neighbouring rows look alike, so the
second one would say little. `python -m onsight_benchmarks.preprocess` has what that costs and what it is worth beside
other ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLED_FROM = 4  # times: from here on samples are taken
_ROWS_APART = 5  # rows of the source for one of the result and one row between the samples' rows, at least


class Resizer:
    """Brings pictures of one size to another.

    Args of the constructor:
        source_wh, target_wh: sizes in pixels.
        channels: 1, 3 or 4.
    """

    def __init__(self, source_wh: tuple[int, int], target_wh: tuple[int, int], channels: int) -> None:
        width, height = target_wh
        self._target_wh = target_wh
        self._double_wh: tuple[int, int] | None = None
        if source_wh[0] >= SAMPLED_FROM * width and source_wh[1] >= SAMPLED_FROM * height:
            self._double_wh = (2 * width, 2 * height)
            self._double = np.empty((2 * height, 2 * width, channels), np.uint8)
        self._rows = rows_apart(source_wh[1], height)
        shrinks = source_wh[0] > width or source_wh[1] > height
        self._how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR

    def __call__(self, image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Write `image`, (height, width[, channels]) uint8 of the source size, into `out`, of the target size."""
        if self._double_wh is not None:
            cv2.resize(image[self._rows], self._double_wh, dst=self._double, interpolation=cv2.INTER_LINEAR)
            image = self._double
        cv2.resize(image, self._target_wh, dst=out, interpolation=self._how)


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
