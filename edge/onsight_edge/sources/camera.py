"""Cameras through V4L2: an index, or a device such as /dev/video0 or one of its links below /dev/v4l."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from onsight_edge.cameras import Identity, describe_cameras, find_again, identify
from onsight_edge.errors import SourceError, UsageError
from onsight_edge.quiet import quiet_opencv
from onsight_edge.sources.capture import CameraSource, JpegCameraSource
from onsight_edge.sources.source import check_fps, number_option, parse_size, split_options

OPTIONS = ("format", "size", "fps")
FORMATS = {"auto": None, "mjpeg": "MJPG", "yuyv": "YUYV"}
# One buffer is read while the driver fills the other. With a single one it finds none for the next picture, and a
# webcam delivers every second one; more would only hold older pictures.
_BUFFERS = 2
_SELECT_S = "2"  # whole seconds that OpenCV waits for a frame; 10 where nobody says otherwise


@dataclass(frozen=True, slots=True)
class Wish:
    """What a camera is asked for.

    Attributes:
        format: `mjpeg`, `yuyv`, or `auto`: MJPEG where raw pictures would not fit through USB 2 at full rate.
        size_wh: width and height in pixels; None leaves it to the camera, 640x480 with OpenCV.
        fps: frames a second; None leaves it to the camera.
    """

    format: str = "auto"
    size_wh: tuple[int, int] | None = None
    fps: float | None = None

    @property
    def fourcc(self) -> str | None:
        """The pixel format to ask the driver for; None leaves it to OpenCV, which prefers raw ones."""
        if self.format == "auto":
            width, height = self.size_wh or (640, 480)
            return "MJPG" if width * height > 640 * 480 or (self.fps or 0) > 30 else None
        return FORMATS[self.format]


class CameraOpener:
    """Opens a V4L2 camera, and finds it again later under another number."""

    def __init__(
        self,
        uri: str,
        *,
        fps: float | None = None,
        size_wh: tuple[int, int] | None = None,
        root: Path = Path("/"),
        capture: Callable[[str | int], cv2.VideoCapture] | None = None,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            uri: an index, `0`, or a device, `/dev/video0`, with `?format=mjpeg&size=1280x720&fps=30` or without.
            fps: frames a second to ask for, rather than those in `uri`.
            size_wh: width and height in pixels to ask for, rather than those in `uri`.
            root: where /dev and /sys are looked for.
            capture: opens a device with OpenCV.

        Raises:
            UsageError: an option is unknown or makes no sense.
        """
        name, options = split_options(uri, OPTIONS)
        chosen = options.get("format", "auto").lower()
        if chosen not in FORMATS:
            raise UsageError(f"{uri}: format must be one of {', '.join(FORMATS)}, not {chosen!r}")
        if size_wh is None and "size" in options:
            size_wh = parse_size(options["size"])
        if fps is None and "fps" in options:
            fps = check_fps(number_option(uri, options, "fps", 30))
        self._wish = Wish(chosen, size_wh, fps)
        number = name.lstrip("0") or "0"
        self._device = f"/dev/video{number}" if name.isdecimal() and sys.platform == "linux" else name
        self._root, self._capture = root, capture or _capture
        self._identity: Identity | None = None

    def __call__(self) -> CameraSource:
        """Open it; the second time, wherever it is then.

        Raises:
            SourceError: no such camera, no permission, or it does not open; lists the cameras that exist.
        """
        device = self._device
        if sys.platform != "linux":
            return _ask(device, self._opened(device, int(device) if device.isdecimal() else device), self._wish)
        if self._identity is not None:
            found = find_again(self._identity, self._root)
            if found is None:
                raise SourceError(f"{device} is not there any more")
            device = found
        path = self._root / device.lstrip("/")
        if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where a name is too long
            raise SourceError(f"there is no camera {device[:100]}; {describe_cameras(self._root)}")
        if not os.access(path, os.R_OK | os.W_OK):
            raise SourceError(
                f"no permission to open {device}: sudo usermod -aG video $USER, then log in again; "
                f"{describe_cameras(self._root)}"
            )
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", _SELECT_S)  # read when the first frame is waited for
        source = _ask(device, self._opened(device, str(path)), self._wish)
        if self._identity is None:
            self._identity = identify(device, self._root)
        return source

    def _opened(self, device: str, path: str | int) -> cv2.VideoCapture:
        with quiet_opencv():
            capture = self._capture(path)
        if capture.isOpened():
            return capture
        capture.release()
        raise SourceError(
            f"camera {device} does not open: another program may use it, or it gives no pictures; "
            f"{describe_cameras(self._root)}"
        )


def _ask(uri: str, capture: cv2.VideoCapture, wish: Wish) -> CameraSource:
    """Ask for a size, a rate and a format, and see what was granted."""
    with quiet_opencv():
        capture.set(cv2.CAP_PROP_BUFFERSIZE, _BUFFERS)
        if wish.fourcc is not None:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*wish.fourcc))
        if wish.size_wh is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, wish.size_wh[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, wish.size_wh[1])
        if wish.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, max(1, round(wish.fps)))  # OpenCV knows whole ones
        fourcc = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=False).decode("ascii", "replace")
        # MJPEG is decoded here, at the scale that is needed
        raw = fourcc in ("MJPG", "JPEG") and capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    source = (JpegCameraSource if raw else CameraSource)(uri, capture, stamped=True)
    source.granted = _difference(source, wish, fourcc)
    return source


def _difference(source: CameraSource, wish: Wish, fourcc: str) -> str | None:
    """What the camera granted, as a line, where that is not what it was asked for."""
    size, rate = source.size_wh, source.fps
    asked, given = [], []
    if wish.size_wh is not None and size != wish.size_wh:
        asked.append(f"{wish.size_wh[0]}x{wish.size_wh[1]}")
        given.append(f"{size[0]}x{size[1]}" if size else "an unknown size")
    if wish.fps is not None and (rate is None or abs(rate - wish.fps) > 0.5):
        asked.append(f"{wish.fps:g} fps")
        given.append(f"{rate:g} fps" if rate else "an unknown rate")
    if wish.format != "auto" and fourcc != wish.fourcc:
        asked.append(wish.format)
        given.append(fourcc.strip("\0 ") or "an unknown format")
    if not asked:
        return None
    return (
        f"{source.uri} was asked for {', '.join(asked)} and gives {', '.join(given)}; onsight cameras lists what it can"
    )


def _capture(device: str | int) -> cv2.VideoCapture:
    return cv2.VideoCapture(device, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
