"""Cameras through V4L2: an index, or a device such as /dev/video0."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from pathlib import Path

import cv2

from onsight_edge.errors import SourceError
from onsight_edge.frame import Frame
from onsight_edge.quiet import quiet_opencv
from onsight_edge.sources.source import Health

CLOSE_S = 2.0  # what `close` waits for a read that is under way


class CameraSource:
    """An opened capture that delivers at its own pace. RTSP streams are read through it too."""

    live = True

    def __init__(self, uri: str, capture: cv2.VideoCapture) -> None:
        """Take over `capture`, which is open; `close` releases it."""
        self.uri = uri
        self.health = Health()
        self._capture = capture
        self._index = 0
        self._closed = False
        # OpenCV must not release a capture while another thread reads from it
        self._reading = threading.Lock()
        width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.size_wh = (int(width), int(height)) if width >= 1 and height >= 1 else None
        self.fps = float(rate) if 0 < rate <= 1000 else None

    def read(self) -> Frame | None:
        """The next frame.

        Raises:
            SourceError: the camera stopped delivering: unplugged, or taken by another program.
        """
        with self._reading:
            if self._closed:
                return None
            with quiet_opencv():
                grabbed = self._capture.grab()
                captured_ns = time.monotonic_ns()
                taken, image = self._capture.retrieve() if grabbed else (False, None)
            if self._hung_up():
                self._capture.release()  # `close` may not have waited for so long
        if not taken or image is None or image.size == 0:
            if self._hung_up():
                return None
            raise SourceError(
                f"{self.uri} stopped delivering after {self._index} frames: check its cable and its power, "
                "and that no other program uses it"
            )
        frame = Frame(image, self._index, captured_ns)  # type: ignore[arg-type]
        self._index += 1
        return frame

    def _hung_up(self) -> bool:
        return self._closed  # by another thread, since `read` looked

    def close(self) -> None:
        """Release the device, once a read that is under way has ended.

        A driver that hangs is waited for 2 s; the read releases the device then, if ever it returns.
        """
        self._closed = True
        if self._reading.acquire(timeout=CLOSE_S):
            try:
                self._capture.release()
            finally:
                self._reading.release()


def open_camera(uri: str, *, fps: float | None = None, size_wh: tuple[int, int] | None = None) -> CameraSource:
    """Open a camera and ask it for a size and a rate; what it granted stands in the source.

    Args:
        uri: an index, `0`, or a device, `/dev/video0`.
        fps: frames a second to ask for.
        size_wh: width and height in pixels to ask for.

    Raises:
        SourceError: no such camera, no permission, or it does not open; lists the cameras that exist.
    """
    if sys.platform == "linux":
        device = Path(f"/dev/video{uri.lstrip('0') or 0}" if uri.isdecimal() else uri)
        if not os.path.exists(device):  # noqa: PTH110 - Path.exists raises where a name is too long
            raise SourceError(f"there is no camera {str(device)[:100]}; {_cameras()}")
        if not os.access(device, os.R_OK | os.W_OK):
            raise SourceError(
                f"no permission to open {device}: sudo usermod -aG video $USER, then log in again; {_cameras()}"
            )
        with quiet_opencv():
            capture = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
    else:
        with quiet_opencv():
            capture = cv2.VideoCapture(int(uri)) if uri.isdecimal() else cv2.VideoCapture(uri)
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"camera {uri} does not open: another program may use it; {_cameras()}")
    with quiet_opencv():
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # every buffered frame is one period of age
        if size_wh is not None:
            if size_wh[0] * size_wh[1] > 640 * 480:
                # raw YUYV of that size does not fit through USB 2 at full rate; a camera without MJPEG ignores this
                capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size_wh[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size_wh[1])
        if fps is not None:
            capture.set(cv2.CAP_PROP_FPS, fps)
    return CameraSource(uri, capture)


def _cameras() -> str:
    found = sorted(Path("/dev").glob("video*"), key=lambda p: int(re.sub(r"\D", "", p.name) or 0))
    if not found:
        return "this machine has no camera (no /dev/video*)"
    return "there are " + ", ".join(str(path) for path in found)
