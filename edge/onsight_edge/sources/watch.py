"""watch://folder: pictures that are put into a folder while it is watched, each once and only when it is whole.

The folder is looked at ten times a second. The kernel's own notices (inotify) would come a little sooner, but none
come from network shares, where cameras and scanners put their pictures, and they do not say that a picture is whole
either: a program may close and open a file several times while it writes.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onsight_edge.errors import DataError, SourceError
from onsight_edge.frame import SOURCE_BACK, SOURCE_LOST, Frame, Notice
from onsight_edge.images import SUFFIXES, decode_image
from onsight_edge.quiet import quiet_stderr
from onsight_edge.sources.jpeg import is_whole, read_header
from onsight_edge.sources.source import Health

LOOK_S = 0.1
SETTLED_S = 2.0  # a file that has not grown for so long and still has no end is damaged
LARGEST = 256 * 2**20  # bytes
_SHARE = 20  # a look at a large folder takes long: the next one waits for so many times as long

Version = tuple[int, int, int]  # inode, bytes, modified: the same picture, whatever it is called


@dataclass(slots=True)
class _Growing:
    version: Version
    since: float  # when it was first seen like this, by the monotonic clock
    was_read: bool = False


class WatchSource:
    """New pictures of a folder, in the order in which they were finished. None is lost: they wait on the disk.

    Those that are there when it begins are old. A picture that is written anew under its name is a new one; one that
    is renamed is not.
    """

    live = False
    fps = None
    size_wh = None

    def __init__(self, folder: Path) -> None:
        """Note what `folder` holds already.

        Raises:
            SourceError: it is no folder, or cannot be read.
        """
        self.uri = f"watch://{folder}"
        self.health = Health()
        self.on_notice: Callable[[Notice], None] = _nobody_listens
        self._folder = folder
        self._closed = threading.Event()
        self._index = 0
        self._growing: dict[str, _Growing] = {}
        self._due: deque[tuple[str, Version]] = deque()
        self._pause_s = 0.0
        self._lost = False
        try:
            self._seen = set(self._versions().values())
        except (OSError, ValueError) as error:  # ValueError: the name holds a zero
            reason = getattr(error, "strerror", None) or error
            raise SourceError(f"cannot watch {folder}: {reason}; expected a folder") from error

    def read(self) -> Frame | None:
        """Wait for the next picture; None only after `close`."""
        while not self._closed.is_set():
            while self._due:
                frame = self._take(*self._due.popleft())
                if frame is not None:
                    return frame
            if self._closed.wait(self._pause_s):
                break
            began = time.monotonic()
            self._look()
            self._pause_s = max(LOOK_S, _SHARE * (time.monotonic() - began))
        return None

    def close(self) -> None:
        """End a read that waits."""
        self._closed.set()

    def _look(self) -> None:
        """Note what is new, whole or not."""
        try:
            versions = self._versions()
        except OSError as error:
            if not self._lost:
                self._lost = True
                text = f"{self.uri} cannot be read any more: {error.strerror}; waiting until it is back"
                self.on_notice(Notice(SOURCE_LOST, text, time.monotonic_ns()))
            return
        if self._lost:
            self._lost = False
            self.health.reopened += 1
            self.on_notice(Notice(SOURCE_BACK, f"{self.uri} is back", time.monotonic_ns(), over=True))
        if versions:  # an empty one may be where a share was, which comes back with the same pictures
            self._seen &= set(versions.values())
        self._growing = {name: growing for name, growing in self._growing.items() if name in versions}
        new = [(version[2], name) for name, version in versions.items() if version not in self._seen]
        self._due.extend((name, versions[name]) for _, name in sorted(new))

    def _take(self, name: str, version: Version) -> Frame | None:
        """The frame of a new picture; None where it is not whole yet, or damaged."""
        now = time.monotonic()
        growing = self._growing.get(name)
        if growing is None:
            growing = self._growing[name] = _Growing(version, now)
        elif growing.version != version:
            self._growing[name] = _Growing(version, now)
            return None  # it grows: not worth reading before it stops
        settled = now - growing.since >= SETTLED_S
        if growing.was_read and not settled:
            return None
        growing.was_read = True
        data = self._read(name, version)
        complete = data is not None and is_complete(data)
        if not complete and not settled:
            return None
        del self._growing[name]
        self._seen.add(version)
        try:
            if data is None or not complete:
                raise DataError("it has no end, or cannot be read")
            captured_ns = time.monotonic_ns()
            with quiet_stderr():  # libpng and libjpeg tell of damage in lines of their own
                image = decode_image(data)
        except DataError:
            self.health.skipped += 1
            return None
        frame = Frame(image, self._index, captured_ns, name=name)
        self._index += 1
        return frame

    def _read(self, name: str, version: Version) -> bytes | None:
        """What a file holds, if that is still `version` of it."""
        if not 0 < version[1] <= LARGEST:
            return None
        try:
            with (self._folder / name).open("rb") as file:
                data = file.read(version[1] + 1)
                after = os.fstat(file.fileno())
        except OSError:  # gone again, or not ours to read
            return None
        return data if _version(after) == version and len(data) == version[1] else None

    def _versions(self) -> dict[str, Version]:
        """The pictures in the folder; files and links to files, no folders."""
        found: dict[str, Version] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if os.path.splitext(entry.name)[1].lower() not in SUFFIXES:  # noqa: PTH122 - ten times a second
                    continue
                try:
                    status = entry.stat()
                except OSError:  # gone since, or a link to nothing
                    continue
                if stat.S_ISREG(status.st_mode):
                    found[entry.name] = _version(status)
        return found


def is_complete(data: bytes) -> bool:
    """Whether a picture's file has its end: by the last marker of a JPEG or PNG, the length in a BMP or WebP."""
    if data.startswith(b"\xff\xd8"):
        return is_whole(data) and read_header(data) is not None  # else the end is that of a thumbnail
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"IEND\xae\x42\x60\x82" in data[-1024:]
    if data.startswith(b"BM"):
        return len(data) >= 26 and len(data) >= int.from_bytes(data[2:6], "little")
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return False


def open_watch(uri: str) -> WatchSource:
    """Open `watch://folder`, `watch:///absolute/folder` or `watch://~/folder`.

    Raises:
        SourceError: there is no such folder, or it cannot be read.
    """
    name = uri.partition("://")[2]
    if not name:
        raise SourceError(f"{uri}: name a folder, such as watch://inbox")
    try:
        folder = Path(name).expanduser()
    except RuntimeError as error:  # ~somebody
        raise SourceError(f"cannot watch {uri}: {error}") from error
    return WatchSource(folder)


def _version(status: os.stat_result) -> Version:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _nobody_listens(_: Notice) -> None:
    return
