"""Whatever OpenCV opens as a capture that delivers at its own pace: V4L2 cameras, GStreamer pipelines, RTSP streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import SourceError
from onsight_edge.frame import Frame, Notice
from onsight_edge.quiet import quiet_opencv
from onsight_edge.sources.source import Health

CLOSE_S = 2.0  # what `close` waits for a read that is under way
GRANTED = "granted"  # kind of a Notice
_OLDEST_STAMP_NS = 10**9


class CameraSource:
    """An opened capture. It is read until it fails; opening it again is somebody else's.

    Attributes:
        granted: what the camera grants that differs from what it was asked for, a line; told before the first frame.
        on_notice: see Notifying.
    """

    live = True

    def __init__(self, uri: str, capture: cv2.VideoCapture, *, stamped: bool = False) -> None:
        """Take over `capture`, which is open; `close` releases it.

        Args:
            uri: for people, without passwords.
            capture: what OpenCV opened.
            stamped: its position is the driver's time of the picture on the monotonic clock, as V4L2's is.
        """
        self.uri = uri
        self.health = Health()
        self.granted: str | None = None
        self.on_notice: Callable[[Notice], None] = _nobody_listens
        self._capture, self._stamped = capture, stamped
        self._index = 0
        self._closed = False
        # OpenCV must not release a capture while another thread reads from it
        self._reading = threading.Lock()
        width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.size_wh = (int(width), int(height)) if width >= 1 and height >= 1 else None
        self.fps = float(rate) if 0 < rate <= 1000 else None

    def read(self) -> Frame | None:
        """The next frame; None after `close`.

        Raises:
            SourceError: the camera stopped delivering: unplugged, or taken by another program.
        """
        if self.granted is not None:
            self.on_notice(Notice(GRANTED, self.granted, time.monotonic_ns()))
            self.granted = None
        while True:
            taken = self._grab()
            if taken is None:
                return None
            frame = self._frame(*taken)
            if frame is not None:
                self._index += 1
                return frame

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

    def _grab(self) -> tuple[NDArray[Any], int] | None:
        """What the capture hands out, and when it arrived; None once closed."""
        with self._reading:
            if self._closed:
                return None
            image: Any = None
            with quiet_opencv():
                try:
                    grabbed = self._capture.grab()
                    captured_ns = time.monotonic_ns()
                    if grabbed and self._stamped:
                        captured_ns = stamp(self._capture.get(cv2.CAP_PROP_POS_MSEC), captured_ns)
                    if grabbed:
                        _, image = self._capture.retrieve()
                except cv2.error as error:
                    raise SourceError(
                        f"{self.uri}: OpenCV cannot take its picture {self._index}: {error.err}"
                    ) from error
            if self._hung_up():
                self._capture.release()  # `close` may not have waited for so long
                return None
        if image is None or image.size == 0:
            raise SourceError(
                f"{self.uri} stopped delivering after {self._index} frames: check its cable and its power, "
                "and that no other program uses it"
            )
        return image, captured_ns

    def _frame(self, image: NDArray[Any], captured_ns: int) -> Frame | None:
        """A frame of what the capture handed out; None where it is damaged, which is counted."""
        return Frame(three_channels(image), self._index, captured_ns)

    def _hung_up(self) -> bool:
        return self._closed  # by another thread, since `read` looked


class JpegCameraSource(CameraSource):
    """A capture that hands out JPEGs as they came, (1, bytes) uint8, which are decoded here; see Reducible."""

    def __init__(self, uri: str, capture: cv2.VideoCapture, *, stamped: bool = False) -> None:
        """As CameraSource."""
        from onsight_edge.sources.jpeg import JpegDecoder

        super().__init__(uri, capture, stamped=stamped)
        self._decoder = JpegDecoder(self.health)

    @property
    def reduction(self) -> Callable[[tuple[int, int]], int]:
        """From a picture's width and height to 1, 2, 4 or 8, by which it may be reduced."""
        return self._decoder.reduction

    @reduction.setter
    def reduction(self, reduction: Callable[[tuple[int, int]], int]) -> None:
        self._decoder.reduction = reduction

    def _frame(self, image: NDArray[Any], captured_ns: int) -> Frame | None:
        return self._decoder.decode(image.tobytes(), self._index, captured_ns)


def stamp(position_ms: float, arrived_ns: int) -> int:
    """When a picture was taken, in nanoseconds of the monotonic clock.

    Args:
        position_ms: the driver's time stamp, milliseconds of some clock.
        arrived_ns: when the picture was received, which is the answer where the driver's clock is another one.
    """
    stamped_ns = round(position_ms * 1e6)
    return stamped_ns if 0 <= arrived_ns - stamped_ns < _OLDEST_STAMP_NS else arrived_ns


def three_channels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 BGR of what cameras hand out: grey, BGR, BGR with a fourth channel; 8 or 16 bits.

    Raises:
        SourceError: something else, such as YUV that OpenCV did not convert.
    """
    if (
        image.dtype not in (np.uint8, np.uint16)
        or image.ndim not in (2, 3)
        or (image.shape[2:] or (1,))[0] not in (1, 3, 4)
    ):
        raise SourceError(
            f"the camera hands out pictures of shape {image.shape} {image.dtype}, which are no colours: ask it for "
            "another format, such as ?format=mjpeg"
        )
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 3 and image.shape[2] == 3:
        return image
    code = cv2.COLOR_BGRA2BGR if image.ndim == 3 and image.shape[2] == 4 else cv2.COLOR_GRAY2BGR
    return cv2.cvtColor(image, code)  # type: ignore[return-value]


def _nobody_listens(_: Notice) -> None:
    return
