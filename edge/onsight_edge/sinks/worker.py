"""Runs a sink on a thread of its own behind a bounded queue, so that no sink can slow the classifier."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from onsight_edge.errors import DataError, OnsightError
from onsight_edge.frame import Notice, Result
from onsight_edge.sinks.sink import Sink, TakesNotices

_TICK_S = 0.1
_AFTER_STOP_S = 3.0
_MOST_NOTICES = 100  # waiting for one sink; far more than a source and a sentinel ever have to say at once
_NO_IMAGE = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class SinkSummary:
    """What became of one sink.

    Attributes:
        name: the sink's.
        written: results it took.
        dropped: results it never saw because it was too slow, had failed, or had no time left at the end.
        error: why it was switched off, or None.
        age_ms: how old the last picture was when its result reached the sink, waiting in the queue included.
        age_after_5s_ms: the same of the first result that reached it 5 s or more after the first.
    """

    name: str
    written: int
    dropped: int
    error: str | None
    age_ms: float | None
    age_after_5s_ms: float | None


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


class SinkWorker:
    """Feeds one open sink.

    With `wait` false (live sources) a full queue loses its oldest result; with `wait` true (files) `offer` waits for
    room, so that nothing is lost. A sink that raises is closed and switched off; the run goes on.
    """

    def __init__(self, sink: Sink, *, wait: bool, end: RunEnd | None = None) -> None:
        """Start the thread; `sink` is open and belongs to the worker from now on.

        Once `end` has come, `offer` waits at most 3 s more: a sink that hangs cannot keep a run from ending. The
        workers of one run share it, so that several that hang cost those 3 s together and not each.
        """
        self.sink = sink
        self._wait = wait
        self._end = RunEnd() if end is None else end
        self._queue: deque[Result | Notice] = deque()
        self._waiting = 0  # results among them
        self._changed = threading.Condition()
        self._closing = False
        self._deadline = float("inf")
        self._error: str | None = None
        self._written = self._dropped = 0
        self._first_ns: int | None = None
        self._age_ms: float | None = None
        self._age_after_5s_ms: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    @property
    def error(self) -> str | None:
        """Why the sink was switched off, or None."""
        return self._error

    def offer(self, result: Result) -> None:
        """Hand over a result; returns at once unless the worker waits for room."""
        if not self.sink.wants_image:
            result = replace(result, frame=replace(result.frame, image_bgr=_NO_IMAGE, full=None))
        with self._changed:
            has_room = True if not self._wait else self._wait_for_room()
            if self._error is not None or self._closing or not has_room:
                self._dropped += 1
                return
            if self._waiting >= self.sink.backlog:
                self._drop_oldest()
            self._queue.append(result)
            self._waiting += 1
            self._changed.notify_all()

    def tell(self, notice: Notice) -> None:
        """Hand over a notice, if the sink takes such; never waits. Any thread may call it."""
        if not isinstance(self.sink, TakesNotices):
            return
        with self._changed:
            if self._error is None and not self._closing and len(self._queue) - self._waiting < _MOST_NOTICES:
                self._queue.append(notice)
                self._changed.notify_all()

    def close(self, drain_s: float | None = None) -> None:
        """No more results: let the sink write what waits for at most `drain_s` seconds (None: all of it).

        Returns before the sink is done; `join` waits for it. A second call sets another limit.
        """
        with self._changed:
            self._closing = True
            self._deadline = float("inf") if drain_s is None else time.monotonic() + drain_s
            self._changed.notify_all()

    def join(self, timeout_s: float | None = None) -> SinkSummary:
        """Wait for the sink to finish; one that does not within `timeout_s` is left behind and reported."""
        self.wait(timeout_s)
        return self.summary(timeout_s)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the sink to finish, at most `timeout_s` seconds; whether it did."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def summary(self, allowed_s: float | None = None) -> SinkSummary:
        """What became of the sink; one that still runs is reported as too slow for the `allowed_s` seconds it got."""
        if self._thread.is_alive():
            within = "" if allowed_s is None else f" within {allowed_s:g} s"
            self._error = self._error or f"did not finish{within}"
        return SinkSummary(
            self.sink.name, self._written, self._dropped, self._error, self._age_ms, self._age_after_5s_ms
        )

    def _run(self) -> None:
        try:
            while (next_one := self._next()) is not None:
                if isinstance(next_one, Notice):
                    if isinstance(self.sink, TakesNotices):
                        self.sink.notice(next_one)
                    continue
                self._note_age(next_one)
                whole = _with_picture(next_one)
                if whole is None:
                    self._dropped += 1
                    continue
                self.sink.write(whole)
                self._written += 1
        except Exception as error:
            self._fail(error)
        try:
            self.sink.close()
        except Exception as error:
            self._fail(error)

    def _wait_for_room(self) -> bool:
        while self._waiting >= self.sink.backlog and self._error is None:
            since = self._end.since
            if since is not None and time.monotonic() > since + _AFTER_STOP_S:
                return False
            self._changed.wait(_TICK_S)  # in steps: whoever sets `stop` knows nothing of this condition
        return True

    def _drop_oldest(self) -> None:
        oldest = next(at for at, one in enumerate(self._queue) if isinstance(one, Result))
        del self._queue[oldest]
        self._waiting -= 1
        self._dropped += 1

    def _drop_all(self) -> None:
        self._dropped += self._waiting
        self._waiting = 0
        self._queue.clear()

    def _next(self) -> Result | Notice | None:
        with self._changed:
            while not self._queue:
                if self._closing:
                    return None
                self._changed.wait()
            if time.monotonic() > self._deadline:
                self._drop_all()
                return None
            next_one = self._queue.popleft()
            if isinstance(next_one, Result):
                self._waiting -= 1
            self._changed.notify_all()
            return next_one

    def _note_age(self, result: Result) -> None:
        now = time.monotonic_ns()
        self._age_ms = (now - result.frame.captured_ns) / 1e6
        if self._first_ns is None:
            self._first_ns = now
        elif self._age_after_5s_ms is None and now - self._first_ns >= 5e9:
            self._age_after_5s_ms = self._age_ms

    def _fail(self, error: Exception) -> None:
        text = str(error) if isinstance(error, OnsightError) else f"{type(error).__name__}: {error}"
        with self._changed:
            self._error = self._error or text  # the first one is the cause
            self._drop_all()
            self._changed.notify_all()


def _with_picture(result: Result) -> Result | None:
    """The result with its picture at its own size; None where that is damaged, which is no fault of the sink."""
    if result.frame.full is None:
        return result
    try:
        return replace(result, frame=replace(result.frame, image_bgr=result.frame.picture(), full=None))
    except DataError:
        return None
