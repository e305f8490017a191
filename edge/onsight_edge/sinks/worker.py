"""Runs a sink on a thread of its own behind a bounded queue, so that no sink can slow the classifier."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from onsight_edge.errors import DataError, OnsightError
from onsight_edge.events import SINK_BACK, SINK_FAILED
from onsight_edge.frame import Notice, Result
from onsight_edge.sinks.run_end import RunEnd
from onsight_edge.sinks.sink import Picks, Recovers, Reports, Sink, SinkSummary, TakesNotices, TakesUndecoded

_TICK_S = 0.1
_AFTER_STOP_S = 3.0
_MOST_NOTICES = 100  # waiting for one sink; far more than a source and a sentinel ever have to say at once
_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)  # before a failed sink is tried again; the last one for good
_NO_IMAGE = np.empty((0, 0, 3), np.uint8)


class SinkWorker:
    """Feeds one open sink.

    With `wait` false (live sources) a full queue loses its oldest result; with `wait` true (files) `offer` waits for
    room, so that nothing is lost. A sink that raises is tried again with pauses that grow, where it can recover; else
    it is closed and switched off. The run goes on either way, and never waits for a sink that does not work.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        wait: bool,
        end: RunEnd | None = None,
        tell: Callable[[Notice], None] | None = None,
    ) -> None:
        """Start the thread; `sink` is open and belongs to the worker from now on.

        `tell` hears when the sink fails and when it works again.

        Once `end` has come, `offer` waits at most 3 s more: a sink that hangs cannot keep a run from ending. The
        workers of one run share it, so that several that hang cost those 3 s together and not each.
        """
        self.sink = sink
        self._undecoded = isinstance(sink, TakesUndecoded)
        self._wait = wait
        self._end = RunEnd() if end is None else end
        self._tell = tell
        self._queue: deque[Result | Notice] = deque()
        self._waiting = 0  # results among them
        self._changed = threading.Condition()
        self._closing = False
        self._deadline = float("inf")
        self._error: str | None = None
        self._down: str | None = None  # why it does not work for now
        self._down_since = 0.0
        self._down_dropped = self._attempts = 0
        self._last_try = False
        self._failures = self._restarts = 0
        self._last_failure: str | None = None
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
        return self.state()

    def state(self) -> SinkSummary:
        """How the sink stands; any thread may ask."""
        summary = SinkSummary(
            self.sink.name,
            self._written,
            self._dropped,
            self._error or self._down,
            self._age_ms,
            self._age_after_5s_ms,
            self._failures,
            self._restarts,
            self._last_failure,
        )
        return summary.with_report(self.sink.report()) if isinstance(self.sink, Reports) else summary

    def _run(self) -> None:
        while (next_one := self._next()) is not None:
            error = self._hand_over(next_one)
            if error is not None:
                # what the sink could not write waits for its recovery; what it stumbled over is left out
                if not self._recover(error, next_one if isinstance(error, OnsightError) else None):
                    break
            elif self._down is not None:
                self._up()
        try:
            self.sink.close()
        except Exception as error:
            self._fail(error)

    def _hand_over(self, one: Result | Notice) -> Exception | None:
        """Give it to the sink; what it raised."""
        try:
            if isinstance(one, Notice):
                if isinstance(self.sink, TakesNotices):
                    self.sink.notice(one)
                return None
            self._note_age(one)
            if isinstance(self.sink, Picks) and not self.sink.picks(one):
                return None
            whole = one if self._undecoded else _with_picture(one)
            if whole is None:
                self._dropped += 1
                return None
            self.sink.write(whole)
        except Exception as error:
            return error
        self._written += 1
        return None

    def _recover(self, error: Exception, unwritten: Result | Notice | None) -> bool:
        """After a failure: wait, and try again; whether the sink is to go on."""
        if not isinstance(self.sink, Recovers):
            self._fail(error)
            return False
        self._note_down(error, unwritten)
        while not self._last_try:
            self._last_try = self._pause(_PAUSES_S[min(self._attempts, len(_PAUSES_S) - 1)])
            self._attempts += 1
            try:
                self.sink.recover()
            except Exception as again:
                self._down = _text(again)
                continue
            return True
        self._fail(error)
        return False

    def _note_down(self, error: Exception, unwritten: Result | Notice | None) -> None:
        first = self._down is None
        with self._changed:
            self._down = self._last_failure = _text(error)
            if first:
                self._failures += 1
                self._down_since, self._down_dropped = time.monotonic(), self._dropped
            if isinstance(unwritten, Notice):
                self._queue.appendleft(unwritten)
            elif unwritten is not None and self._waiting < self.sink.backlog:
                self._queue.appendleft(unwritten)
                self._waiting += 1
            else:
                self._dropped += 1
            self._changed.notify_all()
        if first:
            self._say(SINK_FAILED, f"{self.sink.name}: {self._down}; it is tried again", over=False)

    def _up(self) -> None:
        with self._changed:
            self._down, self._attempts = None, 0
            self._restarts += 1
            lost = self._dropped - self._down_dropped
            seconds = time.monotonic() - self._down_since
        without = f"; {lost} results are not in it" if lost else ""
        self._say(SINK_BACK, f"{self.sink.name}: works again after {seconds:.0f} s{without}", over=True)

    def _say(self, kind: str, text: str, *, over: bool) -> None:
        if self._tell is not None:
            self._tell(Notice(kind, text, time.monotonic_ns(), over))

    def _pause(self, seconds: float) -> bool:
        """Wait; whether the run is over, so that no other attempt will follow."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, seconds)
            return self._closing

    def _wait_for_room(self) -> bool:
        while self._waiting >= self.sink.backlog and self._error is None and self._down is None:
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
        with self._changed:
            if self._error is None:  # the first one is the cause
                self._error = self._last_failure = _text(error)
                self._failures += self._down is None
            self._down = None
            self._drop_all()
            self._changed.notify_all()


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, OnsightError) else f"{type(error).__name__}: {error}"


def _with_picture(result: Result) -> Result | None:
    """The result with its picture at its own size; None where that is damaged, which is no fault of the sink."""
    if result.frame.full is None:
        return result
    try:
        return replace(result, frame=replace(result.frame, image_bgr=result.frame.picture(), full=None))
    except DataError:
        return None
