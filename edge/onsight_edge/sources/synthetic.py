"""synthetic://: frames made here, moving and numbered, for tests, demonstrations and measuring without a camera."""

from __future__ import annotations

import time

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import UsageError
from onsight_edge.frame import Frame
from onsight_edge.sources.source import Health, Pacer, check_fps, number_option, parse_size, split_options, whole_option

_BITS = 24
OPTIONS = ("fps", "size", "frames")


class SyntheticSource:
    """A colour gradient that drifts by two pixels a frame, with the frame's number written on it.

    The number also stands in the top rows as 24 black and white fields, so that `read_number` finds it again after
    a picture went through a video file.
    """

    def __init__(
        self, fps: float | None = 30.0, size_wh: tuple[int, int] = (640, 480), frames: int | None = None
    ) -> None:
        """Make the source.

        Args:
            fps: rate of a live source; None delivers as fast as frames are taken, and is not live.
            size_wh: width and height in pixels, at least 48x16.
            frames: end after so many; None never ends.

        Raises:
            UsageError: the rate or the size makes no sense.
        """
        width, height = size_wh
        if width < 2 * _BITS or height < 16:
            raise UsageError(f"synthetic frames are at least {2 * _BITS}x16, not {width}x{height}")
        self.uri = "synthetic://"
        self.live = fps is not None
        self.fps = fps
        self.size_wh = size_wh
        self.health = Health()
        self._frames = frames
        self._index = 0
        self._closed = False
        self._pacer = None if fps is None else Pacer(fps)
        hue = np.linspace(0, 360, 2 * width, endpoint=False) % 180
        light = np.linspace(230, 90, height)
        hsv = np.empty((height, 2 * width, 3), np.uint8)
        hsv[..., 0], hsv[..., 1], hsv[..., 2] = hue[np.newaxis], 150, light[:, np.newaxis]
        self._background = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)

    def read(self) -> Frame | None:
        """The next frame; None after the last."""
        if self._frames is not None and self._index >= self._frames:
            return None
        if self._closed or (self._pacer is not None and not self._pacer.wait()):
            return None
        width, height = self.size_wh
        left = 2 * self._index % width
        image: NDArray[np.uint8] = self._background[:, left : left + width].copy()
        _write_number(image, self._index)
        text, size = f"{self._index}", height / 160
        cv2.putText(image, text, (width // 8, height * 2 // 3), cv2.FONT_HERSHEY_SIMPLEX, size, (40, 40, 40), 2)
        frame = Frame(image, self._index, time.monotonic_ns())  # a picture has arrived when all of it is there
        self._index += 1
        return frame

    def close(self) -> None:
        """Stop delivering."""
        self._closed = True
        if self._pacer is not None:
            self._pacer.close()


def read_number(image: NDArray[np.uint8]) -> int:
    """The number of a synthetic frame (H, W, 3), also after lossy compression; counts modulo 2**24."""
    rows, field = _fields(image)
    values = image[: rows // 2].mean(axis=(0, 2))
    return sum(1 << bit for bit in range(_BITS) if values[bit * field + field // 2] > 127)


def open_synthetic(uri: str, *, fps: float | None = None, size_wh: tuple[int, int] | None = None) -> SyntheticSource:
    """Open `synthetic://?fps=30&size=640x480&frames=100`; fps=0 delivers as fast as frames are taken.

    Raises:
        UsageError: an option is unknown or makes no sense.
    """
    rest, options = split_options(uri, OPTIONS)
    if rest:
        raise UsageError(f"{uri}: synthetic:// takes options only, {', '.join(OPTIONS)}")
    rate: float | None = number_option(uri, options, "fps", 30.0) if fps is None else fps
    rate = None if rate == 0 else check_fps(rate or 0)
    size = size_wh or parse_size(options.get("size", "640x480"))
    frames = whole_option(uri, options, "frames", 0) if "frames" in options else None
    return SyntheticSource(rate, size, frames)


def _fields(image: NDArray[np.uint8]) -> tuple[int, int]:
    height, width = image.shape[:2]
    return max(4, height // 20), width // _BITS


def _write_number(image: NDArray[np.uint8], number: int) -> None:
    rows, field = _fields(image)
    for bit in range(_BITS):
        image[:rows, bit * field : (bit + 1) * field] = 255 if number >> bit & 1 else 0
