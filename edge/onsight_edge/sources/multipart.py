"""multipart/x-mixed-replace, the way cameras send JPEG after JPEG over one HTTP answer (RFC 2046, section 5.1)."""

from __future__ import annotations

import re

LARGEST_PART = 64 * 2**20  # bytes; memory stays bounded whatever a server sends
LARGEST_HEADER = 64 * 2**10


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a Content-Type header names; None when it is not multipart."""
    if not content_type.lower().startswith("multipart/"):
        return None
    match = re.search(r'boundary="?([^";]+)"?', content_type, re.IGNORECASE)
    # many cameras put the dashes of the delimiter into the parameter as well
    return match[1].strip().removeprefix("--").encode("latin-1") if match else None


class MultipartParser:
    """Cuts a byte stream into parts, however it was chopped on its way."""

    def __init__(self, boundary: bytes) -> None:
        """Expect parts that begin with `--boundary`, or with two dashes more if the first one does.

        `boundary_of` took them off: with some cameras they are the delimiter's own, with others the boundary's.
        """
        self._delimiter = b"--" + boundary
        self._settled = False
        self._buffer = bytearray()
        self._searched = 0
        self._length: int | None = None
        self._in_body = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take in `data`; returns the bodies of the parts that it completed.

        A part with a Content-Length ends after so many bytes, any other at the next delimiter.

        Raises:
            ValueError: a part or its header grows beyond all measure; this is no picture stream.
        """
        self._buffer += data
        parts: list[bytes] = []
        while True:
            if not self._in_body and not self._take_header():
                return parts
            body = self._take_body()
            if body is None:
                return parts
            parts.append(body)

    def _take_header(self) -> bool:
        start = self._buffer.find(self._delimiter)
        if start < 0:
            del self._buffer[: max(0, len(self._buffer) - len(self._delimiter) - 2)]
            return False
        if not self._settled:
            self._settled = True
            if self._buffer[:start].endswith(b"--"):
                self._delimiter = b"--" + self._delimiter
                start -= 2
        end = self._buffer.find(b"\r\n\r\n", start)
        skip = 4
        if end < 0:  # some servers end lines with a bare newline
            end, skip = self._buffer.find(b"\n\n", start), 2
        if end < 0:
            if len(self._buffer) - start > LARGEST_HEADER:
                raise ValueError(f"a part's header is longer than {LARGEST_HEADER} bytes")
            return False
        match = re.search(rb"^content-length:\s*(\d{1,12})\s*$", bytes(self._buffer[start:end]), re.I | re.M)
        self._length = int(match[1]) if match else None
        if self._length is not None and self._length > LARGEST_PART:
            raise ValueError(f"a part announces {self._length} bytes; the most is {LARGEST_PART}")
        del self._buffer[: end + skip]
        self._in_body, self._searched = True, 0
        return True

    def _take_body(self) -> bytes | None:
        end = self._length
        if end is None:
            # look only at what is new, and at as much before it as a cut delimiter may take
            end = self._buffer.find(self._delimiter, max(0, self._searched - len(self._delimiter)))
            self._searched = len(self._buffer)
            if end < 0:
                if len(self._buffer) > LARGEST_PART:
                    raise ValueError(f"a part is longer than {LARGEST_PART} bytes")
                return None
        elif len(self._buffer) < end:
            return None
        body = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._in_body = False
        return body if self._length is not None else body.removesuffix(b"\n").removesuffix(b"\r")
