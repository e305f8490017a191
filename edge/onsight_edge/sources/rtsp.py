"""RTSP streams, through OpenCV's FFmpeg.

RTP is asked for within the RTSP connection, over TCP, before anything else: OpenCV says so to FFmpeg where
OPENCV_FFMPEG_CAPTURE_OPTIONS does not say otherwise. That variable is the process's and the user's and is left alone.
What it is commonly set for is had without it: one decoder thread, as each one more holds back a picture, and the
pictures that wait since the stream was opened or a stall are passed over, where `fflags;nobuffer` would throw away the
key picture that the others need.
"""

from __future__ import annotations

import time
from typing import Any

import cv2
from numpy.typing import NDArray

from onsight_edge.errors import SourceError
from onsight_edge.quiet import quiet_opencv
from onsight_edge.sources.capture import CameraSource
from onsight_edge.sources.source import without_password

TIMEOUT_MS = 2000
DRAIN_S = 2.0  # a device that decodes slower than the stream comes never finds an end of what waits
LATE_S = 0.5
AT_ONCE_S = 0.01
PACE = 0.7  # pictures that come faster than so many times their own time were waiting


class RtspSource(CameraSource):
    """A capture behind which pictures pile up while it is opened, and while the network or this process stands still.

    Reading it all the time keeps it empty otherwise.
    """

    _read_at: float | None = None

    def _grab(self) -> tuple[NDArray[Any], int] | None:
        if self._read_at is None or time.monotonic() - self._read_at > LATE_S:
            self._drain()
        before = time.monotonic()
        taken = super()._grab()
        self._read_at = before if time.monotonic() - before > LATE_S else time.monotonic()
        return taken

    def _drain(self) -> None:
        """Pass over pictures until they come at the pace at which they were taken."""
        began = before = time.monotonic()
        position_ms: float | None = None
        with self._reading, quiet_opencv():
            while not self._closed and before - began < DRAIN_S:
                if not self._capture.grab():
                    return  # met again, and told, by whoever reads on
                now, at_ms = time.monotonic(), self._capture.get(cv2.CAP_PROP_POS_MSEC)
                apart_s = 0.0 if position_ms is None else (at_ms - position_ms) / 1e3
                # the first two have the same time, and some streams have none
                if now - before >= (PACE * apart_s if apart_s > 0 else AT_ONCE_S):
                    return
                self._index += 1
                before, position_ms = now, at_ms


def open_rtsp(uri: str) -> RtspSource:
    """Connect to an RTSP stream.

    Raises:
        SourceError: nothing answers within 2 s, or no video comes; later, when frames stay away for 2 s.
    """
    shown = without_password(uri)
    with quiet_opencv():
        capture = cv2.VideoCapture(
            uri,
            cv2.CAP_FFMPEG,
            [
                *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS),
                *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS),
                *(cv2.CAP_PROP_N_THREADS, 1),
            ],
        )
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"cannot open {shown}: no video from there (waited up to {TIMEOUT_MS // 1000} s); check address and login"
        )
    return RtspSource(shown, capture)
