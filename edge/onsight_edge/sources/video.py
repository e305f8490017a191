"""Video files: all that OpenCV reads."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import cv2

from onsight_edge.errors import SourceError
from onsight_edge.frame import Frame
from onsight_edge.quiet import quiet_opencv
from onsight_edge.sources.source import Health, Pacer

CLOSE_S = 2.0  # what `close` waits for a read that is under way: a network share may hang


class VideoSource:
    """A video file, frame by frame: as fast as they are taken, or paced as if it were a camera."""

    def __init__(self, path: Path, *, fps: float | None = None, loop: bool = False) -> None:
        """Open `path`.

        Args:
            path: the file.
            fps: play at this rate as if live, dropping what nobody takes; None delivers every frame.
            loop: begin again at the end.

        Raises:
            SourceError: not there, not a video, or no frame in it can be decoded.
        """
        self.uri = str(path)
        self.live = fps is not None
        self.health = Health()
        self._path, self._loop = path, loop
        self._pacer = None if fps is None else Pacer(fps)
        self._index = self._in_this_round = 0
        self._closed = False
        self._reading = threading.Lock()
        self._capture = self._open()
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = fps or (float(rate) if 0 < rate <= 1000 else None)
        width, height = (self._capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        self.size_wh = (int(width), int(height)) if width >= 1 and height >= 1 else None

    def read(self) -> Frame | None:
        """The next frame; None after the last.

        Raises:
            SourceError: the very first frame cannot be decoded, or the file is gone when it begins again.
        """
        if self._pacer is not None and not self._pacer.wait():
            return None
        with self._reading:
            if self._closed:
                return None
            with quiet_opencv():
                taken, image = self._capture.read()
                if not taken and self._loop and self._in_this_round:
                    self._capture.release()
                    self._capture, self._in_this_round = self._open(), 0
                    taken, image = self._capture.read()
            if self._hung_up():
                self._capture.release()  # `close` may not have waited for so long
                return None
        if not taken or image is None:
            if self._in_this_round == 0:
                raise SourceError(f"{self.uri}: no frame in it can be decoded; is the video damaged?")
            return None
        self._in_this_round += 1
        frame = Frame(image, self._index, time.monotonic_ns())  # type: ignore[arg-type]
        self._index += 1
        return frame

    def close(self) -> None:
        """Close the file, once a read that is under way has ended; it does that itself if it takes over 2 s."""
        self._closed = True
        if self._pacer is not None:
            self._pacer.close()
        if self._reading.acquire(timeout=CLOSE_S):
            try:
                self._capture.release()
            finally:
                self._reading.release()

    def _hung_up(self) -> bool:
        return self._closed  # by another thread, since `read` looked

    def _open(self) -> cv2.VideoCapture:
        if not os.access(self._path, os.R_OK):
            raise SourceError(f"cannot read {self._path}: it is not there, or there is no permission")
        try:
            size = self._path.stat().st_size
        except OSError as error:
            raise SourceError(f"cannot read {self._path}: {error.strerror}") from error
        if size == 0:
            raise SourceError(f"{self._path} is empty (0 bytes): expected a video")
        with quiet_opencv():
            # an absolute path: OpenCV takes names such as `a:b.mp4` for a protocol, and `%d` for a series
            capture = cv2.VideoCapture(str(self._path.resolve()))
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"{self._path} is not a video that OpenCV can read, or is damaged")
        return capture
