"""An annotated MP4: what the camera saw, with the answer drawn into it."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import OnsightError, SinkError
from onsight_edge.files import atomic_path
from onsight_edge.frame import Result
from onsight_edge.overlay import draw
from onsight_edge.quiet import quiet_opencv
from onsight_edge.sinks.sink import RunInfo

FPS_OF_STREAMS = 25.0  # where a stream does not say; frames are repeated to keep real time, so it plays right
FPS_OF_PICTURES = 2.0
_LONGEST_GAP_S = 2.0
_LOOK_EVERY = 30  # frames
_ABANDONED_S = 600.0  # a video that is being written grows more often than that
RESERVE_BYTES = 8 * 2**20  # bytes left free on the disk: OpenCV does not report a full one, and the index comes last


class Mp4Sink:
    """Writes MPEG-4 part 2 (mp4v), which OpenCV has everywhere, under a temporary name that is renamed at the end.

    A live source's video plays in real time: a frame is repeated while the classifier gave no newer one, up to 2 s.
    A file's video has one frame a result.
    """

    name = "mp4"
    wants_image = True
    backlog = 8
    relaxed = True

    def __init__(self, path: Path) -> None:
        """Write to `path`, which must end in .mp4."""
        self.path = path
        self._files = contextlib.ExitStack()
        self._writer: cv2.VideoWriter | None = None
        self._temporary = path
        self._live = False
        self._fps = FPS_OF_STREAMS
        self._size_wh = (0, 0)
        self._written = 0
        self._start_ns = 0
        self._look_again_at = 0

    @property
    def seconds(self) -> float:
        """How long the video is so far."""
        return self._written / self._fps

    def open(self, info: RunInfo) -> None:
        """Make the temporary file.

        Raises:
            SinkError: the name does not end in .mp4, the folder cannot be written to, or the disk is full.
        """
        if self.path.suffix.lower() != ".mp4":
            raise SinkError(f"{self.path}: the name of an MP4 must end in .mp4")
        try:
            misplaced = self.path.is_dir() or not self.path.parent.is_dir()
            if not misplaced:
                self._check_room()
        except OSError as error:  # the name is too long, or the folder is not ours
            raise SinkError(f"cannot write {self.path}: {error.strerror}") from error
        if misplaced:
            raise SinkError(f"cannot write {self.path}: it is a folder, or its folder is not there")
        self._live = info.live
        self._fps = info.fps or (FPS_OF_STREAMS if info.live else FPS_OF_PICTURES)
        try:
            self._temporary = self._files.enter_context(atomic_path(self.path))
        except OnsightError as error:
            raise SinkError(str(error)) from error

    def write(self, result: Result) -> None:
        """Append one annotated frame.

        Raises:
            SinkError: OpenCV cannot write MP4 here, or the disk is nearly full; `close` keeps what was written.
        """
        if self._written >= self._look_again_at:
            self._look_again_at = self._written + _LOOK_EVERY
            self._check_room()
        image = draw(result.frame.image_bgr, result)
        if self._writer is None:
            self._size_wh = (image.shape[1], image.shape[0])
            self._start_ns = result.frame.captured_ns
            code = cv2.VideoWriter.fourcc(*"mp4v")
            with quiet_opencv():
                self._writer = cv2.VideoWriter(str(self._temporary), code, self._fps, self._size_wh)
            if not self._writer.isOpened():
                raise SinkError(f"cannot write {self.path}: this OpenCV has no encoder for MP4 (mp4v)")
        image = _fitted(image, self._size_wh)
        with quiet_opencv():  # on a full disk it has a line for each frame, and no error
            for _ in range(self._repeats(result.frame.captured_ns)):
                self._writer.write(image)
                self._written += 1

    def close(self) -> None:
        """Finish the file, look whether all of it is there, and give it its name.

        Raises:
            SinkError: not all frames are in it, which OpenCV does not report: the disk is full.
        """
        if self._writer is not None:
            with quiet_opencv():
                self._writer.release()
        if not self._written:
            self._discard(SinkError("no frame came"))
            return
        with quiet_opencv():
            check = cv2.VideoCapture(str(self._temporary))
        found = round(check.get(cv2.CAP_PROP_FRAME_COUNT)) if check.isOpened() else 0
        check.release()
        if found != self._written:
            problem = SinkError(
                f"cannot write {self.path}: {found} of {self._written} frames are in it; is the disk full?"
            )
            self._discard(problem)
            raise problem
        try:
            self._files.close()
        except OnsightError as error:
            raise SinkError(str(error)) from error

    def _check_room(self) -> None:
        if shutil.disk_usage(self.path.parent).free < RESERVE_BYTES:
            end = f"; the video ends after {self._written} frames" if self._written else ""
            raise SinkError(f"cannot write {self.path}: the disk is full{end}")

    def _discard(self, why: Exception) -> None:
        # atomic_path removes its temporary file when its block ends with an exception
        with contextlib.suppress(Exception):
            self._files.__exit__(type(why), why, None)

    def _repeats(self, captured_ns: int) -> int:
        if not self._live:
            return 1
        due = round((captured_ns - self._start_ns) / 1e9 * self._fps) + 1 - self._written
        longest = max(1, round(_LONGEST_GAP_S * self._fps))
        if due > longest:  # a stall: shorten it, and count from there
            self._start_ns += round((due - longest) / self._fps * 1e9)
        return min(max(due, 0), longest)


def remove_left_behind(halves: Iterable[Path]) -> None:
    """Remove what runs left that were killed while they wrote a video; not what another run is writing."""
    for path in halves:
        with contextlib.suppress(OSError):  # gone in the meantime
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()


def _fitted(image: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    width, height = size_wh
    if (image.shape[1], image.shape[0]) == size_wh:
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = cv2.resize(image, (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))))
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    canvas[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return canvas
