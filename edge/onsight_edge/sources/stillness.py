"""Does a camera's picture move at all? A sensor's noise changes every frame; what a hung driver repeats stays equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# What is looked at first: 1,024 pixels side by side in rows, because single ones cost a cache miss each.
_ROWS, _COLUMNS = 16, 64


class Stillness:
    """Finds runs of frames that are equal bit for bit and last for `limit_s` seconds.

    Attributes:
        since_ns: when the picture that still stands was first seen; None while it moves or stands for less than that.
    """

    def __init__(self, limit_s: float) -> None:
        """Hold a picture for frozen after `limit_s` seconds."""
        self.since_ns: int | None = None
        self._limit_ns = round(limit_s * 1e9)
        self._first_ns = 0
        self._equal = 0
        self._last: NDArray[np.uint8] | None = None
        self._sample = b""

    def look(self, image: NDArray[np.uint8], captured_ns: int) -> int:
        """Take in a frame; returns how many more frames count as frozen now.

        That is 0 while the picture moves; all equal frames so far when it has stood for long enough; then 1 each.
        The whole pictures are compared only where 1,024 pixels of theirs are equal.

        Args:
            image: (H, W, C) uint8, not to be written to later: it is kept until the next call.
            captured_ns: when it arrived, from any clock that counts on.
        """
        height, width = image.shape[:2]
        left = max(0, width - _COLUMNS) // 2
        sample = image[:: max(1, height // _ROWS), left : left + _COLUMNS].tobytes()
        same = sample == self._sample and self._last is not None and _equal(image, self._last)
        self._last, self._sample = image, sample
        if not same:
            self.since_ns, self._first_ns, self._equal = None, captured_ns, 0
            return 0
        self._equal += 1
        if self.since_ns is not None:
            return 1
        if captured_ns - self._first_ns < self._limit_ns:
            return 0
        self.since_ns = self._first_ns
        return self._equal


def _equal(image: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    if image.shape == other.shape and image.nbytes % 8 == 0 and image.flags.c_contiguous and other.flags.c_contiguous:
        # eight bytes at a time
        return bool((image.reshape(-1).view(np.uint64) == other.reshape(-1).view(np.uint64)).all())
    return np.array_equal(image, other)
