"""synthetic://: frames made here, moving, numbered and stamped, for tests and for measuring without a camera."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import UsageError
from onsight_edge.frame import Frame
from onsight_edge.sources.source import Health, Pacer, check_fps, number_option, parse_size, split_options, whole_option

_BITS = 24  # fields in a row
_PLACES = np.arange(_BITS)
_HUES = {"red": 0, "green": 60, "blue": 120}  # in OpenCV's half degrees
SCENES = ("gradient", "colours")
OPTIONS = ("fps", "size", "frames", "scene")


class SyntheticSource:
    """A colour gradient that drifts by two pixels a frame, with the frame's number written on it.

    The number also stands in the top rows as 24 black and white fields, and below it, in two rows of fields, the time
    at which the frame was begun, in microseconds of `time.monotonic_ns()`: so that `read_number` and `read_time_ns`
    find them again after a picture went through a video file or a stream.

    The scene `colours` is red, green and blue in turn, a second each or 30 frames, and its frames say so as their
    truth.
    """

    def __init__(
        self,
        fps: float | None = 30.0,
        size_wh: tuple[int, int] = (640, 480),
        frames: int | None = None,
        *,
        scene: str = SCENES[0],
    ) -> None:
        """Make the source.

        Args:
            fps: rate of a live source; None delivers as fast as frames are taken, and is not live.
            size_wh: width and height in pixels, at least 48x16.
            frames: end after so many; None never ends.
            scene: one of SCENES.

        Raises:
            UsageError: the rate or the size makes no sense, or there is no such scene.
        """
        if scene not in SCENES:
            raise UsageError(f"scene must be one of {', '.join(SCENES)}, not {scene!r}")
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
        self._turn = max(1, round(fps or 30))
        if scene == "colours":
            self._backgrounds: list[tuple[str | None, NDArray[np.uint8]]] = [
                (name, _background(size_wh, np.full(2 * width, hue), 210)) for name, hue in _HUES.items()
            ]
        else:
            self._backgrounds = [(None, _background(size_wh, np.linspace(0, 360, 2 * width, endpoint=False), 150))]
        # OpenCV loads its font for the first text that it draws: not while the first frame is due
        cv2.putText(np.zeros((8, 8, 3), np.uint8), "0", (0, 8), cv2.FONT_HERSHEY_SIMPLEX, 0.1, (0, 0, 0), 1)

    def read(self) -> Frame | None:
        """The next frame; None after the last."""
        if self._frames is not None and self._index >= self._frames:
            return None
        if self._closed or (self._pacer is not None and not self._pacer.wait()):
            return None
        width, height = self.size_wh
        left = 2 * self._index % width
        truth, background = self._backgrounds[self._index // self._turn % len(self._backgrounds)]
        begun_us = time.monotonic_ns() // 1000
        image = background[:, left : left + width].copy()
        for row, value in enumerate((self._index, begun_us, begun_us >> _BITS)):
            _write_fields(image, row, value)
        text, size = f"{self._index}", height / 160
        cv2.putText(image, text, (width // 8, height * 2 // 3), cv2.FONT_HERSHEY_SIMPLEX, size, (40, 40, 40), 2)
        # a picture has arrived when all of it is there
        frame = Frame(image, self._index, time.monotonic_ns(), truth)
        self._index += 1
        return frame

    def close(self) -> None:
        """Stop delivering."""
        self._closed = True
        if self._pacer is not None:
            self._pacer.close()


def read_number(image: NDArray[np.uint8]) -> int:
    """The number of a synthetic frame (H, W, 3), also after lossy compression; counts modulo 2**24."""
    return _read_fields(image, 0)


def read_time_ns(image: NDArray[np.uint8]) -> int:
    """When a synthetic frame (H, W, 3) was begun, as `time.monotonic_ns()` of its machine, in steps of 1000."""
    return (_read_fields(image, 1) | _read_fields(image, 2) << _BITS) * 1000


def open_synthetic(uri: str, *, fps: float | None = None, size_wh: tuple[int, int] | None = None) -> SyntheticSource:
    """Open `synthetic://?fps=30&size=640x480&frames=100&scene=colours`; fps=0: as fast as frames are taken.

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
    return SyntheticSource(rate, size, frames, scene=options.get("scene", SCENES[0]))


def _fields(image: NDArray[np.uint8]) -> tuple[int, int]:
    height, width = image.shape[:2]
    return max(4, height // 20), width // _BITS


def _write_fields(image: NDArray[np.uint8], row: int, number: int) -> None:
    rows, field = _fields(image)
    fields = np.repeat(255 * (number >> _PLACES & 1), field)
    image[row * rows : (row + 1) * rows, : _BITS * field] = fields[:, np.newaxis]


def _read_fields(image: NDArray[np.uint8], row: int) -> int:
    rows, field = _fields(image)
    inner = max(1, rows // 4)  # compression blurs the edges
    values = image[row * rows + inner : (row + 1) * rows - inner].mean(axis=(0, 2))
    return sum(1 << bit for bit in range(_BITS) if values[bit * field + field // 2] > 127)


def _background(size_wh: tuple[int, int], hue: NDArray[Any], saturation: int) -> NDArray[np.uint8]:
    """(height, 2 * width, 3) BGR, the hues from left to right, and twice from bright to dark where there is one."""
    width, height = size_wh
    light = np.linspace(230, 90, height)[:, np.newaxis]
    if hue[0] == hue[-1]:  # one hue, which could not be seen to move
        light = light * np.linspace(1, 0.7, width)[np.arange(2 * width) % width]
    hsv = np.empty((height, 2 * width, 3), np.uint8)
    hsv[..., 0], hsv[..., 1], hsv[..., 2] = hue % 180, saturation, light
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)  # type: ignore[return-value]
