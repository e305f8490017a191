"""JSON Lines: one result a line, in a file or on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from pathlib import Path

from onsight_edge.errors import SinkError
from onsight_edge.frame import Result
from onsight_edge.sinks.sink import RunInfo

STDOUT = "-"


class JsonlSink:
    """Writes `Result.to_json()` lines.

    Into the file's own name and not a temporary one, because such a log is read while it grows. Each line is one
    unbuffered write, so a reader, and a run that is killed, finds whole lines only; when the disk is full, the piece
    that still fitted is cut off again.
    """

    name = "jsonl"
    wants_image = False
    backlog = 1024

    def __init__(self, target: str) -> None:
        """Write to the file `target`, or to standard output for `-`."""
        self.target = target
        self._handle = -1
        self._good = 0
        self._created = self._regular = False
        self._stop = RunInfo("", False, None, None, "", ()).request_stop

    def open(self, info: RunInfo) -> None:
        """Open the file; what it held before is replaced only when the first line comes.

        Raises:
            SinkError: it cannot be written, or the process was started without a standard output.
        """
        self._stop = info.request_stop
        if self.target == STDOUT:
            self._handle = _standard_output()
            return
        path = Path(self.target)
        try:
            self._created = not path.exists()  # may raise: the name is too long, the folder is not ours
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
            self._regular = stat.S_ISREG(os.fstat(self._handle).st_mode)
        except OSError as error:
            raise SinkError(f"cannot write {self.target}: {error.strerror}") from error

    def write(self, result: Result) -> None:
        """Append one line.

        Raises:
            SinkError: the disk is full, or the reader of standard output has gone, which also ends the run.
        """
        text = json.dumps(result.to_json(), ensure_ascii=False, allow_nan=False)
        line = text.encode(errors="replace") + b"\n"  # a file name that is not UTF-8 must not end the log
        try:
            if self._regular and self._good == 0:
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

    def close(self) -> None:
        """Close the file; one that got no line and was not there before is removed."""
        os.close(self._handle)
        if self._created and self._regular and self._good == 0:
            Path(self.target).unlink(missing_ok=True)


def _standard_output() -> int:
    try:
        if sys.stdout is not None:  # so it is where descriptor 1 was closed before Python started
            sys.stdout.flush()
            return os.dup(1)
    except OSError as error:
        raise SinkError(f"cannot write standard output: {error.strerror}") from error
    raise SinkError("cannot write standard output: it is closed; give --jsonl a file")
