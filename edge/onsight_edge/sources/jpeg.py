"""JPEGs as cameras send them: their size from their header, and decoding no more of them than is needed."""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from onsight_edge.errors import DataError
from onsight_edge.frame import Frame
from onsight_edge.images import decode_image
from onsight_edge.quiet import quiet_stderr
from onsight_edge.sources.source import Health

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_PIXELS = 1 << 26  # 8192x8192; a header with a flipped bit shall not take the memory of the device
_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_NOT_A_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # DHT, JPG and DAC lie among the SOF markers
_ORIENTATION = 0x0112
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What a JPEG says of itself.

    Attributes:
        size_wh: width and height in pixels as a viewer shows it, EXIF orientation applied.
        orientation: EXIF's, 1..8; 1 is upright.
    """

    size_wh: tuple[int, int]
    orientation: int


class JpegDecoder:
    """Makes frames of JPEGs, at the reduced scale that still covers the model's input.

    Attributes:
        reduction: from a picture's width and height to 1, 2, 4 or 8, by which it may be reduced; see Reducible.
        size_wh: width and height of the last good picture, unreduced; None before the first.
    """

    def __init__(self, health: Health) -> None:
        """Count torn and damaged pictures in `health.skipped`."""
        self.reduction: Callable[[tuple[int, int]], int] = _whole
        self.size_wh: tuple[int, int] | None = None
        self._health = health

    def decode(self, data: bytes, index: int, captured_ns: int) -> Frame | None:
        """The frame that `data` holds; None, and one more in `health.skipped`, where it is torn or damaged.

        A JPEG may end in zeros or line ends, as in a driver's buffer of fixed length. Its EXIF orientation is applied.
        What is damaged between sound markers is decoded as well as can be: libjpeg tells of it on standard error only.
        """
        header = read_header(data) if is_whole(data) else None
        if header is None or header.size_wh[0] * header.size_wh[1] > MOST_PIXELS:
            self._health.skipped += 1
            return None
        by = self.reduction(header.size_wh)
        upright = header.orientation == 1
        try:
            image = _decode(data, by, upright=upright)
        except DataError:
            self._health.skipped += 1
            return None
        self.size_wh = header.size_wh
        whole = None if by == 1 else lambda: _decode(data, 1, upright=upright)
        return Frame(image, index, captured_ns, full=whole)

    def newest(self, pictures: Sequence[bytes], first_index: int, captured_ns: int) -> Frame | None:
        """The frame of the newest whole picture of several that waited, which are numbered from `first_index`.

        Those that it overtakes are not decoded, and are counted only where they are torn. None where all are damaged.
        """
        frame: Frame | None = None
        for at in reversed(range(len(pictures))):
            if frame is None:
                frame = self.decode(pictures[at], first_index + at, captured_ns)
            elif not is_whole(pictures[at]):
                self._health.skipped += 1
        return frame


def is_whole(data: bytes) -> bool:
    """Whether `data` has a JPEG's first and last marker: OpenCV fills a torn one's missing rows with grey."""
    return data.startswith(b"\xff\xd8") and data[-1024:].rstrip(b"\0\r\n").endswith(b"\xff\xd9")


def read_header(data: bytes) -> JpegHeader | None:
    """The header of a JPEG; None where it is damaged or cut off before the size.

    Markers as in ITU-T T.81, annex B; the orientation as in Exif 2.3, tag 0x0112.
    """
    orientation = 1
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in (_SOI, _EOI, _SOS):
            return None
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME:
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            if length < 8 or not width or not height:
                return None
            return JpegHeader((height, width) if orientation in _ON_ITS_SIDE else (width, height), orientation)
        if marker == _APP1:
            orientation = _orientation(data[at + 4 : at + 2 + length])
        at += 2 + length
    return None


def _orientation(segment: bytes) -> int:
    """EXIF's orientation, 1..8; 1 where none is given."""
    if not segment.startswith(b"Exif\0\0"):
        return 1
    tiff = segment[6:]
    order: Literal["little", "big"] = "little" if tiff.startswith(b"II") else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    first = number(4, 4)
    for entry in range(first + 2, min(first + 2 + 12 * number(first, 2), len(tiff) - 11), 12):
        if number(entry, 2) == _ORIENTATION:
            return number(entry + 8, 2)
    return 1


def _decode(data: bytes, by: int, *, upright: bool) -> NDArray[np.uint8]:
    with quiet_stderr():  # libjpeg tells of damage in lines of its own
        binding = _binding() if by == 1 and upright else None
        if binding is not None:
            with contextlib.suppress(ValueError):  # damaged, or CMYK: OpenCV makes of it what can be made
                image: NDArray[np.uint8] = binding(data, colorspace="BGR")
                return image
        return decode_image(data, reduced_by=by)


@functools.cache
def _binding() -> Callable[..., Any] | None:
    """simplejpeg's decoder where it is installed: the same libjpeg-turbo, and in full size faster than OpenCV's.

    Reduced there is nothing in it (`python -m onsight_benchmarks.jpeg`). It does not look at the EXIF orientation.
    """
    try:
        decode: Callable[..., Any] = importlib.import_module("simplejpeg").decode_jpeg
    except ImportError:
        return None
    return decode


def _whole(_: tuple[int, int]) -> int:
    return 1
