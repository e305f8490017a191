"""The resize: one pair of sizes, its buffers made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Resizer:
    """Brings pictures of one size to another; without a temporary after the first.

    Args of the constructor:
        source_wh, target_wh: sizes in pixels.
        channels: 1, 3 or 4.
    """

    def __init__(self, source_wh: tuple[int, int], target_wh: tuple[int, int], channels: int) -> None:
        width, height = target_wh
        self._target_wh = target_wh
        self._double_wh: tuple[int, int] | None = None
        if source_wh[0] >= 4 * width and source_wh[1] >= 4 * height:
            self._double_wh = (2 * width, 2 * height)
            self._double = np.empty((2 * height, 2 * width, channels), np.uint8)
        shrinks = source_wh[0] > width or source_wh[1] > height
        self._how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR

    def __call__(self, image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Write `image`, (height, width[, channels]) uint8 of the source size, into `out`, of the target size."""
        if self._double_wh is not None:
            cv2.resize(image, self._double_wh, dst=self._double, interpolation=cv2.INTER_LINEAR)
            image = self._double
        cv2.resize(image, self._target_wh, dst=out, interpolation=self._how)
