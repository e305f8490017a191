"""Events: a line where the decision changes, and nothing in between."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from time import monotonic_ns
from typing import Any

from onsight_edge.frame import Notice, Result
from onsight_edge.sinks.lines import LineFile
from onsight_edge.sinks.sink import RunInfo


class EventsSink:
    """Appends `{"event": "cat", "before": "dog", "score": 0.93, "at": "2026-...Z", ...}` and notices to a file.

    It goes on after what the file holds: a service that starts again does not lose the events of before.
    """

    name = "events"
    wants_image = False
    backlog = 1024

    def __init__(self, target: str) -> None:
        """Write to the file `target`, or to standard output for `-`."""
        self.target = target
        self._file: LineFile | None = None
        self._before: str | None = None

    def open(self, info: RunInfo) -> None:
        """Open the file.

        Raises:
            SinkError: it cannot be written, or the process was started without a standard output.
        """
        self._file = LineFile(self.target, info.request_stop, append=True, flag="--events")

    def write(self, result: Result) -> None:
        """Append a line if this result changed the decision; without a decider every change of the label is one.

        Raises:
            SinkError: the disk is full, or the reader of standard output has gone, which also ends the run.
        """
        if result.label == self._before:
            return
        line: dict[str, Any] = {
            "event": result.label,
            "before": self._before,
            "score": round(result.score, 6),
            "at": wall_time(result.frame.captured_ns),
            "frame": result.frame.index,
        }
        if result.frame.name is not None:
            line["name"] = result.frame.name
        self._before = result.label
        self._append(line)

    def notice(self, notice: Notice) -> None:
        """Append a line with the key `notice`.

        Raises:
            SinkError: as `write`.
        """
        self._append({**notice.to_json(), "at": wall_time(notice.at_ns)})

    def close(self) -> None:
        """Close the file; one that got no line and was not there before is removed."""
        if self._file is not None:
            self._file.close()

    def _append(self, line: dict[str, Any]) -> None:
        assert self._file is not None  # open
        self._file.write(line)


def wall_time(at_ns: int) -> str:
    """A `time.monotonic_ns()` of a moment ago as the clock on the wall showed it: ISO 8601, UTC, milliseconds."""
    ago = timedelta(microseconds=(monotonic_ns() - at_ns) / 1000)
    return (datetime.now(timezone.utc) - ago).isoformat(timespec="milliseconds").replace("+00:00", "Z")
