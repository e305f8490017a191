"""What sinks that write lines have in common: the file, its recovery and its end."""

from __future__ import annotations

from onsight_edge.sinks.lines import LineFile
from onsight_edge.sinks.rotation import LogPolicy


class LineSink:
    """A sink on a LineFile, which `open` of each kind makes. See `Sink` for the attributes."""

    name: str
    wants_image = False
    backlog = 1024
    relaxed = True

    def __init__(self, target: str, policy: LogPolicy | None = None) -> None:
        """Write to the file `target`, or to standard output for `-`."""
        self.target = target
        self._policy = policy
        self._file: LineFile | None = None

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

    def _append(self, line: str) -> None:
        assert self._file is not None  # open
        self._file.write(line)
