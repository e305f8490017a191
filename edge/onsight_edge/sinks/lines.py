"""Lines in a file or on standard output, each of them whole: what JSON Lines, events and CSV are written to."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onsight_edge.errors import SinkError
from onsight_edge.sinks.rotation import LogPolicy, clear_leftovers, put_aside

STDOUT = "-"


def json_line(value: dict[str, Any]) -> str:
    """`value` as one line of JSON, without its end."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


class LineFile:
    """Writes lines.

    Into the file's own name and not a temporary one, because such a log is read while it grows. Each line is one
    unbuffered write, so a reader, and a run that is killed, finds whole lines only; when the disk is full, the piece
    that still fitted is cut off again.
    """

    def __init__(
        self,
        target: str,
        stop: Callable[[], None],
        *,
        append: bool = False,
        flag: str = "--jsonl",
        header: str | None = None,
        policy: LogPolicy | None = None,
    ) -> None:
        """Open `target`, a file, or standard output for `-`.

        Args:
            target: what the file held before is replaced when the first line comes, unless `append`.
            stop: called when the reader of standard output has gone.
            append: go on after what the file holds; so it is wherever the file is rotated.
            flag: how the user named it, for messages.
            header: the first line of every file.
            policy: rotation and fsync; standard output and devices have neither.

        Raises:
            SinkError: it cannot be written, or the process was started without a standard output.
        """
        self.target = target
        self.policy = policy or LogPolicy()
        self._stop, self._flag = stop, flag
        self._header = b"" if header is None else header.encode(errors="replace") + b"\n"
        self._append = append or self.policy.rotates
        self._written = False
        self._created = self._regular = False
        self._size = 0
        self._wrote_s = self._synced_s = time.time()
        self._lead = b""
        self._handle = -1
        self._open()

    def write(self, text: str) -> None:
        """Append `text`, which has no line end in it, as one line.

        Raises:
            SinkError: the disk is full, or the reader of standard output has gone.
        """
        line = text.encode(errors="replace") + b"\n"  # a file name that is not UTF-8 must not end the log
        now_s = time.time()
        try:
            if self._regular and self.policy.due(self._size, len(line), self._wrote_s, now_s):
                self._rotate(now_s)
            if self._regular and not self._append and not self._written:
                os.ftruncate(self._handle, 0)
            whole = self._lead + (b"" if self._size else self._header) + line
            done = 0
            while done < len(whole):
                done += os.write(self._handle, whole[done:])
            self._sync(now_s)
            self._size += len(whole)
            self._written, self._lead, self._wrote_s = True, b"", now_s
        except BrokenPipeError as error:
            self._stop()
            raise SinkError("the reader of standard output has gone") from error
        except OSError as error:
            if self._regular:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._handle, self._size)
            where = "standard output" if self.target == STDOUT else self.target
            raise SinkError(f"cannot write {where}: {error.strerror}") from error

    def reopen(self) -> None:
        """Go on in the file after a failure, wherever its name leads to by now; what was written stays.

        Raises:
            SinkError: it cannot be written, or this is standard output, whose reader does not come back.
        """
        if self.target == STDOUT:
            raise SinkError("the reader of standard output has gone")
        self._append = self._append or self._written
        created = self._created
        before, self._handle = self._handle, -1
        if before >= 0:
            with contextlib.suppress(OSError):
                os.close(before)
        self._open()
        self._created = created

    def close(self) -> None:
        """Close the file; one that got no line and was not there before is removed."""
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        if self._regular and self._written and self.policy.fsync_s is not None:
            with contextlib.suppress(OSError):
                os.fsync(handle)
        os.close(handle)
        if self._created and self._regular and self._size == 0:
            Path(self.target).unlink(missing_ok=True)

    def _open(self) -> None:
        if self.target == STDOUT:
            self._handle = _standard_output(self._flag)
            return
        path = Path(self.target)
        try:
            self._created = not path.exists()  # may raise: the name is too long, the folder is not ours
            flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if self._append else 0) | getattr(os, "O_CLOEXEC", 0)
            self._handle = os.open(path, flags, 0o666)
            status = os.fstat(self._handle)
        except OSError as error:
            raise SinkError(f"cannot write {self.target}: {error.strerror}") from error
        self._regular = stat.S_ISREG(status.st_mode)
        self._size = status.st_size if self._append and self._regular else 0
        self._wrote_s = status.st_mtime if self._size else time.time()
        self._lead = b"\n" if self._size and not _ends_in_newline(path) else b""  # a writer was killed in mid-line
        if self._regular and self.policy.compress:
            clear_leftovers(path)

    def _rotate(self, now_s: float) -> None:
        path = Path(self.target)
        handle, self._handle = self._handle, -1
        os.close(handle)
        put_aside(path, self.policy, now_s)
        self._open()

    def _sync(self, now_s: float) -> None:
        wait_s = self.policy.fsync_s
        if wait_s is not None and self._regular and not 0 <= now_s - self._synced_s < wait_s:
            os.fsync(self._handle)
            self._synced_s = now_s


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
