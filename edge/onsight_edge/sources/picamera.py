"""picamera://: a Raspberry Pi's camera through picamera2, Raspberry Pi's own library.

Written against the Picamera2 manual and its source; no Raspberry Pi camera was at hand.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import SourceError, UsageError
from onsight_edge.frame import Frame
from onsight_edge.sources.capture import CLOSE_S, stamp
from onsight_edge.sources.source import Health, check_fps, number_option, parse_size, split_options, whole_option

OPTIONS = ("size", "fps", "flip", "sensor-mode")
# Named after the order in a little-endian word: in memory it is blue, green, red, as OpenCV wants it
# (Picamera2 manual, appendix A).
_FORMAT = "RGB888"
_BUFFERS = (
    4  # one in our hands, one kept as the latest, and two for the camera, which drops every second frame with less
)
_FLIPS = {0: (0, 0), 2: (1, 1), 4: (1, 0), 6: (0, 1)}  # nvvidconv's numbers -> mirrored sideways, upside down


class PicameraSource:
    """A started Picamera2. Its thread always holds the latest frame; `read` takes that or waits for the next."""

    live = True

    def __init__(self, uri: str, camera: Any) -> None:
        """Take over `camera`, which is configured and started; `close` closes it."""
        self.uri = uri
        self.health = Health()
        self.fps: float | None = None
        width, height = camera.camera_configuration()["main"]["size"]
        self.size_wh: tuple[int, int] = (int(width), int(height))
        self._camera = camera
        self._index = 0
        self._closed = False
        self._reading = threading.Lock()

    def read(self) -> Frame | None:
        """The next frame; None after `close`.

        Raises:
            SourceError: the camera stack failed.
        """
        with self._reading:
            if self._closed:
                return None
            try:
                request = self._camera.capture_request()
                arrived_ns = time.monotonic_ns()
                try:
                    image: NDArray[np.uint8] = request.make_array("main")  # a copy: the buffer goes back to the camera
                    metadata = request.get_metadata()
                finally:
                    request.release()
            except Exception as error:  # picamera2 and libcamera raise whatever is at hand
                if self._hung_up():
                    return None
                raise SourceError(f"{self.uri} stopped delivering after {self._index} frames: {error}") from error
        # of CLOCK_BOOTTIME, which is the monotonic clock's time on a board that never sleeps
        captured_ns = stamp(metadata.get("SensorTimestamp", 0) / 1e6, arrived_ns)
        duration_us = metadata.get("FrameDuration")
        self.fps = 1e6 / duration_us if duration_us else None
        frame = Frame(image, self._index, captured_ns)
        self._index += 1
        return frame

    def close(self) -> None:
        """Stop and free the camera, once a read that is under way has ended; it is waited for 2 s."""
        already, self._closed = self._closed, True
        if already:
            return
        taken = self._reading.acquire(timeout=CLOSE_S)
        try:
            self._camera.stop()
            self._camera.close()
        finally:
            if taken:
                self._reading.release()

    def _hung_up(self) -> bool:
        return self._closed  # by another thread, since `read` looked


def open_picamera(
    uri: str,
    *,
    fps: float | None = None,
    size_wh: tuple[int, int] | None = None,
    module: ModuleType | Any | None = None,
) -> PicameraSource:
    """Open `picamera://0?size=1280x720&fps=30&flip=2`.

    Args:
        uri: see above, or the same with `csi://`; what it leaves out is 640x480 and the camera's own rate.
        fps: rather than that of `uri`.
        size_wh: width and height in pixels, rather than those of `uri`.
        module: picamera2, where it is imported already.

    Raises:
        SourceError: picamera2 is not there, or there is no such camera, or another program uses it.
        UsageError: an option is unknown or makes no sense.
    """
    number, options = split_options(uri, OPTIONS)
    if number and not (number.isdecimal() and len(number) < 4):
        raise UsageError(f"{uri}: expected the camera's number, picamera://0")
    if "sensor-mode" in options:
        raise UsageError(f"{uri}: sensor-mode is a Jetson's; a Raspberry Pi chooses it by size and rate")
    flip = whole_option(uri, options, "flip", 0)
    if flip not in _FLIPS:
        raise UsageError(f"{uri}: flip must be 0, 2, 4 or 6 here, not {flip}; --rotate makes quarter turns")
    size = size_wh or parse_size(options.get("size", "640x480"))
    rate = check_fps(number_option(uri, options, "fps", 0)) if fps is None and "fps" in options else fps
    module = module or import_picamera2(uri)
    index = int(number or 0)
    cameras = module.Picamera2.global_camera_info()
    if index >= len(cameras):
        there = ", ".join(f"{at} is {info.get('Model', 'a camera')}" for at, info in enumerate(cameras))
        raise SourceError(f"{uri}: there is no camera {index}; " + (there or "libcamera sees none: check the cable"))
    try:
        camera = module.Picamera2(index)
        try:
            camera.configure(_configuration(camera, size, rate, _FLIPS[flip]))
            camera.start()
            return PicameraSource(uri, camera)
        except BaseException:
            camera.close()
            raise
    except Exception as error:  # picamera2 and libcamera raise whatever is at hand
        raise SourceError(f"{uri} does not open: {error}; does another program use the camera?") from error


def import_picamera2(uri: str) -> ModuleType:
    """picamera2 itself.

    Raises:
        SourceError: it is not there or does not load.
    """
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")  # else it tells of every configuration on stderr
    try:
        return importlib.import_module("picamera2")
    except ModuleNotFoundError as error:
        raise SourceError(
            f"{uri} needs picamera2 ({error}): sudo apt install python3-picamera2, and make the virtual environment "
            "with python3 -m venv --system-site-packages"
        ) from error
    except Exception as error:  # such as ValueError from a part that was built for another NumPy
        raise SourceError(
            f"{uri} needs picamera2, which does not load: {error}; where NumPy is at fault, pip install 'numpy<2' "
            "'opencv-python-headless<4.12' beside the system's packages"
        ) from error


def _configuration(camera: Any, size: tuple[int, int], rate: float | None, mirrored: tuple[int, int]) -> Any:
    more: dict[str, Any] = {}
    if rate is not None:
        more["controls"] = {"FrameRate": rate}
    if any(mirrored):
        transform = importlib.import_module("libcamera").Transform
        more["transform"] = transform(hflip=mirrored[0], vflip=mirrored[1])
    return camera.create_video_configuration(main={"size": size, "format": _FORMAT}, buffer_count=_BUFFERS, **more)
