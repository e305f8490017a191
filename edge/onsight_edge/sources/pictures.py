"""A folder of pictures, or one picture: each file is one frame."""

from __future__ import annotations

import time
from pathlib import Path

from onsight_edge.errors import DataError, SourceError
from onsight_edge.frame import Frame
from onsight_edge.images import SUFFIXES, read_image
from onsight_edge.quiet import quiet_stderr
from onsight_edge.sources.source import Health, Pacer


class PicturesSource:
    """The pictures of a folder in the order of their names. Damaged ones are counted and left out."""

    size_wh = None

    def __init__(self, path: Path, *, fps: float | None = None, loop: bool = False) -> None:
        """List `path`.

        Args:
            path: a folder, whose own pictures are taken and not those of folders in it; or one picture.
            fps: show them at this rate as if live; None delivers every one as fast as they are taken.
            loop: begin again at the end.

        Raises:
            SourceError: it cannot be read or holds no picture; `read` raises it where none can be decoded.
        """
        self.uri = str(path)
        self.live = fps is not None
        self.fps = fps
        self.health = Health()
        self._pacer = None if fps is None else Pacer(fps)
        self._loop = loop
        self._index = self._next = 0
        self._closed = False
        self._paths = _pictures(path) if path.is_dir() else [path]
        self._good_this_round = 0
        self._reason = ""

    def read(self) -> Frame | None:
        """The next picture that can be decoded; None after the last.

        Raises:
            SourceError: none of them can be decoded.
        """
        while not self._closed:
            if self._next == len(self._paths):
                if self._good_this_round == 0:
                    raise SourceError(self._nothing())
                if not self._loop:
                    return None
                self._next = self._good_this_round = 0
            path = self._paths[self._next]
            self._next += 1
            try:
                with quiet_stderr():  # libpng and libjpeg tell of damage in lines of their own
                    image = read_image(path)
            except DataError as error:
                self.health.skipped += 1
                self._reason = str(error)
                continue
            if self._pacer is not None and not self._pacer.wait():
                return None
            self._good_this_round += 1
            frame = Frame(image, self._index, time.monotonic_ns(), name=path.name)
            self._index += 1
            return frame
        return None

    def close(self) -> None:
        """Stop delivering."""
        self._closed = True
        if self._pacer is not None:
            self._pacer.close()

    def _nothing(self) -> str:
        if len(self._paths) == 1:
            return self._reason
        return f"{self.uri}: none of its {len(self._paths)} pictures can be decoded; the last: {self._reason}"


def _pictures(folder: Path) -> list[Path]:
    try:
        inside = sorted(folder.iterdir())
        found = [path for path in inside if path.suffix.lower() in SUFFIXES and path.is_file()]
        folders = not found and any(path.is_dir() for path in inside)
    except OSError as error:
        raise SourceError(f"cannot read {folder}: {error.strerror}") from error
    if not found:
        hint = f"; for class folders give dataset://{folder}" if folders else ""
        raise SourceError(f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))}){hint}")
    return found
