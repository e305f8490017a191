"""Whole arrays of pictures into a model's size and colour, by the same Preprocessor that live frames go through."""

from __future__ import annotations

import os

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError
from onsight_edge.geometry import View
from onsight_edge.preprocess import Preprocessor
from onsight_edge.spec import Colour, ModelSpec, Resize

_GIB = 1 << 30
MAX_SIDE = 4096


def preprocessor(size_wh: tuple[int, int], colour: Colour, resize: Resize, view: View) -> Preprocessor:
    """A Preprocessor that yields pixels of this size and colour, of what `view` looks at.

    Raises:
        DataError: the size is out of range.
    """
    if not all(1 <= side <= MAX_SIDE for side in size_wh):
        raise DataError(f"the size must be 1..{MAX_SIDE} pixels a side, not {size_wh[0]}x{size_wh[1]}")
    spec = ModelSpec(
        name="data", classes=("0", "1"), input_size_wh=size_wh, colour=colour, resize=resize, **view._asdict()
    )
    return Preprocessor(spec)


def room_for(count: int, size_wh: tuple[int, int], channels: int, what: str, itemsize: int = 1) -> None:
    """Refuse what cannot fit into this machine's memory, before it is tried and the system ends the process.

    Args:
        count: pictures.
        size_wh, channels: of each.
        what: opens the message.
        itemsize: bytes of one value, as the file holds it.

    Raises:
        DataError: more than nine tenths of the memory would be needed.
    """
    needed = count * size_wh[0] * size_wh[1] * channels * itemsize
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # no POSIX
        return
    if needed > 0.9 * there:
        raise DataError(
            f"{what}: {count} pictures of {size_wh[0]}x{size_wh[1]} need {needed / _GIB:.1f} GiB of memory; "
            f"this machine has {there / _GIB:.1f}: take a smaller size or fewer pictures"
        )


def convert(
    images: NDArray[np.uint8], size_wh: tuple[int, int], colour: Colour, resize: Resize, view: View
) -> NDArray[np.uint8]:
    """Pictures as the model takes them.

    Args:
        images: (N, h, w, 3) RGB or (N, h, w, 1) grey, uint8.
        size_wh: width and height to come out.
        colour: channel order to come out.
        resize: how other proportions are fitted.
        view: what of each picture is looked at, and which way up.

    Returns:
        (N, height, width, channels) uint8; `images` itself where nothing has to change.

    Raises:
        DataError: the size is out of range, or the result does not fit into memory.
    """
    count, height, width, channels = images.shape
    pictures = preprocessor(size_wh, colour, resize, view)
    if view.whole and (width, height) == size_wh and (channels, colour) in ((3, "rgb"), (1, "grey")):
        return images
    room_for(count, size_wh, pictures.spec.channels, "these")
    converted = np.empty((count, size_wh[1], size_wh[0], pictures.spec.channels), np.uint8)
    for place, image in enumerate(images):
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if channels == 3 else image
        converted[place] = pictures.pixels(bgr)
    return converted
