"""Keeps C++ libraries from writing to standard error what an OnsightError says in one line."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

_SILENT = 0
_levels = threading.Lock()
_quieters = 0
_level_before = 0
_silence = threading.Condition()
_silencers = 0
_saved = -1


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's and FFmpeg's own logs, in all threads, until the last such block ends."""
    global _quieters, _level_before  # the level is the process's, too
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's own AV_LOG_QUIET; read when it is first used
    set_level = _level_setter()
    with _levels:
        if _quieters == 0:
            _level_before = set_level(_SILENT)
        _quieters += 1
    try:
        yield
    finally:
        with _levels:
            _quieters -= 1
            if _quieters == 0:
                set_level(_level_before)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what is written to file descriptor 2 nowhere, in all threads, until the block ends.

    For libraries without a switch for that: LiteRT announces its delegate, libpng and libjpeg their warnings. Blocks
    may overlap, in threads too; the last one to end gives the descriptor back. Keep them short: a line that another
    thread writes meanwhile is lost, unless it waits with `wait_for_stderr`.
    """
    global _silencers, _saved  # the descriptor is the process's, too
    with _silence:
        if _silencers == 0:
            _saved = _divert()
        _silencers += 1
    try:
        yield
    finally:
        with _silence:
            _silencers -= 1
            if _silencers == 0:
                if _saved >= 0:
                    os.dup2(_saved, 2)
                    os.close(_saved)
                _silence.notify_all()


def wait_for_stderr(timeout_s: float = 0.5) -> None:
    """Wait until no `quiet_stderr` block is running, but not longer than `timeout_s` seconds."""
    with _silence:
        _silence.wait_for(lambda: _silencers == 0, timeout_s)


def _divert() -> int:
    """Point descriptor 2 at nothing; a copy of what it was, or -1 where there is none (a service) to divert."""
    try:
        saved = os.dup(2)
    except OSError:
        return -1
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - nothing of pathlib is needed here
            os.dup2(nowhere.fileno(), 2)
    except OSError:  # out of descriptors: noise is the smaller evil
        os.close(saved)
        return -1
    return saved


def _level_setter() -> Callable[[int], int]:
    import cv2  # here: the runtimes use this module, and need no OpenCV

    # OpenCV 5 moved it; both return the level that held before
    setter: Callable[[int], int] | None = getattr(cv2, "setLogLevel", None)
    return setter or cv2.utils.logging.setLogLevel
