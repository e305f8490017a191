"""Pictures as plain bytes, the way ffmpeg's rawvideo, GStreamer's fdsink and camera programs write them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How a picture lies in memory.

    Attributes:
        rows: rows of bytes, as a multiple of the height: the colour planes of YUV 4:2:0 lie below the grey one.
        channels: bytes at each place.
        code: OpenCV's conversion to BGR; None where there is nothing to convert. Those from YUV take it for BT.601 of
            limited range, which is what cameras and ffmpeg give for pictures below 720 lines.
        even_wh: whether width and height must be even.
    """

    rows: float
    channels: int
    code: int | None
    even_wh: tuple[bool, bool] = (False, False)

    def shape(self, size_wh: tuple[int, int]) -> tuple[int, int, int]:
        """(rows, columns, channels) uint8 of a picture.

        Raises:
            UsageError: a side is odd that must be even.
        """
        if any(side % 2 and even for side, even in zip(size_wh, self.even_wh, strict=True)):
            sides = "width and height" if self.even_wh[1] else "width"
            raise UsageError(f"this format needs an even {sides}, not {size_wh[0]}x{size_wh[1]}")
        return int(size_wh[1] * self.rows), size_wh[0], self.channels

    def bytes_in(self, size_wh: tuple[int, int]) -> int:
        """How long a picture is.

        Raises:
            UsageError: as `shape`.
        """
        return prod(self.shape(size_wh))

    def to_bgr(self, data: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        """(height, width, 3) BGR of flat uint8 `data`; a view of it where it is BGR already."""
        picture = data.reshape(self.shape(size_wh))
        return picture if self.code is None else cv2.cvtColor(picture, self.code)  # type: ignore[return-value]


FORMATS = {
    "bgr24": RawFormat(1, 3, None),
    "rgb24": RawFormat(1, 3, cv2.COLOR_RGB2BGR),
    "bgra": RawFormat(1, 4, cv2.COLOR_BGRA2BGR),
    "rgba": RawFormat(1, 4, cv2.COLOR_RGBA2BGR),
    "gray": RawFormat(1, 1, cv2.COLOR_GRAY2BGR),
    "i420": RawFormat(1.5, 1, cv2.COLOR_YUV2BGR_I420, (True, True)),
    "yuv420p": RawFormat(1.5, 1, cv2.COLOR_YUV2BGR_I420, (True, True)),
    "nv12": RawFormat(1.5, 1, cv2.COLOR_YUV2BGR_NV12, (True, True)),
    "yuyv422": RawFormat(1, 2, cv2.COLOR_YUV2BGR_YUYV, (True, False)),
}
