"""The bounded queue between a run's loop and one sink's thread.

Handing over is part of the loop, so it does little there. To wake a thread costs some 40 us on a virtual machine, a
tenth of a turn with a small network: the threads of sinks that can wait a moment are not woken while results keep
coming, they look by themselves. Pictures that a sink does not want are taken out of its results by its thread; by the
loop only where many wait, because a long queue must not hold pictures.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np

from onsight_edge.frame import Frame, Notice, Result
from onsight_edge.sinks.run_end import RunEnd

SOON_S = 0.1  # after which a relaxed sink looks again
_TICK_S = 0.1
_AFTER_STOP_S = 3.0
_FEW = 8  # results that may wait with a picture that nobody wants
_NO_IMAGE = np.empty((0, 0, 3), np.uint8)
_MOST_NOTICES = 100  # waiting for one sink; far more than a source and a sentinel ever have to say at once


class Handover:
    """Results, the oldest of which go when there are too many, and notices in their places among them.

    Attributes:
        dropped: results that went.
        off: the sink was switched off: nothing is taken any more.
        down: the sink does not work for now: the newest are kept, and nobody waits for room.
        closing: no more results will come.
    """

    def __init__(self, backlog: int, *, wait: bool, relaxed: bool, pictures: bool, end: RunEnd) -> None:
        """Make an empty one.

        Args:
            backlog: results that may wait.
            wait: `put` waits for room, and else drops the oldest.
            relaxed: the sink's thread need not be woken for each result.
            pictures: the sink wants them.
            end: once it has come, `put` waits at most 3 s more.
        """
        self.dropped = 0
        self.off = self.down = self.closing = False
        self._most, self._wait, self._relaxed, self._end = backlog, wait, relaxed, end
        self._few = backlog if pictures else _FEW
        self._queue: deque[Result | Notice] = deque()
        self._results = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle = False
        self._deadline = float("inf")

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, result: Result) -> None:
        """Add a result; for the loop's thread."""
        with self._lock:  # the condition's, taken the short way
            has_room = self._wait_for_room() if self._wait else True
            if self.off or self.closing or not has_room:
                self.dropped += 1
                return
            if self._results >= self._most:
                self._drop_oldest()
            self._queue.append(result if self._results < self._few else without_picture(result))
            self._results += 1
            filling = 2 * self._results >= self._most and (self._most > 1 or self._wait)
            if self._idle or filling or not self._relaxed:
                self._changed.notify_all()

    def tell(self, notice: Notice) -> None:
        """Add a notice, if there are not too many; never waits."""
        with self._changed:
            if not self.off and not self.closing and len(self._queue) - self._results < _MOST_NOTICES:
                self._queue.append(notice)
                self._changed.notify_all()

    def next(self) -> Result | Notice | None:
        """Wait for the next one and take it; None at the end. For the sink's thread, as all below."""
        with self._changed:
            if self._relaxed and not self._queue and not self.closing:
                self._changed.wait(SOON_S)
            while not self._queue:
                if self.closing:
                    return None
                self._idle = True
                self._changed.wait()
                self._idle = False
            if time.monotonic() > self._deadline:
                self._drop_all()
                return None
            next_one = self._queue.popleft()
            if isinstance(next_one, Result):
                self._results -= 1
            if self._wait:
                self._changed.notify_all()
            return next_one

    def put_back(self, one: Result | Notice | None) -> None:
        """The sink does not work: what it could not write comes first again, if there is room; None was its fault."""
        with self._changed:
            self.down = True
            if isinstance(one, Notice):
                self._queue.appendleft(one)
            elif one is not None and self._results < self._most:
                self._queue.appendleft(one)
                self._results += 1
            else:
                self.dropped += 1
            self._changed.notify_all()

    def pause(self, seconds: float) -> bool:
        """Wait; whether the run is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.closing, seconds)
            return self.closing

    def close(self, drain_s: float | None) -> None:
        """No more results; what waits may be taken for so long, None: as long as it takes. Any thread may call it."""
        with self._changed:
            self.closing = True
            self._deadline = float("inf") if drain_s is None else time.monotonic() + drain_s
            self._changed.notify_all()

    def switch_off(self) -> None:
        """Drop all, and take nothing any more."""
        with self._changed:
            self.off, self.down = True, False
            self._drop_all()
            self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        while self._results >= self._most and not self.off and not self.down:
            since = self._end.since
            if since is not None and time.monotonic() > since + _AFTER_STOP_S:
                return False
            self._changed.wait(_TICK_S)  # in steps: whoever sets `stop` knows nothing of this condition
        return True

    def _drop_oldest(self) -> None:
        oldest = next(at for at, one in enumerate(self._queue) if isinstance(one, Result))
        del self._queue[oldest]
        self._results -= 1
        self.dropped += 1

    def _drop_all(self) -> None:
        self.dropped += self._results
        self._results = 0
        self._queue.clear()


def without_picture(result: Result) -> Result:
    """The result with an empty picture of shape (0, 0, 3)."""
    frame = result.frame
    if frame.image_bgr is _NO_IMAGE:
        return result
    return Result(
        Frame(_NO_IMAGE, frame.index, frame.captured_ns, frame.truth, frame.name),
        result.prediction,
        result.timings,
        result.published_ns,
        result.dropped,
        result.fps,
        result.decision,
    )
