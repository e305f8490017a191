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

_STAMP = re.compile(r"\d{8}T\d{6}Z(-\d+)?")


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
    aside = path.with_name(f"{path.stem}.{stamp}{path.suffix}")
    number = 1
    while aside.exists() or aside.with_name(aside.name + ".gz").exists():
        number += 1
        aside = path.with_name(f"{path.stem}.{stamp}-{number}{path.suffix}")
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
    start = f"{path.stem}."
    found = []
    for entry in path.parent.iterdir():
        for end in (path.suffix, f"{path.suffix}.gz"):
            stamp = entry.name[len(start) : len(entry.name) - len(end)]
            if entry.name == f"{start}{stamp}{end}" and _STAMP.fullmatch(stamp):
                moment, _, number = stamp.partition("-")
                found.append((moment, int(number or 1), entry))
                break
    return [entry for _, _, entry in sorted(found)]


def clear_leftovers(path: Path) -> None:
    """Remove a half-compressed file that a killed run left behind; the whole one stands beside it."""
    for entry in path.parent.glob(f".{path.stem}.*.gz.tmp"):
        with contextlib.suppress(OSError):
            entry.unlink()


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
