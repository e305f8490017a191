"""When a growing file is put aside, under which name, how many are kept, and when a line must be on the disk."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

_STAMP = r"\d{8}T\d{6}Z(-\d+)?"


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """How a file of lines is kept.

    Attributes:
        rotate_bytes: put the file aside before it would grow above this; None: whatever its size.
        rotate_every_s: put it aside when a line belongs to another period, counted in UTC: 86400 is midnight, 3600 the
            full hour; None: whatever its age.
        keep: how many files put aside are kept, the newest; None: all of them.
        compress: put aside as .gz.
        fsync_s: force lines to the disk when the last time was so many seconds ago, 0: each line; None: leave it to
            the system, which takes about 30 s. A killed process loses nothing either way, a power cut may.
    """

    rotate_bytes: int | None = None
    rotate_every_s: float | None = None
    keep: int | None = None
    compress: bool = False
    fsync_s: float | None = None

    @property
    def rotates(self) -> bool:
        """Whether the file is ever put aside."""
        return self.rotate_bytes is not None or self.rotate_every_s is not None

    def due(self, size: int, more: int, last_write_s: float, now_s: float) -> bool:
        """Whether the file is to be put aside before the next line.

        Args:
            size: its bytes; an empty one stays.
            more: bytes of the next line.
            last_write_s, now_s: seconds since 1970.
        """
        if not size:
            return False
        if self.rotate_bytes is not None and size + more > self.rotate_bytes:
            return True
        every = self.rotate_every_s
        return every is not None and now_s // every != last_write_s // every


def put_aside(path: Path, policy: LogPolicy, now_s: float | None = None) -> Path:
    """Rename `log.jsonl` to `log.20261129T084107Z.jsonl`, compress it if wanted, and remove what is too many.

    Where the disk has no room for the compressed file, the other one stays.

    Raises:
        OSError: it cannot be renamed.
    """
    stamp = f"{datetime.fromtimestamp(time.time() if now_s is None else now_s, timezone.utc):%Y%m%dT%H%M%SZ}"
    before = [_number(one, path) for one in put_aside_files(path) if one.name.startswith(f"{path.stem}.{stamp}")]
    number = f"-{max(before) + 1}" if before else ""
    aside = path.with_name(f"{path.stem}.{stamp}{number}{path.suffix}")
    path.rename(aside)
    if policy.compress:
        aside = _compressed(aside)
    if policy.keep is not None:
        files = put_aside_files(path)
        for old in files[: max(0, len(files) - policy.keep)]:
            with contextlib.suppress(OSError):
                old.unlink()
    return aside


def put_aside_files(path: Path) -> list[Path]:
    """What was put aside of `path` so far, the oldest first."""
    named = re.compile(rf"{re.escape(path.stem)}\.{_STAMP}{re.escape(path.suffix)}(\.gz)?")
    found = [entry for entry in path.parent.iterdir() if named.fullmatch(entry.name)]
    return sorted(found, key=lambda one: (one.name[: len(path.stem) + 17], _number(one, path)))


def clear_leftovers(path: Path) -> None:
    """Remove what a run left that was killed while it compressed: a half of the one, or the other that is done."""
    with contextlib.suppress(OSError):
        half = re.compile(rf"\.{re.escape(path.stem)}\.{_STAMP}{re.escape(path.suffix)}\.gz\.tmp")
        for entry in path.parent.iterdir():  # of this file alone: others of its name but the suffix are at work too
            if half.fullmatch(entry.name):
                entry.unlink()
        for done in put_aside_files(path):
            if done.suffix != ".gz" and done.with_name(done.name + ".gz").exists():
                done.unlink()


def _number(aside: Path, path: Path) -> int:
    """Of those of one second: 1, 2, ..."""
    found = re.match(r"-(\d+)", aside.name[len(path.stem) + 17 :])
    return int(found[1]) if found else 1


def _compressed(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    temporary = path.with_name(f".{path.name}.gz.tmp")
    try:
        with path.open("rb") as whole, gzip.open(temporary, "wb", compresslevel=6) as small:
            shutil.copyfileobj(whole, small, 1 << 20)
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        shutil.copystat(path, temporary)
        temporary.rename(target)
        path.unlink()
    except OSError:
        temporary.unlink(missing_ok=True)
        return path
    return target
