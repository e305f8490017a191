"""Reading a picture from a file: the one decoder for training, calibration and the live loop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from onsight_edge.errors import DataError
from onsight_edge.quiet import quiet_stderr

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_SCALES = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def read_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The picture in `path` as (H, W, 3) uint8 BGR: EXIF rotation applied, alpha dropped, 16 bits reduced to 8.

    Raises:
        DataError: no such file, empty, or not a picture that OpenCV can decode.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    try:
        with quiet_stderr():  # libpng, libjpeg and OpenCV print what is wrong with a picture, each in its own words
            return decode_image(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def decode_image(data: bytes, *, reduced_by: int = 1) -> NDArray[np.uint8]:
    """An encoded picture as (H, W, 3) uint8 BGR: EXIF rotation applied, alpha dropped, 16 bits reduced to 8.

    Args:
        data: the file's bytes.
        reduced_by: 1, 2, 4 or 8: divides width and height, rounded up. A JPEG is decoded at that scale, which costs
            less and averages as it should; other formats are decoded whole and then resized.

    Raises:
        DataError: empty, or not a JPEG, PNG, BMP or WebP picture.
    """
    if not data:
        raise DataError("the file is empty (0 bytes)")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _SCALES[reduced_by])
    except cv2.error as error:
        if "MAX_IMAGE" in str(error):  # the sizes that the header gives; nothing was decoded
            most = int(os.environ.get("OPENCV_IO_MAX_IMAGE_PIXELS", 1 << 30))
            raise DataError(f"the picture has too many pixels: expected at most {most / 1e6:.0f} million") from error
        raise DataError(f"cannot be decoded: {str(error).splitlines()[0]}") from error
    if image is None:
        raise DataError("is not a JPEG, PNG, BMP or WebP picture, or is damaged")
    return image  # type: ignore[return-value]
