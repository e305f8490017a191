"""A window that shows what the camera sees, with the answer drawn into it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2

from onsight_edge.errors import SinkError
from onsight_edge.frame import SOURCE_LOST, Notice, Result
from onsight_edge.overlay import draw, draw_lost
from onsight_edge.sinks.sink import RunInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ESCAPE = 27
_PROBE = "import cv2; cv2.namedWindow('onsight'); cv2.waitKey(1); cv2.destroyAllWindows()"
_PROBE_S = 15.0


class WindowSink:
    """Shows results in a window of OpenCV's; q, Esc or closing it ends the run."""

    name = "window"
    wants_image = True
    backlog = 1

    def __init__(self) -> None:
        self._title = "onsight"
        self._shown = False
        self._last: NDArray[np.uint8] | None = None
        self._stop = RunInfo("", False, None, None, "", ()).request_stop

    def open(self, info: RunInfo) -> None:
        """See whether a window can be shown.

        Raises:
            SinkError: there is no display or none that answers, OpenCV was built without windows, or this is macOS.
        """
        problem = missing_for_window(cv2.getBuildInformation(), dict(os.environ), sys.platform)
        if problem is None and sys.platform == "linux":
            problem = failing_display()
        if problem is not None:
            raise SinkError(problem)
        self._title = f"onsight: {info.model} on {info.source} (q ends)"
        self._stop = info.request_stop

    def write(self, result: Result) -> None:
        """Show one frame.

        Raises:
            SinkError: the display went away.
        """
        try:
            if self._shown and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
                self._stop()
                return
            self._last = result.frame.image_bgr
            cv2.imshow(self._title, draw(self._last, result))
            self._shown = True
            if cv2.waitKey(1) & 0xFF in (ord("q"), _ESCAPE):
                self._stop()
        except cv2.error as error:
            raise SinkError(f"the window failed: {str(error).splitlines()[0]}") from error

    def notice(self, notice: Notice) -> None:
        """Show that the source is lost: its last picture must not pass for the present one.

        Raises:
            SinkError: the display went away.
        """
        if notice.kind != SOURCE_LOST or self._last is None:
            return
        try:
            cv2.imshow(self._title, draw_lost(self._last, notice.text))
            cv2.waitKey(1)
        except cv2.error as error:
            raise SinkError(f"the window failed: {str(error).splitlines()[0]}") from error

    def close(self) -> None:
        """Close the window."""
        if self._shown:
            try:
                cv2.destroyWindow(self._title)
            except cv2.error:
                return  # closed by hand already


def missing_for_window(build: str, environment: dict[str, str], platform: str) -> str | None:
    """What a window lacks here, as one line that says what to do; None when nothing.

    Args:
        build: `cv2.getBuildInformation()`.
        environment: the process's variables.
        platform: `sys.platform`.
    """
    if platform == "darwin":  # AppKit ends a process that draws from another thread than its first
        return "a window cannot be shown on macOS: write a video with --mp4, or lines with --jsonl"
    match = re.search(r"^\s*GUI:\s*(.*)$", build, re.MULTILINE)
    windowed = match is not None and match[1].strip().upper() != "NONE"
    display = platform != "linux" or any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    lacking = []
    if not display:
        lacking.append("a display (neither $DISPLAY nor $WAYLAND_DISPLAY is set)")
    if not windowed:
        lacking.append("an OpenCV with windows (pip uninstall opencv-python-headless && pip install opencv-python)")
    return f"a window needs {' and '.join(lacking)}" if lacking else None


def failing_display(command: Sequence[str] = (sys.executable, "-c", _PROBE)) -> str | None:
    """What is wrong with the display that the environment names, as one line; None when a window opens.

    A process of its own tries it, because Qt ends the process that finds nobody at $DISPLAY.

    Args:
        command: opens a window and ends with status 0.
    """
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=_PROBE_S, check=False)
    except subprocess.TimeoutExpired:
        why = f"no answer within {_PROBE_S:g} s"
    except OSError:
        return None  # nothing to try with; the window itself will tell
    else:
        if done.returncode == 0:
            return None
        lines = done.stderr.decode(errors="replace").split("\n")
        why = next((line.strip()[:200] for line in lines if line.strip()), f"status {done.returncode}")
    return f"a window does not open on this display ({why}): see to $DISPLAY or $WAYLAND_DISPLAY, or leave --window out"
