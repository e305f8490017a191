"""JSON Lines: one result a line, in a file or on standard output."""

from __future__ import annotations

from onsight_edge.frame import Notice, Result
from onsight_edge.sinks.lines import STDOUT, LineFile
from onsight_edge.sinks.sink import RunInfo

__all__ = ["STDOUT", "JsonlSink"]


class JsonlSink:
    """Writes `Result.to_json()` lines, and notices between them; what the file held before is replaced."""

    name = "jsonl"
    wants_image = False
    backlog = 1024

    def __init__(self, target: str, top: int = 5) -> None:
        """Write to the file `target`, or to standard output for `-`, each line with the `top` best classes."""
        self.target = target
        self._top = top
        self._file: LineFile | None = None

    def open(self, info: RunInfo) -> None:
        """Open the file; what it held before is replaced only when the first line comes.

        Raises:
            SinkError: it cannot be written, or the process was started without a standard output.
        """
        self._file = LineFile(self.target, info.request_stop)

    def write(self, result: Result) -> None:
        """Append one line.

        Raises:
            SinkError: the disk is full, or the reader of standard output has gone, which also ends the run.
        """
        assert self._file is not None  # open
        self._file.write(result.to_json(self._top))

    def notice(self, notice: Notice) -> None:
        """Append a line with the key `notice`.

        Raises:
            SinkError: as `write`.
        """
        assert self._file is not None  # open
        self._file.write(notice.to_json())

    def close(self) -> None:
        """Close the file; one that got no line and was not there before is removed."""
        if self._file is not None:
            self._file.close()
