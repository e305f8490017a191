"""RTSP streams, through OpenCV's FFmpeg."""

from __future__ import annotations

import cv2

from onsight_edge.errors import SourceError
from onsight_edge.quiet import quiet_opencv
from onsight_edge.sources.capture import CameraSource
from onsight_edge.sources.source import without_password

TIMEOUT_MS = 5000


def open_rtsp(uri: str) -> CameraSource:
    """Connect to an RTSP stream.

    Raises:
        SourceError: nothing answers within 5 s, or no video comes; later, when frames stay away for 5 s.
    """
    shown = without_password(uri)
    with quiet_opencv():
        capture = cv2.VideoCapture(
            uri,
            cv2.CAP_FFMPEG,
            [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS],
        )
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"cannot open {shown}: no video from there (waited up to {TIMEOUT_MS // 1000} s); check address and login"
        )
    return CameraSource(shown, capture)
