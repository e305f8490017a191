"""How a connection stands: told when it breaks and when it is back, and counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from onsight_edge.events import OUTBOX, SINK_BACK, SINK_FAILED
from onsight_edge.frame import Notice
from onsight_edge.sinks.outbox import Outbox
from onsight_edge.sinks.sink import SinkReport


class Connection:
    """The state of what a sink sends through; any thread may call it."""

    def __init__(self, name: str, tell: Callable[[Notice], None]) -> None:
        """Nothing is known yet: the first `up` is not told.

        Args:
            name: the sink's.
            tell: hears when it breaks and when it is back.
        """
        self._name, self._tell = name, tell
        self._lock = threading.Lock()
        self._down: str | None = None
        self._since = 0.0
        self._failures = self._restarts = 0
        self._last_failure: str | None = None
        self._told_lost = False

    @property
    def error(self) -> str | None:
        """Why nothing can be sent, or None."""
        return self._down

    def down(self, why: str) -> None:
        """It broke, or could not be made."""
        with self._lock:
            first = self._down is None
            self._down = self._last_failure = why
            if first:
                self._failures += 1
                self._since = time.monotonic()
        if first:
            self.say(SINK_FAILED, f"{why}; events wait on the disk")

    def up(self) -> None:
        """It works."""
        with self._lock:
            if self._down is None:
                return
            self._down = None
            self._restarts += 1
            seconds = time.monotonic() - self._since
        self.say(SINK_BACK, f"works again after {seconds:.0f} s", over=True)

    def say(self, kind: str, text: str, *, over: bool = False) -> None:
        """Tell everybody, under the sink's name."""
        self._tell(Notice(kind, f"{self._name}: {text}", time.monotonic_ns(), over))

    def opened(self, outbox: Outbox) -> None:
        """Tell what was wrong with the file that events wait in, if anything was."""
        if outbox.damaged is not None:
            self.say(OUTBOX, f"{outbox.path} could not be read: put aside as {outbox.damaged.name}")

    def queue(self, outbox: Outbox, event_id: str, body: bytes) -> None:
        """Put an event into the outbox; the first time that one has to go for it, that is told.

        Raises:
            SinkError: the disk is full.
        """
        outbox.put(event_id, body)
        if outbox.lost and not self._told_lost:
            self._told_lost = True
            self.say(OUTBOX, f"{outbox.waiting} events wait, more have no room (--outbox-most): the oldest are dropped")

    def report(self, outbox: Outbox | None, *, delivered: int, refused: int) -> SinkReport:
        """The state, and `delivered`, `waiting`, `lost` (there was no room for them) and `refused` events."""
        waiting, lost = (0, 0) if outbox is None else (outbox.waiting, outbox.lost)
        counts = {"delivered": delivered, "waiting": waiting, "lost": lost, "refused": refused}
        with self._lock:
            why = self._down
            if why is not None and waiting and outbox is not None:
                why = f"{why}; {waiting} events wait in {outbox.path}"
            return SinkReport(why, self._failures, self._restarts, self._last_failure, counts)
