"""A thread that reads one source and may hang in its driver, so that nobody else does."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable

from onsight_edge.frame import Frame, Notice
from onsight_edge.sources.source import Source

_ROOM = 4  # frames
_POLL_S = 0.002


class Pump:
    """Opens and reads one source on a thread of its own.

    Attributes:
        source: what is read; None until it is open.
        notices: what it told meanwhile, to be taken by whoever takes the frames.
        error: why it ended, where it raised.
    """

    def __init__(
        self,
        open_: Callable[[], Source],
        prepare: Callable[[Source, deque[Notice]], None],
        source: Source | None = None,
    ) -> None:
        """Read `source`, or what `open_` returns; `prepare` is called before the first read."""
        self.source = source
        self.notices: deque[Notice] = deque()
        self.error: Exception | None = None
        # written in C: it hands a frame over sooner than a Condition does
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._open, self._prepare = open_, prepare
        self._started = False
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    @property
    def alive(self) -> bool:
        """The thread still runs, or hangs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, the first time."""
        if not self._started:
            self._started = True
            self._thread.start()

    def get(self, timeout_s: float) -> Frame | None:
        """The next frame; None when nothing more will come.

        Raises:
            queue.Empty: none came in time.
        """
        return self._frames.get(timeout=timeout_s)

    def leave(self, wait_s: float) -> None:
        """Close the source, waiting for that for `wait_s` seconds at most; what hangs is left behind."""
        self._left.set()
        self._frames.put(None)
        if self.source is not None:
            # on a thread as well: it may wait for a driver
            closer = threading.Thread(target=self.source.close, name="camera-close", daemon=True)
            closer.start()
            closer.join(wait_s)

    def _run(self) -> None:
        try:
            if self.source is None:
                self.source = self._open()
            self._prepare(self.source, self.notices)
            while not self._left.is_set():
                frame = self.source.read()
                if frame is None:
                    break
                # only where no frame may be lost are they taken later than they come
                while self._frames.qsize() >= _ROOM and not self._left.wait(_POLL_S):
                    continue
                self._frames.put(frame)
        except Exception as error:
            self.error = error  # told or raised by the thread that takes the frames
        finally:
            self._frames.put(None)
            if self._left.is_set() and self.source is not None:
                self.source.close()
