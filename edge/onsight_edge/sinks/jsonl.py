"""JSON Lines: one result a line, in a file or on standard output."""

from __future__ import annotations

from onsight_edge.events import wall_time
from onsight_edge.frame import Notice, Result
from onsight_edge.sinks.lines import STDOUT, LineFile, json_line
from onsight_edge.sinks.rotation import LogPolicy
from onsight_edge.sinks.sink import RunInfo

__all__ = ["STDOUT", "JsonlSink"]


class JsonlSink:
    """Writes `Result.to_json()` lines with the time of day (`at`), and notices between them.

    What the file held before is replaced, unless the file is rotated: then it goes on after it.
    """

    name = "jsonl"
    wants_image = False
    backlog = 1024
    relaxed = True

    def __init__(self, target: str, top: int = 5, policy: LogPolicy | None = None) -> None:
        """Write to the file `target`, or to standard output for `-`, each line with the `top` best classes."""
        self.target = target
        self._top, self._policy = top, policy
        self._file: LineFile | None = None

    def open(self, info: RunInfo) -> None:
        """Open the file; what it held before is replaced only when the first line comes.

        Raises:
            SinkError: it cannot be written, or the process was started without a standard output.
        """
        self._file = LineFile(self.target, info.request_stop, policy=self._policy)

    def write(self, result: Result) -> None:
        """Append one line.

        Raises:
            SinkError: the disk is full, or the reader of standard output has gone, which also ends the run.
        """
        assert self._file is not None  # open
        at = wall_time(result.frame.captured_ns)
        self._file.write(json_line({**result.to_json(self._top), "at": at}))

    def notice(self, notice: Notice) -> None:
        """Append a line with the key `notice`.

        Raises:
            SinkError: as `write`.
        """
        assert self._file is not None  # open
        self._file.write(json_line({**notice.to_json(), "at": wall_time(notice.at_ns)}))

    def recover(self) -> None:
        """Open the file again, after what it holds.

        Raises:
            SinkError: it cannot be written.
        """
        assert self._file is not None  # open
        self._file.reopen()

    def close(self) -> None:
        """Close the file; one that got no line and was not there before is removed."""
        if self._file is not None:
            self._file.close()
