"""The slot between a source's thread and the classifier: it holds one frame and never a queue of old ones.

A first-in-first-out queue before a classifier that is slower than the camera only grows the age of what is shown.
Where nothing may be lost the slot has room for a few frames, so that the two threads need not hand over each one in
lockstep: a wait costs more than a small network.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from onsight_edge.frame import Frame

ROOM = 4  # frames, where none may be lost


class LatestFrame:
    """Holds the newest frame. One thread puts, one gets.

    With `wait` false (cameras) `put` overwrites a frame that nobody took and counts it in `dropped`; with `wait`
    true (files) it waits while 4 frames stand in the slot, so that none is lost.
    """

    def __init__(self, *, wait: bool = False) -> None:
        self._wait = wait
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Frames that were overwritten before anybody took them."""
        return self._dropped

    @property
    def ended(self) -> bool:
        """Closed and empty: `get` will never again return a frame."""
        with self._changed:
            return self._closed and not self._frames

    def put(self, frame: Frame) -> bool:
        """Offer a frame; false when the slot is closed and did not take it."""
        with self._changed:
            while self._wait and len(self._frames) >= ROOM and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            if not self._wait and self._frames:
                self._frames.clear()
                self._dropped += 1
            self._frames.append(frame)
            self._changed.notify_all()
            return True

    def get(self, timeout: float | None = None) -> Frame | None:
        """Take the oldest frame, waiting for one at most `timeout` seconds; None when none came or the slot `ended`.

        A frame that stands in the slot when it is closed can still be taken.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._frames and not self._closed:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            if not self._frames:
                return None
            self._changed.notify_all()
            return self._frames.popleft()

    def close(self) -> None:
        """No frame will come any more; wakes all that wait. May be called by any thread, and again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
