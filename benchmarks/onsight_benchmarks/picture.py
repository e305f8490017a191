"""The one frame that everything is measured on.

OpenCV is imported where a frame is drawn: records are also read and written where there is none, beside a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_edge.files import sha256_bytes

FRAME_SIZE_WH = (640, 480)


@dataclass(frozen=True, slots=True)
class Picture:
    """How a record names the frame.

    Attributes:
        name: `synthetic`, or the file's name without its folder.
        size_wh: width and height in pixels.
        sha256: of the (H, W, 3) uint8 BGR pixels.
    """

    name: str
    size_wh: tuple[int, int]
    sha256: str


def make_frame(image: Path | None = None, seed: int = 0) -> tuple[NDArray[np.uint8], Picture]:
    """The frame to measure on, and how to name it.

    Args:
        image: a picture file; without one a synthetic picture is drawn.
        seed: of the synthetic picture.

    Returns:
        (480, 640, 3) uint8 BGR and its Picture. A file's picture is brought to that size first.

    Raises:
        DataError: the file is no picture.
    """
    if image is None:
        frame = synthetic_frame(seed)
    else:
        import cv2

        from onsight_edge.images import read_image

        read = read_image(image)
        frame = np.ascontiguousarray(cv2.resize(read, FRAME_SIZE_WH, interpolation=cv2.INTER_AREA), np.uint8)
    name = "synthetic" if image is None else image.name
    return frame, Picture(name, (frame.shape[1], frame.shape[0]), sha256_bytes(frame.tobytes()))


def synthetic_frame(seed: int = 0) -> NDArray[np.uint8]:
    """A (480, 640, 3) uint8 BGR picture like a camera's: soft shapes of colour with sensor noise.

    Convolutions take the same time for any pixels, but a constant picture would let caches flatter the resize.
    """
    import cv2

    width, height = FRAME_SIZE_WH
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    noise = draw.integers(-8, 9, (height, width, 3), dtype=np.int16)
    return np.asarray(np.clip(soft + noise, 0, 255), np.uint8)
