"""What the server knows of the run: the newest result, what happened, what is wrong now. And whoever waits for more.

The sink's thread writes, the server's thread reads. Writing costs a few attribute assignments; the server's loop is
woken only while somebody watches, and at a limited rate.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from onsight_edge.events import EventMaker, trouble_of, wall_time
from onsight_edge.frame import SOURCE_BACK, SOURCE_LOST, Notice, Result
from onsight_edge.summary import Histogram
from onsight_edge.web.public import public_name, public_text

MOST_EVENTS = 500
TOP = 5
_LEAST_PULSE_S = 1 / 30
_TICK_S = 1.0  # watchers look at least so often, also at a run that stands still


class Hub:
    """The state of one run, for the server.

    Attributes:
        run: names this run, as the ids of its events do.
        newest: the newest result; None before the first.
        lost: why the source is away, while it is.
        closed: the run has ended.
        classified: results so far.
    """

    def __init__(self, source: str, run: str) -> None:
        """Know nothing yet of the run of that id, which reads the source of this URI."""
        self.run = run
        self.newest: Result | None = None
        self.newest_at = 0.0
        self.lost: str | None = None
        self.closed = False
        self.classified = 0
        self.began = time.monotonic()
        self._source = source
        self._ages = Histogram()
        self._maker = EventMaker(run)
        self._active: dict[tuple[str, str], dict[str, Any]] = {}
        self._events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._count = 0  # of all events, forgotten ones included
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._woken_at = 0.0

    # the sink's thread

    def note(self, result: Result) -> None:
        """Take a result."""
        now = time.monotonic()
        # where nothing is decided the label changes with every other picture, which is no event
        event = None if result.decision is None else self._maker.of_result(result)
        if event is not None:
            if "name" in event:
                event["name"] = public_name(event["name"])
            self._append({"kind": "decision", **event})
        with self._lock:
            self._ages.add(result.published_ns - result.frame.captured_ns)
        self.classified += 1
        self.newest_at = now
        self.newest = result
        if self._waiting and (event is not None or now - self._woken_at >= _LEAST_PULSE_S):
            self._wake(now)

    def notice(self, notice: Notice) -> None:
        """Take a notice."""
        text = public_text(notice.text, self._source)
        self._append({"kind": "notice", **self._maker.of_notice(notice), "text": text})
        with self._lock:
            trouble = trouble_of(notice)
            if trouble is not None and notice.over:
                self._active.pop(trouble, None)
            elif trouble is not None:
                self._active[trouble] = {"notice": notice.kind, "text": text, "since": wall_time(notice.at_ns)}
        if notice.kind in (SOURCE_LOST, SOURCE_BACK):
            self.lost = text if notice.kind == SOURCE_LOST else None
        self._wake(time.monotonic())

    def close(self) -> None:
        """The run has ended; wakes all that wait."""
        self.closed = True
        self._wake(time.monotonic())

    # any thread

    def active(self) -> list[dict[str, Any]]:
        """What is wrong now."""
        with self._lock:
            return list(self._active.values())

    def ages_ms(self) -> dict[str, float] | None:
        """Percentiles of the age of results since the start."""
        with self._lock:
            found = self._ages.percentiles()
        return None if found is None else found.to_json()

    def events_from(self, count: int) -> tuple[list[dict[str, Any]], int]:
        """The events after the first `count`, oldest first, as far as they are kept; and their number now."""
        with self._lock:
            new = min(self._count - count, len(self._events))
            return list(self._events)[len(self._events) - new :] if new > 0 else [], self._count

    def count_at(self, identity: str | None) -> int:
        """How many events there were once that of the id had happened; 0 where it is unknown, now for None."""
        with self._lock:
            if identity is None:
                return self._count
            places = [at for at, event in enumerate(self._events) if event["id"] == identity]
            return self._count - len(self._events) + places[0] + 1 if places else 0

    @property
    def last_id(self) -> str | None:
        """The id of the last event; None before the first."""
        with self._lock:
            return self._events[-1]["id"] if self._events else None

    # the server's thread

    def serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake those that wait in this loop."""
        self._loop = loop
        self._tick()

    async def changed(self, seen: Result | None) -> None:
        """Return when there is a newer result than `seen`, an event, when a second has passed, or the run has ended."""
        assert self._loop is not None
        future = self._loop.create_future()
        self._waiting.append(future)  # first, so that no result falls between looking and waiting
        if self.newest is seen and not self.closed:
            await future

    def _tick(self) -> None:
        assert self._loop is not None
        self._pulse()
        if not self.closed:
            self._loop.call_later(_TICK_S, self._tick)

    def _pulse(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _wake(self, now: float) -> None:
        if self._loop is not None:
            self._woken_at = now
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._pulse)

    def _append(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._count += 1
            self._events.append(event)


def result_json(result: Result) -> dict[str, Any]:
    """A result's line as in JSONL (docs/live.md), with the time at which its picture was taken, and no folder."""
    line = {"at": wall_time(result.frame.captured_ns), **result.to_json(TOP)}
    if "name" in line:
        line["name"] = public_name(line["name"])
    return line


class Sampler:
    """Asks the device how it fares, at most every two seconds, in the server's own threads and only if asked."""

    def __init__(self, read: Callable[[], dict[str, Any]], every_s: float = 2.0) -> None:
        """Keep what `read` says for `every_s` seconds."""
        self._read, self._every_s = read, every_s
        self._value: dict[str, Any] | None = None
        self._at = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> dict[str, Any]:
        """What the device said last; asks anew where that is old. Blocks while it asks."""
        with self._lock:
            if self.old:
                self._value, self._at = self._read(), time.monotonic()
            return self.value

    @property
    def value(self) -> dict[str, Any]:
        """What the device said last; never blocks."""
        return self._value or {}

    @property
    def old(self) -> bool:
        """Whether it is time to ask anew."""
        return self._value is None or time.monotonic() - self._at >= self._every_s
