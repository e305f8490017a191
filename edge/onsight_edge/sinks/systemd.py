"""The service manager as a sink: it hears of readiness and life only while results really come.

A loop that hangs, a camera that is gone and a driver that delivers nothing all look the same from outside: no result.
So `READY=1` goes out with the first result and `WATCHDOG=1` with later ones, and nothing else ever sends either.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from onsight_edge.frame import Notice, Result
from onsight_edge.sdnotify import Notifier
from onsight_edge.sinks.sink import RunInfo

_STATUS_EVERY_S = 10.0
_LEAST_EVERY_S = 1.0


class SystemdSink:
    """Tells the service manager; see `onsight service`."""

    name = "systemd"
    wants_image = False
    backlog = 64
    relaxed = True

    def __init__(self, notifier: Notifier, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell `notifier`, which belongs to the sink from now on."""
        self._notifier = notifier
        self._clock = clock
        # sd_watchdog_enabled(3): half of the time; oftener, because one datagram may be lost in a full queue
        watchdog_s = notifier.watchdog_s
        self._alive_every_s = None if watchdog_s is None else min(watchdog_s / 4, _LEAST_EVERY_S)
        self._ready = False
        self._alive_at = self._status_at = float("-inf")

    def open(self, info: RunInfo) -> None:
        """Say what is being waited for."""
        self._notifier.send(STATUS=f"{info.model} waits for the first frame of {info.source}")

    def write(self, result: Result) -> None:
        """A result came: ready, alive, and now and then what is seen."""
        now = self._clock()
        if not self._ready:
            self._ready = self._notifier.send(READY=1)
        if self._alive_every_s is not None and now >= self._alive_at + self._alive_every_s:
            self._notifier.send(WATCHDOG=1)
            self._alive_at = now
        if now >= self._status_at + _STATUS_EVERY_S:
            self._notifier.send(STATUS=_status(result))
            self._status_at = now

    def notice(self, notice: Notice) -> None:
        """Show what is wrong as the service's status; the next result may replace it once it is over."""
        if not notice.over:
            self._notifier.send(STATUS=notice.text)
        self._status_at = self._clock() if not notice.over else float("-inf")

    def close(self) -> None:
        """Say that the run ends on purpose."""
        self._notifier.send(STOPPING=1)
        self._notifier.close()


def _status(result: Result) -> str:
    return f"{result.label} {result.score:.2f}, {result.fps:.1f} fps, frame age {result.age_ms:.1f} ms"
