"""JSON Lines: one result a line, in a file or on standard output."""

from __future__ import annotations

from onsight_edge.events import wall_time
from onsight_edge.frame import Notice, Result
from onsight_edge.sinks.line_sink import LineSink
from onsight_edge.sinks.lines import STDOUT, LineFile, json_line
from onsight_edge.sinks.rotation import LogPolicy
from onsight_edge.sinks.sink import RunInfo

__all__ = ["STDOUT", "JsonlSink"]


class JsonlSink(LineSink):
    """Writes `Result.to_json()` lines with the time of day (`at`), and notices between them.

    What the file held before is replaced, unless the file is rotated: then it goes on after it.
    """

    name = "jsonl"

    def __init__(self, target: str, top: int = 5, policy: LogPolicy | None = None) -> None:
        """Write to the file `target`, or to standard output for `-`, each line with the `top` best classes."""
        super().__init__(target, policy)
        self._top = top

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
        at = wall_time(result.frame.captured_ns)
        self._append(json_line({**result.to_json(self._top), "at": at}))

    def notice(self, notice: Notice) -> None:
        """Append a line with the key `notice`.

        Raises:
            SinkError: as `write`.
        """
        self._append(json_line({**notice.to_json(), "at": wall_time(notice.at_ns)}))
