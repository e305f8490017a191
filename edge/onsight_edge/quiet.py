"""Keeps OpenCV and FFmpeg from writing to standard error what an OnsightError says in one line."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import cv2

_SILENT = 0


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence both, in all threads, until the block ends."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's own AV_LOG_QUIET; read when it is first used
    set_level = _level_setter()
    before = set_level(_SILENT)
    try:
        yield
    finally:
        set_level(before)


def _level_setter() -> Callable[[int], int]:
    # OpenCV 5 moved it; both return the level that held before
    setter: Callable[[int], int] | None = getattr(cv2, "setLogLevel", None)
    return setter or cv2.utils.logging.setLogLevel
