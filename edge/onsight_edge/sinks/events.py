"""Events: a line where the decision changes, and nothing in between."""

from __future__ import annotations

from onsight_edge.errors import SinkError
from onsight_edge.events import EventMaker
from onsight_edge.frame import Notice, Result
from onsight_edge.sinks.line_sink import LineSink
from onsight_edge.sinks.lines import LineFile, json_line
from onsight_edge.sinks.rotation import LogPolicy
from onsight_edge.sinks.sink import RunInfo


class EventsSink(LineSink):
    """Appends `EventMaker`'s events and notices to a file, one JSON object a line.

    It goes on after what the file holds: a service that starts again does not lose the events of before.
    """

    name = "events"

    def __init__(self, target: str, policy: LogPolicy | None = None) -> None:
        """Write to the file `target`, or to standard output for `-`."""
        super().__init__(target, policy)
        self._events = EventMaker("")

    def open(self, info: RunInfo) -> None:
        """Open the file.

        Raises:
            SinkError: it cannot be written, or the process was started without a standard output.
        """
        self._events = EventMaker(info.run)
        self._file = LineFile(self.target, info.request_stop, append=True, flag="--events", policy=self._policy)

    def write(self, result: Result) -> None:
        """Append a line if this result changed the decision; without a decider every change of the label is one.

        Raises:
            SinkError: the disk is full, or the reader of standard output has gone, which also ends the run.
        """
        event = self._events.of_result(result)
        if event is None:
            return
        try:
            self._append(json_line(event))
        except SinkError:
            self._events.take_back()
            raise

    def notice(self, notice: Notice) -> None:
        """Append a line with the key `notice`.

        Raises:
            SinkError: as `write`.
        """
        self._append(json_line(self._events.of_notice(notice)))
