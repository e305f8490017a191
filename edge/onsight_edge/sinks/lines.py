"""Lines in a file or on standard output, each of them whole: what the JSON Lines sinks write to."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onsight_edge.errors import SinkError

STDOUT = "-"


class LineFile:
    """Writes JSON objects, one a line.

    Into the file's own name and not a temporary one, because such a log is read while it grows. Each line is one
    unbuffered write, so a reader, and a run that is killed, finds whole lines only; when the disk is full, the piece
    that still fitted is cut off again.
    """

    def __init__(self, target: str, stop: Callable[[], None], *, append: bool = False, flag: str = "--jsonl") -> None:
        """Open `target`, a file, or standard output for `-`.

        Args:
            target: what the file held before is replaced when the first line comes, unless `append`.
            stop: called when the reader of standard output has gone.
            append: go on after what the file holds.
            flag: how the user named it, for messages.

        Raises:
            SinkError: it cannot be written, or the process was started without a standard output.
        """
        self.target = target
        self._stop, self._append = stop, append
        self._written = False
        self._created = self._regular = False
        self._good = 0
        self._lead = b""
        if target == STDOUT:
            self._handle = _standard_output(flag)
            return
        path = Path(target)
        try:
            self._created = not path.exists()  # may raise: the name is too long, the folder is not ours
            flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else 0) | getattr(os, "O_CLOEXEC", 0)
            self._handle = os.open(path, flags, 0o666)
            status = os.fstat(self._handle)
        except OSError as error:
            raise SinkError(f"cannot write {target}: {error.strerror}") from error
        self._regular = stat.S_ISREG(status.st_mode)
        self._good = status.st_size if append and self._regular else 0
        self._lead = b"\n" if self._good and not _ends_in_newline(path) else b""  # a writer was killed in mid-line

    def write(self, value: dict[str, Any]) -> None:
        """Append one line.

        Raises:
            SinkError: the disk is full, or the reader of standard output has gone.
        """
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        line = self._lead + text.encode(errors="replace") + b"\n"  # a file name that is not UTF-8 must not end the log
        try:
            if self._regular and not self._append and not self._written:
                os.ftruncate(self._handle, 0)
            done = 0
            while done < len(line):
                done += os.write(self._handle, line[done:])
        except BrokenPipeError as error:
            self._stop()
            raise SinkError("the reader of standard output has gone") from error
        except OSError as error:
            if self._regular:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._handle, self._good)
            where = "standard output" if self.target == STDOUT else self.target
            raise SinkError(f"cannot write {where}: {error.strerror}") from error
        self._good += len(line)
        self._written, self._lead = True, b""

    def close(self) -> None:
        """Close the file; one that got no line and was not there before is removed."""
        os.close(self._handle)
        if self._created and self._regular and self._good == 0:
            Path(self.target).unlink(missing_ok=True)


def _ends_in_newline(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:  # it may be ours to write and not to read
        return True


def _standard_output(flag: str) -> int:
    try:
        if sys.stdout is not None:  # so it is where descriptor 1 was closed before Python started
            sys.stdout.flush()
            return os.dup(1)
    except OSError as error:
        raise SinkError(f"cannot write standard output: {error.strerror}") from error
    raise SinkError(f"cannot write standard output: it is closed; give {flag} a file")
