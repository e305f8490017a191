"""pipe: and -: frames on standard input, from ffmpeg, GStreamer, rpicam-vid or whatever else writes them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
import termios
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from onsight_edge.errors import SourceError, UsageError
from onsight_edge.frame import SOURCE_BACK, SOURCE_LOST, Frame, Notice
from onsight_edge.sources.jpeg import JpegDecoder
from onsight_edge.sources.jpegstream import JpegSplitter
from onsight_edge.sources.rawformat import FORMATS, RawFormat
from onsight_edge.sources.source import (
    Health,
    check_fps,
    number_option,
    parse_size,
    split_options,
    whole_option,
)

OPTIONS = ("format", "size", "fps", "live")
TORN = "torn"  # kind of a Notice
SILENT_S = 2.0
EXAMPLE = "ffmpeg -i INPUT -f rawvideo -pix_fmt bgr24 - | onsight run --source 'pipe:?format=bgr24&size=640x480' ..."
_TICK_S = 0.1  # how soon `close` is seen while nothing comes
_CHUNK = 1 << 16
_PIPE_BYTES = 1 << 20  # what a pipe is asked to hold, so that a frame takes few turns; 64 KiB is usual


class _Pipe:
    """A descriptor that is read in pieces, until its end or until somebody closes this."""

    def __init__(self, descriptor: int, fps: float | None) -> None:
        if os.isatty(descriptor):
            raise SourceError(f"standard input is a terminal: pipe frames into it, such as {EXAMPLE}")
        try:
            self.endless = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        except OSError as error:
            raise SourceError(f"standard input cannot be read: {error.strerror}; pipe frames into it") from error
        with contextlib.suppress(OSError, AttributeError):  # no pipe, or not on Linux
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self.on_notice: Callable[[Notice], None] = _nobody_listens
        self.closed = False
        self._descriptor = descriptor
        self._silent_s = max(SILENT_S, 3 / fps) if fps else SILENT_S

    def read_into(self, room: memoryview) -> int:
        """Wait for bytes; how many came: 0 at the end and after `close`."""
        waited_s, told = 0.0, False
        while not self.closed:
            if select.select([self._descriptor], [], [], _TICK_S)[0]:
                if told:
                    self.on_notice(Notice(SOURCE_BACK, "pipe: frames come again", time.monotonic_ns(), over=True))
                try:
                    return os.readv(self._descriptor, [room])
                except OSError as error:
                    raise SourceError(f"standard input cannot be read: {error.strerror}") from error
            waited_s += _TICK_S
            if waited_s >= self._silent_s and not told:
                told = True
                text = f"pipe: nothing came for {self._silent_s:g} s: does the program that writes still run?"
                self.on_notice(Notice(SOURCE_LOST, text, time.monotonic_ns()))
        return 0

    def waiting(self) -> int:
        """Bytes that can be read at once; 0 where that cannot be told."""
        count = bytearray(4)
        try:
            fcntl.ioctl(self._descriptor, termios.FIONREAD, count)
        except OSError:
            return 0
        return int.from_bytes(count, "little")


class _PipeSource:
    """What both kinds share: see `open_pipe`."""

    def __init__(self, pipe: _Pipe, fps: float | None, *, live: bool) -> None:
        self.uri = "pipe:"
        self.live = live
        self.fps = fps
        self.health = Health()
        self._pipe = pipe
        self._index = 0

    @property
    def on_notice(self) -> Callable[[Notice], None]:
        """See Notifying."""
        return self._pipe.on_notice

    @on_notice.setter
    def on_notice(self, on_notice: Callable[[Notice], None]) -> None:
        self._pipe.on_notice = on_notice

    def close(self) -> None:
        """End a read that waits, within 0.1 s. Standard input stays open: it is not ours."""
        self._pipe.closed = True

    def _end(self, rest: int, expected: str) -> None:
        """Judge what is left over at the end, in bytes."""
        if self._pipe.closed:
            return
        if rest:
            self.health.skipped += 1
        if not self._index:
            came = f"{rest} bytes" if rest else "nothing"
            raise SourceError(f"standard input ended after {came}: expected {expected}, such as {EXAMPLE}")
        if rest:
            text = f"pipe: it ended in the middle of a picture, {rest} bytes into {expected}"
            self.on_notice(Notice(TORN, text, time.monotonic_ns()))


class RawPipeSource(_PipeSource):
    """Pictures of one format and size, one after the other."""

    def __init__(
        self, pipe: _Pipe, name: str, layout: RawFormat, size_wh: tuple[int, int], fps: float | None, *, live: bool
    ) -> None:
        """Read `pipe`; `open_pipe` checks the rest.

        Raises:
            UsageError: the size does not suit the format.
        """
        super().__init__(pipe, fps, live=live)
        self.size_wh = size_wh
        self._layout = layout
        self._bytes = layout.bytes_in(size_wh)
        self._expected = f"frames of {self._bytes} bytes ({size_wh[0]}x{size_wh[1]} {name})"
        self._buffer = np.empty(self._bytes, np.uint8)

    def read(self) -> Frame | None:
        """The newest frame where it is live, else the next; None at the end.

        Raises:
            SourceError: the end came before the first whole frame.
        """
        overtaken = 0
        while (filled := self._fill()) == self._bytes:
            captured_ns = time.monotonic_ns()
            index, self._index = self._index, self._index + 1
            if self.live and not overtaken:
                overtaken = 1 + self._pipe.waiting() // self._bytes
            overtaken -= 1
            if overtaken <= 0:
                return Frame(self._layout.to_bgr(self._buffer, self.size_wh), index, captured_ns)
        self._end(filled, self._expected)
        return None

    def _fill(self) -> int:
        if self._layout.code is None:  # the frame keeps the buffer
            self._buffer = np.empty(self._bytes, np.uint8)
        room = self._buffer.data
        filled = 0
        while filled < self._bytes and (count := self._pipe.read_into(room[filled:])):
            filled += count
        return filled


class JpegPipeSource(_PipeSource):
    """JPEG after JPEG, each of its own size."""

    def __init__(self, pipe: _Pipe, fps: float | None, *, live: bool) -> None:
        """Read `pipe`."""
        super().__init__(pipe, fps, live=live)
        self._decoder = JpegDecoder(self.health)
        self._splitter = JpegSplitter()
        self._waiting: deque[bytes] = deque()
        self._chunk = bytearray(_CHUNK)

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Width and height of the last picture, unreduced; None before the first."""
        return self._decoder.size_wh

    @property
    def reduction(self) -> Callable[[tuple[int, int]], int]:
        """By what a JPEG may be reduced while it is decoded; see Reducible."""
        return self._decoder.reduction

    @reduction.setter
    def reduction(self, reduction: Callable[[tuple[int, int]], int]) -> None:
        self._decoder.reduction = reduction

    def read(self) -> Frame | None:
        """The newest picture where it is live, else the next; None at the end.

        Raises:
            SourceError: the end came before the first picture, or this is no JPEG stream.
        """
        while True:
            if self._waiting:
                count = len(self._waiting) if self.live else 1
                pictures = [self._waiting.popleft() for _ in range(count)]
                first, self._index = self._index, self._index + count
                frame = self._decoder.newest(pictures, first, time.monotonic_ns())
                if frame is not None:
                    return frame
            elif not self._receive():
                self._end(self._splitter.rest, "JPEG pictures")
                return None

    def _receive(self) -> bool:
        """Take in what is there, all of it where it is live; false at the end."""
        left = max(_CHUNK, self._pipe.waiting()) if self.live else 1
        while left > 0:
            count = self._pipe.read_into(memoryview(self._chunk))
            if not count:
                return bool(self._waiting)
            try:
                self._waiting += self._splitter.feed(bytes(self._chunk[:count]))
            except ValueError as error:
                raise SourceError(f"standard input is no stream of JPEGs: {error}") from error
            left = min(left - count, self._pipe.waiting())
        return True


def open_pipe(
    uri: str, *, fps: float | None = None, size_wh: tuple[int, int] | None = None, descriptor: int = 0
) -> RawPipeSource | JpegPipeSource:
    """Open `pipe:?format=bgr24&size=640x480&fps=30`, or `-`, which means the same.

    It is live: of several frames that wait in the pipe only the newest is delivered. The others are numbered and
    counted nowhere else. With `live=0`, and where standard input is a file, every frame is.

    Args:
        uri: with the format, one of FORMATS or `mjpeg`; `bgr24` where it is not given. The size is that of each frame.
        fps: frames a second, where known; sinks and the wait for a silent writer go by it.
        size_wh: width and height in pixels, instead of the URI's.
        descriptor: what is read.

    Raises:
        SourceError: standard input is a terminal, or closed.
        UsageError: an option is unknown or missing, or makes no sense.
    """
    rest, options = split_options(uri.removeprefix("pipe:").removeprefix("-"), OPTIONS)
    if rest:
        raise UsageError(f"{uri}: pipe: reads standard input and takes options only, {', '.join(OPTIONS)}")
    rate = check_fps(number_option(uri, options, "fps", 0)) if fps is None and "fps" in options else fps
    name = options.get("format", "bgr24").lower()
    layout = FORMATS.get(name)
    size = size_wh or (parse_size(options["size"]) if "size" in options else None)
    wants_live = whole_option(uri, options, "live", 1) > 0
    if layout is None:
        if name != "mjpeg":
            raise UsageError(f"{uri}: no format is called {name!r}; known are {', '.join(FORMATS)}, mjpeg")
        if size is not None:
            raise UsageError(f"{uri}: JPEGs say their own size: leave the size out")
        pipe = _Pipe(descriptor, rate)
        return JpegPipeSource(pipe, rate, live=wants_live and pipe.endless)
    if size is None:
        raise UsageError(f"{uri}: raw frames do not say their size: add size=WIDTHxHEIGHT, such as {EXAMPLE}")
    layout.shape(size)
    pipe = _Pipe(descriptor, rate)
    return RawPipeSource(pipe, name, layout, size, rate, live=wants_live and pipe.endless)


def _nobody_listens(_: Notice) -> None:
    return
