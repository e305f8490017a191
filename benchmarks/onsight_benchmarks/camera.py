"""Cameras whose clock is known: when each frame was due, whether or not it came.

A benchmark that takes the time of delivered frames only leaves out just those that a stall kept from coming
("coordinated omission", G. Tene). Here the camera's clock goes on: every frame that it calls for is counted, and its
age runs from the time at which it was due.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import UsageError
from onsight_edge.frame import Frame
from onsight_edge.sources import Source, open_source
from onsight_edge.sources.source import check_fps, without_password


class Camera:
    """A source for the live loop that knows when frames were due. Frames are numbered by the clock, missing ones too.

    Attributes:
        due_ns: `time.monotonic_ns()` at which each frame was due, in the order of the clock.
        arrived_ns: frame's number -> when it was there, for those that came.
        asked_ns: frame's number -> when the source was asked for it.
        decodes: whether the source's own work, from asked to arrived, is decoding.
        frames: that the clock calls for before the camera ends.
    """

    live = True
    decodes = False

    def __init__(self, source: Source, fps: float, frames: int) -> None:
        """Make a camera of a source.

        Args:
            source: where the pictures come from; closed with the camera.
            fps: the clock's rate.
            frames: that the clock calls for before the camera ends.
        """
        self.uri, self.size_wh, self.health = source.uri, source.size_wh, source.health
        self.fps: float | None = check_fps(fps)
        self.due_ns: list[int] = []
        self.arrived_ns: dict[int, int] = {}
        self.asked_ns: dict[int, int] = {}
        self.frames = frames
        self._source, self._closed, self._ran_dry = source, Event(), False
        self._period_ns = round(1e9 / fps)

    @property
    def seconds(self) -> float:
        """How long the clock needs for all its frames."""
        return self.frames * self._period_ns / 1e9

    def read(self) -> Frame | None:
        """See `Source.read`. The frame's `captured_ns` is the time at which it was due, its index its number."""
        raise NotImplementedError

    def close(self) -> None:
        """See `Source.close`."""
        self._closed.set()
        self._source.close()

    def end(self, end_ns: int) -> None:
        """The run is over: what fell due after the last frame is missing, unless the source had ended by itself."""
        while self.due_ns and not self._ran_dry and len(self.due_ns) < self.frames:
            due = self.due_ns[-1] + self._period_ns
            if due > end_ns:
                break
            self.due_ns.append(due)

    def _next(self) -> Frame | None:
        """The source's next frame; notes whether the source has ended, other than by being closed."""
        frame = None if self._closed.is_set() else self._source.read()
        self._ran_dry = frame is None and not self._closed.is_set()
        return frame

    def _arrive(self, frame: Frame, due_ns: int, asked_ns: int, arrived_ns: int) -> Frame:
        number = len(self.due_ns)
        self.due_ns.append(due_ns)
        self.asked_ns[number], self.arrived_ns[number] = asked_ns, arrived_ns
        return replace(frame, index=number, captured_ns=due_ns)


class PacedCamera(Camera):
    """Asks a source that has no pace of its own for a frame whenever the clock says so.

    While a read takes longer than a period the clock goes on, and the frames it calls for are lost, as on a camera: the
    next read is for the newest of them.
    """

    def __init__(
        self,
        source: Source,
        fps: float,
        frames: int,
        *,
        decodes: bool = False,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], bool] | None = None,
    ) -> None:
        """See Camera; tests bring a clock, and a `sleep` that is true once closed."""
        super().__init__(source, fps, frames)
        self.decodes = decodes
        self._clock_ns, self._sleep = clock_ns, sleep or self._closed.wait
        self._first_ns: int | None = None

    def read(self) -> Frame | None:
        """See `Camera.read`."""
        now = self._clock_ns()
        if self._first_ns is None:
            self._first_ns = now
        newest = min((now - self._first_ns) // self._period_ns, self.frames - 1)
        while len(self.due_ns) < newest:
            self.due_ns.append(self._due())
        if len(self.due_ns) >= self.frames:
            return None
        due = self._due()
        while (left := due - self._clock_ns()) > 0:
            if self._sleep(left / 1e9):
                return None
        asked = self._clock_ns()
        frame = self._next()
        return None if frame is None else self._arrive(frame, due, asked, self._clock_ns())

    def _due(self) -> int:
        assert self._first_ns is not None  # set by the first read
        return self._first_ns + len(self.due_ns) * self._period_ns


class StampedCamera(Camera):
    """A camera with a clock of its own, which is known by the time stamps of its frames only.

    A frame was due when it was stamped. A gap between two stamps of one and a half periods or more means that frames
    in between are missing; they were due at even distances.
    """

    def read(self) -> Frame | None:
        """See `Camera.read`."""
        if len(self.due_ns) >= self.frames:
            return None
        frame = self._next()
        if frame is None:
            return None
        arrived = time.monotonic_ns()
        if self.due_ns:
            last = self.due_ns[-1]
            gap = frame.captured_ns - last
            steps = min(round(gap / self._period_ns), self.frames - len(self.due_ns))
            self.due_ns += [last + step * gap // steps for step in range(1, steps)]
        return self._arrive(frame, frame.captured_ns, frame.captured_ns, arrived)


def open_camera(uri: str, fps: float, frames: int) -> Camera:
    """Open a source as a camera.

    Args:
        uri: see `open_source`; files and folders begin again at their end. Of `synthetic://` and `dataset://` the rate
            is the clock's.
        fps: of the clock; asked of a real camera.
        frames: that the clock calls for.

    Raises:
        SourceError, UsageError, DataError: see `open_source`.
    """
    scheme = uri.partition("://")[0] if "://" in uri else ""
    if scheme in ("synthetic", "dataset"):
        if "fps=" in uri:
            raise UsageError(f"{uri}: give the rate with --fps, not in the source")
        paced = f"{uri}{'&' if '?' in uri else '?'}fps=0"
        return PacedCamera(open_source(paced, loop=scheme == "dataset"), fps, frames)
    if scheme in ("", "file") and not uri.isdecimal() and not uri.startswith("/dev/"):
        return PacedCamera(open_source(uri, loop=True), fps, frames, decodes=True)
    own_rate = scheme in ("http", "https", "rtsp", "rtsps", "watch")
    source = open_source(uri, fps=None if own_rate else fps)
    return StampedCamera(source, source.fps or fps, frames)


def shown(uri: str) -> str:
    """A source's URI as a record may show it: without password, and of a file its name only."""
    if uri.partition("://")[0] in ("", "file") or "://" not in uri:
        return uri if uri.isdecimal() else Path(uri.removeprefix("file://")).name
    if uri.startswith("dataset://"):
        name, _, options = uri.removeprefix("dataset://").partition("?")
        return f"dataset://{Path(name).name}" + (f"?{options}" if options else "")
    return without_password(uri)


def ages_ns(due_ns: NDArray[np.int64], published: list[tuple[int, int]], end_ns: int) -> NDArray[np.int64]:
    """How old each due frame was when a result of it, or of a newer one, was published.

    That is what somebody waits who looks at the results, for every frame alike: those that were overwritten unseen and
    those that never came count with the newer frame that at last told of their time.

    Args:
        due_ns: when each frame was due, ascending.
        published: (frame's number, when its result was published), in the order of publishing.
        end_ns: when the run ended; frames after the last result were still unanswered then.

    Returns:
        (frames,) nanoseconds.
    """
    seen = np.full(len(due_ns), end_ns, np.int64)
    for number, at in published:
        seen[number] = min(seen[number], at)
    seen = np.minimum.accumulate(seen[::-1])[::-1]
    return np.asarray(seen - due_ns, np.int64)
