"""A live source that is opened again when it dies: cameras, RTSP and HTTP streams."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import fields, replace

from onsight_edge.errors import OnsightError, SourceError
from onsight_edge.frame import SOURCE_BACK, SOURCE_LOST, Frame, Notice
from onsight_edge.sources.pump import Pump
from onsight_edge.sources.source import Health, Notifying, Reducible, Source
from onsight_edge.sources.stillness import Stillness

FROZEN = "frozen"  # kind of a Notice
STALL_S = 2.0
BACK_OFF_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
FROZEN_S = 2.0
OPENING_S = 10.0  # from opening to the first frame: an RTSP stream may send its first whole picture seconds later
_PERIODS = 3  # without a frame, where a source's rate is so low that they last longer than the stall time
_SETTLED_S = 1.0  # a source that delivered for so long begins at the start of the back-off when it dies again
_CLOSE_S = 0.3  # what closing a dead source gets before the next attempt goes ahead
_FINAL_CLOSE_S = 2.0
_MOST_HUNG = 4  # threads that may hang in a driver before no more are started


class RecoveringSource:
    """Reads another source on a thread of its own and opens it anew when it dies.

    It has died when no frame comes for `stall_s`, when it raises SourceError, or when it ends though nobody closed it.
    What happens is told through `on_notice` and counted in `health`; frames are numbered on. A driver that hangs keeps
    its thread, which is left behind.
    """

    live = True

    def __init__(
        self,
        open_: Callable[[], Source],
        first: Source | None = None,
        *,
        stall_s: float = STALL_S,
        back_off_s: tuple[float, ...] = BACK_OFF_S,
        give_up_s: float | None = None,
        frozen_s: float = FROZEN_S,
        opening_s: float = OPENING_S,
        reopen_frozen: bool = False,
    ) -> None:
        """Take over `first`, or open the source here.

        Args:
            open_: opens the source; called again, from other threads, whenever it was lost.
            first: what `open_` returned already.
            stall_s: seconds without a frame after which it counts as dead; at least three periods of its rate.
            back_off_s: seconds to wait before each attempt to open it again; the last one is repeated.
            give_up_s: an outage that lasts longer ends the run with SourceError; None tries for ever, 0 never.
            frozen_s: equal frames for so many seconds are a frozen picture.
            opening_s: seconds that an attempt has until its first frame.
            reopen_frozen: open it anew, once, when its picture is frozen.

        Raises:
            SourceError: it cannot be opened the first time.
        """
        self._open = open_
        source = open_() if first is None else first
        self.uri = source.uri
        self.health = Health()
        self.on_notice: Callable[[Notice], None] = _nobody_listens
        self._stall_s, self._opening_s, self._back_off_s, self._give_up_s = stall_s, opening_s, back_off_s, give_up_s
        self._reopen_frozen = reopen_frozen
        self._reduction: Callable[[tuple[int, int]], int] = _whole
        self._closed = threading.Event()
        self._own, self._before = Health(), Health()  # counted here; by inner sources that are gone
        self._current = Pump(self._open, self._prepare, source)
        self._left_behind: list[Pump] = []
        self._last_wh: tuple[int, int] | None = None
        self._stillness = Stillness(frozen_s)
        self._last: Frame | None = None
        self._offset = self._next = 0
        self._attempt = 0
        self._back_at: float | None = None

    @property
    def fps(self) -> float | None:
        """Of the source that is open now, or was last."""
        source = self._current.source
        return None if source is None else source.fps

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Of the source that is open now, or was last."""
        source = self._current.source
        return None if source is None else source.size_wh

    @property
    def reduction(self) -> Callable[[tuple[int, int]], int]:
        """By what a JPEG may be reduced while it is decoded; see Reducible. Handed on to whatever is opened."""
        return self._reduction

    @reduction.setter
    def reduction(self, reduction: Callable[[tuple[int, int]], int]) -> None:
        self._reduction = reduction

    def read(self) -> Frame | None:
        """The next frame, through all outages; None only after `close`.

        Raises:
            SourceError: it was lost and did not come back within `give_up_s`, or no frame ever came.
        """
        self._current.start()
        if self._last is not None and self._look(self._last) and self._reopen_frozen and self._give_up_s != 0:
            frame = self._recover("its picture was frozen", tell=False)
        else:
            frame, why = self._next_frame(self._current, self._patience_s() if self._next else self._opening_s)
            if frame is None and not self._closed.is_set():
                frame = self._recover(why, tell=True)
        # looked at by the next call, so that it costs no frame time
        self._last = None if frame is None else self._take(frame)
        return self._last

    def close(self) -> None:
        """Close what is open. A driver that hangs is waited for 2 s, then left behind."""
        self._closed.set()
        self._current.leave(_FINAL_CLOSE_S)

    def _patience_s(self) -> float:
        rate = self.fps
        return self._stall_s if rate is None else max(self._stall_s, _PERIODS / rate)

    def _next_frame(self, pump: Pump, patience_s: float) -> tuple[Frame | None, str]:
        """A frame, or why there is none."""
        tick = min(0.25, patience_s / 8)
        waited_s = 0.0
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                frame = pump.get(tick)
            except queue.Empty:
                # a process that was stopped for a while finds much time gone by, and its source as well as ever
                waited_s += min(time.monotonic() - began, 2 * tick)
                if waited_s >= patience_s:
                    return None, f"no frame for {patience_s:g} s"
                continue
            while pump.notices:
                self.on_notice(pump.notices.popleft())
            if frame is not None:
                return frame, ""
            if pump.error is not None and not isinstance(pump.error, (OnsightError, OSError)):
                raise pump.error  # a fault of the program, which no camera mends
            return None, str(pump.error or "it ended")
        return None, ""

    def _take(self, frame: Frame) -> Frame:
        """Number a frame on, and count what its source and its size say."""
        if self._offset:
            frame = replace(frame, index=frame.index + self._offset)
        self._next = frame.index + 1
        height, width = frame.image_bgr.shape[:2]
        # a picture that was reduced while it was decoded does not show its size
        size_wh = (width, height) if frame.full is None else self.size_wh
        if self._last_wh is not None and size_wh != self._last_wh:
            self._own.resized += 1
        self._last_wh = size_wh
        self._sum_up()
        if self._attempt and self._back_at is not None and time.monotonic() - self._back_at >= _SETTLED_S:
            self._attempt = 0
        return frame

    def _look(self, frame: Frame) -> bool:
        """Whether the picture was found to be frozen just now."""
        stood = self._stillness.since_ns
        self._own.frozen += self._stillness.look(frame.image_bgr, frame.captured_ns)
        since = self._stillness.since_ns
        if stood is None and since is not None:
            seconds = (frame.captured_ns - since) / 1e9
            self._tell(
                FROZEN,
                f"{self.uri}: the picture has not changed for {seconds:.1f} s: the camera hangs, or it is covered",
            )
            return True
        if stood is not None and since is None:
            self._tell(FROZEN, f"{self.uri}: the picture moves again", over=True)
        return False

    def _recover(self, why: str, *, tell: bool) -> Frame | None:
        """Open the source again until a frame comes; that frame, or None when closed meanwhile."""
        began = time.monotonic()
        if self._give_up_s == 0 or not self._next:
            raise SourceError(self._lost_for_good(why, 0))
        self._drop()
        told = tell
        if tell:
            limit = "until it is back" if self._give_up_s is None else f"for {self._give_up_s:g} s at most"
            self._tell(SOURCE_LOST, f"{self._named(why)}; opening it again {limit}")
        while not self._closed.wait(self._back_off_s[min(self._attempt, len(self._back_off_s) - 1)]):
            self._attempt += 1
            pump = self._start_again()
            frame, reason = (None, "its driver hangs") if pump is None else self._next_frame(pump, self._opening_s)
            if frame is not None:
                self._offset, self._back_at = self._next, time.monotonic()
                self._own.reopened += 1
                if told:
                    self._tell(SOURCE_BACK, f"{self.uri} is back after {time.monotonic() - began:.1f} s", over=True)
                return frame
            if pump is not None:
                self._drop()
            if not told and not self._closed.is_set():
                told = True
                self._tell(SOURCE_LOST, f"{self.uri} does not open again: {reason}")
            outage_s = time.monotonic() - began
            if self._give_up_s is not None and outage_s >= self._give_up_s and not self._closed.is_set():
                raise SourceError(self._lost_for_good(f"{why}; then {reason}", outage_s))
        return None

    def _start_again(self) -> Pump | None:
        """A new attempt; None while too many hang."""
        self._left_behind = [pump for pump in self._left_behind if pump.alive]
        if len(self._left_behind) >= _MOST_HUNG:
            return None
        self._current = Pump(self._open, self._prepare)
        if self._closed.is_set():  # since the caller looked; `close` may have closed the one before
            self._current.leave(0)
        self._current.start()
        return self._current

    def _drop(self) -> None:
        """Close the current source, and keep what it counted."""
        pump = self._current
        pump.leave(_CLOSE_S)
        if pump.source is not None:
            for name in _COUNTS:
                setattr(self._before, name, getattr(self._before, name) + getattr(pump.source.health, name))
        pump.error = None  # its traceback holds the thread's last frame, which would wait for the garbage collector
        if pump.alive:
            self._left_behind.append(pump)

    def _sum_up(self) -> None:
        source = self._current.source
        for name in _COUNTS:
            count: int = getattr(self._own, name) + getattr(self._before, name)
            setattr(self.health, name, count if source is None else count + getattr(source.health, name))

    def _prepare(self, source: Source, notices: deque[Notice]) -> None:
        """Give a source that was just opened what the run gave this one."""
        if isinstance(source, Reducible):
            source.reduction = self._reduction
        if isinstance(source, Notifying):
            source.on_notice = notices.append
        self.uri = source.uri  # a camera may come back under another number

    def _lost_for_good(self, why: str, outage_s: float) -> str:
        skipped = self._current.source.health.skipped if self._current.source is not None else 0
        if not self._next:
            return f"{self._named(why)}; not one frame came" + (f", {skipped} damaged ones" if skipped else "")
        patience = f" and did not come back in {outage_s:.0f} s" if outage_s else ""
        return f"{self._named(why)}; lost after {self._next} frames{patience}"

    def _named(self, why: str) -> str:
        return why if self.uri in why else f"{self.uri}: {why}"

    def _tell(self, kind: str, text: str, *, over: bool = False) -> None:
        self.on_notice(Notice(kind, text, time.monotonic_ns(), over))


_COUNTS = tuple(field.name for field in fields(Health))


def _whole(_: tuple[int, int]) -> int:
    return 1


def _nobody_listens(_: Notice) -> None:
    return
