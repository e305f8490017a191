"""Annotated videos of a run, one after the other, within a budget of the disk."""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
from pathlib import Path

from onsight_edge.collect import time_name
from onsight_edge.errors import SinkError
from onsight_edge.frame import SOURCE_LOST, Notice, Result
from onsight_edge.memory import give_back
from onsight_edge.sinks.mp4 import RESERVE_BYTES, Mp4Sink, remove_left_behind
from onsight_edge.sinks.sink import RunInfo

TIME = "{time}"
_STAMP = r"\d{8}-\d{6}\.\d{3}"


class SegmentsSink:
    """Writes `Mp4Sink` videos of so many seconds each; a name with `{time}` in it tells them apart.

    Each has its name when it is whole. A run that is killed loses the one it was writing; what that leaves behind is
    removed by a later one, ten minutes after it was last written to. A segment ends early when the source is lost.
    """

    name = "mp4"
    wants_image = True
    backlog = 8
    relaxed = True

    def __init__(self, template: Path, seconds: float | None = None, budget_bytes: int | None = None) -> None:
        """Write to names made of `template`.

        Args:
            template: ends in .mp4 and has `{time}` in its last part.
            seconds: of each video; None: one for the whole run.
            budget_bytes: of all that the template names, earlier runs' too; the oldest are removed, the newest stays
                even if it is larger. None: no limit.
        """
        self.template = template
        self._seconds, self._budget = seconds, budget_bytes
        self._info: RunInfo | None = None
        self._current: Mp4Sink | None = None
        self._start_ns = 0
        self._largest = 0
        self._closing = False
        self._finishing: threading.Thread | None = None
        self._problem: SinkError | None = None
        stem, suffix = re.escape(template.stem), re.escape(template.suffix)
        stem = stem.replace(re.escape(TIME), _STAMP)
        self._named = re.compile(f"{stem}{suffix}")
        self._left_over = re.compile(rf"\.{stem}\.[^.]+\.tmp{suffix}")

    def open(self, info: RunInfo) -> None:
        """Look whether the folder is there, and clear away what a killed run left.

        Raises:
            SinkError: the folder is not there or cannot be written to.
        """
        self._info = info
        self._make_room()
        probe = self._begin()  # says what is wrong before the run starts
        probe.close()

    def write(self, result: Result) -> None:
        """Append one annotated frame, in a new segment where the old one is long enough.

        Raises:
            SinkError: the disk is nearly full; the segments up to now are whole.
        """
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem
        if self._current is not None and self._is_long_enough(result, self._current):
            self._finish()
        if self._current is None:
            self._current = self._begin()
            self._start_ns = result.frame.captured_ns
        try:
            self._current.write(result)
        except SinkError:
            self._finish()
            raise

    def notice(self, notice: Notice) -> None:
        """End the segment when the source is lost."""
        if notice.kind == SOURCE_LOST:
            self._finish()

    def recover(self) -> None:
        """Begin again with a new segment.

        Raises:
            SinkError: the disk is still full.
        """
        self._await_finished()
        self._problem = None
        self._make_room()
        self._begin().close()

    def close(self) -> None:
        """Finish the running segment.

        Raises:
            SinkError: it did not become whole.
        """
        self._closing = True
        self._finish()
        self._await_finished()
        if self._problem is not None:
            raise self._problem

    def _begin(self) -> Mp4Sink:
        assert self._info is not None  # open
        segment = Mp4Sink(self.template.with_name(self.template.name.replace(TIME, time_name(), 1)))
        segment.open(self._info)
        return segment

    def _is_long_enough(self, result: Result, segment: Mp4Sink) -> bool:
        assert self._info is not None  # open
        if self._seconds is None:
            return False
        lived_s = (result.frame.captured_ns - self._start_ns) / 1e9 if self._info.live else segment.seconds
        return lived_s >= self._seconds

    def _finish(self) -> None:
        """Let a thread make the segment whole: forcing it to a slow card must not cost frames of the next one."""
        segment, self._current = self._current, None
        if segment is not None:
            self._await_finished()
            self._finishing = threading.Thread(target=self._finished, args=(segment,), name="mp4 end", daemon=True)
            self._finishing.start()

    def _finished(self, segment: Mp4Sink) -> None:
        try:
            segment.close()
            self._make_room()  # for the one that is being written meanwhile
            give_back()
        except SinkError as error:
            self._problem = error

    def _await_finished(self) -> None:
        if self._finishing is not None:
            self._finishing.join()
            self._finishing = None

    def _make_room(self) -> None:
        """Remove the oldest until the budget holds, with room for one more like the largest; the newest stays.

        And whatever a killed run left of a video.
        """
        remove_left_behind(self._files(self._left_over))
        if self._budget is None:
            return
        sizes: list[tuple[Path, int]] = []
        for path in self._files(self._named):
            with contextlib.suppress(OSError):  # gone in the meantime
                sizes.append((path, path.stat().st_size))
        self._largest = max([self._largest, *(size for _, size in sizes)])
        coming = 0 if self._closing else self._largest
        used = sum(size for _, size in sizes)
        for path, size in sizes[:-1]:
            free = shutil.disk_usage(self.template.parent).free
            if used + coming <= self._budget and free >= RESERVE_BYTES + coming:
                return
            with contextlib.suppress(OSError):
                path.unlink()
            used -= size

    def _files(self, named: re.Pattern[str]) -> list[Path]:
        """Those of that name, the oldest first."""
        try:
            return sorted(path for path in self.template.parent.iterdir() if named.fullmatch(path.name))
        except OSError as error:
            raise SinkError(f"cannot write {self.template}: {error.strerror}") from error
