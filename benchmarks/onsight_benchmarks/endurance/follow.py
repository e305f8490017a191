"""Reads a log that is rotated while it grows, as `tail -F` does, and loses no line of it."""

from __future__ import annotations

import os
from pathlib import Path


class Follower:
    """Follows one file by its name.

    A file that was put aside is read to its end through the descriptor that is still open, even where it was compressed
    or removed by then. Looked at less often than it is rotated, whole files are missed.
    """

    def __init__(self, path: Path) -> None:
        """Follow `path`, which need not be there yet."""
        self._path = path
        self._handle = -1
        self._rest = b""
        self.files = 0

    def lines(self) -> list[str]:
        """Whole lines that came since the last call."""
        found: list[str] = []
        while True:
            if self._handle < 0:
                try:
                    self._handle = os.open(self._path, os.O_RDONLY)
                except FileNotFoundError:
                    return found
                self.files += 1
            put_aside = self._put_aside()  # asked before reading: what is written in between belongs to the old file
            found += self._read()
            if not put_aside:
                return found
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._rest = -1, b""

    def _read(self) -> list[str]:
        pieces = [self._rest]
        while piece := os.read(self._handle, 1 << 20):
            pieces.append(piece)
        *whole, self._rest = b"".join(pieces).split(b"\n")
        return [line.decode(errors="replace") for line in whole]

    def _put_aside(self) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False  # between being renamed and opened anew
        mine = os.fstat(self._handle)
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)
