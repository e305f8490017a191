"""JPEG after JPEG with nothing between them, as ffmpeg's `-f mjpeg` and camera programs write them."""

from __future__ import annotations

from onsight_edge.sources.multipart import LARGEST_PART

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and the restart markers


class JpegSplitter:
    """Cuts a byte stream at the pictures' first and last markers, however it was chopped on its way.

    The segments before the first scan are stepped over by their lengths, because a thumbnail among them has such
    markers of its own; within a scan a 0xFF of the data is followed by a zero (ITU-T T.81, B.1.1.5).
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._scanning = False

    @property
    def rest(self) -> int:
        """Bytes of a picture that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take in `data`; returns the pictures that it completed, and those that it shows to be torn: cut short.

        Raises:
            ValueError: a picture grows beyond all measure.
        """
        self._buffer += data
        pictures: list[bytes] = []
        while (picture := self._take()) is not None:
            pictures.append(picture)
        if len(self._buffer) > LARGEST_PART:
            raise ValueError(f"a picture is longer than {LARGEST_PART} bytes")
        return pictures

    def _take(self) -> bytes | None:
        if self._at == 0:
            start = self._buffer.find(_SOI)
            if start < 0:
                del self._buffer[:-1]  # half a marker may be the last byte
                return None
            del self._buffer[:start]
            self._at = 2
        end = self._step_over_segments() if not self._scanning else None
        if end is None and self._scanning:
            end = self._find_end()
        if end is None:
            return None
        picture = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._at, self._scanning = 0, False
        return picture

    def _step_over_segments(self) -> int | None:
        """Where the picture ends, if it does before its first scan."""
        buffer = self._buffer
        while self._at + 4 <= len(buffer):
            if buffer[self._at] != 0xFF:  # damaged: look for the next picture from here
                self._scanning = True
                return None
            marker = buffer[self._at + 1]
            if marker == 0xD8:
                return self._at
            if marker == 0xD9:
                return self._at + 2
            if marker == 0xFF:
                self._at += 1
            elif marker in _NO_LENGTH:
                self._at += 2
            else:
                self._at += 2 + int.from_bytes(buffer[self._at + 2 : self._at + 4], "big")
                if marker == 0xDA:
                    self._scanning = True
                    return None
        if self._buffer[self._at : self._at + 2] == _EOI:
            return self._at + 2
        return None

    def _find_end(self) -> int | None:
        end = self._buffer.find(_EOI, self._at)
        torn = self._buffer.find(_SOI, self._at, len(self._buffer) if end < 0 else end)
        if torn >= 0:
            return torn
        if end >= 0:
            return end + 2
        self._at = max(self._at, len(self._buffer) - 1)
        return None
