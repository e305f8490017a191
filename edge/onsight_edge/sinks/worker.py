"""Runs a sink on a thread of its own behind a bounded queue, so that no sink can slow the classifier."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from onsight_edge.errors import DataError, OnsightError
from onsight_edge.events import SINK_BACK, SINK_FAILED
from onsight_edge.frame import Notice, Result
from onsight_edge.sinks.handover import Handover, without_picture
from onsight_edge.sinks.run_end import RunEnd
from onsight_edge.sinks.sink import Picks, Recovers, Relaxed, Reports, Sink, SinkSummary, TakesNotices, TakesUndecoded

_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)  # before a failed sink is tried again; the last one for good


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
        self._noticing = sink if isinstance(sink, TakesNotices) else None
        self._picking = sink if isinstance(sink, Picks) else None
        self._tell = tell
        relaxed = isinstance(sink, Relaxed) and sink.relaxed
        self._pictures = sink.wants_image
        self._queue = Handover(
            sink.backlog, wait=wait, relaxed=relaxed, pictures=self._pictures, end=RunEnd() if end is None else end
        )
        self._error: str | None = None
        self._down: str | None = None  # why it does not work for now
        self._down_since = 0.0
        self._down_dropped = self._attempts = 0
        self._last_try = False
        self._failures = self._restarts = 0
        self._last_failure: str | None = None
        self._written = 0
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
        self._queue.put(result)

    def tell(self, notice: Notice) -> None:
        """Hand over a notice, if the sink takes such; never waits. Any thread may call it."""
        if self._noticing is not None:
            self._queue.tell(notice)

    def close(self, drain_s: float | None = None) -> None:
        """No more results: let the sink write what waits for at most `drain_s` seconds (None: all of it).

        Returns before the sink is done; `join` waits for it. A second call sets another limit.
        """
        self._queue.close(drain_s)

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
            self._queue.dropped,
            self._error or self._down,
            self._age_ms,
            self._age_after_5s_ms,
            self._failures,
            self._restarts,
            self._last_failure,
        )
        return summary.with_report(self.sink.report()) if isinstance(self.sink, Reports) else summary

    def _run(self) -> None:
        while (next_one := self._queue.next()) is not None:
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
                if self._noticing is not None:
                    self._noticing.notice(one)
                return None
            self._note_age(one)
            if self._picking is not None and not self._picking.picks(one):
                return None
            whole = one if self._undecoded else _with_picture(one) if self._pictures else without_picture(one)
            if whole is None:
                self._queue.dropped += 1
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
            self._last_try = self._queue.pause(_PAUSES_S[min(self._attempts, len(_PAUSES_S) - 1)])
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
        self._down = self._last_failure = _text(error)
        if first:
            self._failures += 1
            self._down_since, self._down_dropped = time.monotonic(), self._queue.dropped
        self._queue.put_back(unwritten)
        if first:
            self._say(SINK_FAILED, f"{self.sink.name}: {self._down}; it is tried again", over=False)

    def _up(self) -> None:
        self._down, self._attempts, self._queue.down = None, 0, False
        self._restarts += 1
        lost = self._queue.dropped - self._down_dropped
        without = f"; {lost} results are not in it" if lost else ""
        seconds = time.monotonic() - self._down_since
        self._say(SINK_BACK, f"{self.sink.name}: works again after {seconds:.0f} s{without}", over=True)

    def _say(self, kind: str, text: str, *, over: bool) -> None:
        if self._tell is not None:
            self._tell(Notice(kind, text, time.monotonic_ns(), over))

    def _note_age(self, result: Result) -> None:
        now = time.monotonic_ns()
        self._age_ms = (now - result.frame.captured_ns) / 1e6
        if self._first_ns is None:
            self._first_ns = now
        elif self._age_after_5s_ms is None and now - self._first_ns >= 5e9:
            self._age_after_5s_ms = self._age_ms

    def _fail(self, error: Exception) -> None:
        if self._error is None:  # the first one is the cause
            self._error = self._last_failure = _text(error)
            self._failures += self._down is None
        self._down = None
        self._queue.switch_off()


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
