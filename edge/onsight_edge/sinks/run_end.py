"""When a run is told to end: what its loop and all its sinks look at."""

from __future__ import annotations

import threading
import time


class RunEnd:
    """When a run is told to end, by its `stop` or by its `deadline`; its loop and all its sinks look here."""

    def __init__(self, stop: threading.Event | None = None, deadline: float = float("inf")) -> None:
        """End once `stop` is set or `time.monotonic()` has reached `deadline`, whichever is first."""
        self.stop = threading.Event() if stop is None else stop
        self.deadline = deadline
        self._since: float | None = None

    @property
    def since(self) -> float | None:
        """The `time.monotonic()` at which the end was first seen; None while the run may go on."""
        if self._since is None:
            now = time.monotonic()
            if self.stop.is_set() or now >= self.deadline:
                self._since = min(now, self.deadline)
        return self._since
