"""csi://: cameras on a board's own connector. Jetson: through Argus and GStreamer; Raspberry Pi: through picamera2.

Pipeline elements: NVIDIA's "Accelerated GStreamer" guide (nvarguscamerasrc, nvvidconv) and GStreamer's appsink.
Written against their documentation; no Jetson was at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from onsight_edge.cameras import describe_cameras, is_jetson, is_raspberry_pi
from onsight_edge.errors import SourceError, UsageError
from onsight_edge.quiet import quiet_opencv
from onsight_edge.sources.capture import CameraSource
from onsight_edge.sources.source import check_fps, number_option, parse_size, split_options, whole_option

if TYPE_CHECKING:
    from onsight_edge.sources.source import Source

OPTIONS = ("sensor-mode", "flip", "size", "fps")
FLIPS = 8  # nvvidconv's flip-method: 0 none, 1 and 3 quarter turns, 2 half a turn, 4 and 6 mirrored, 5 and 7 diagonally


@dataclass(frozen=True, slots=True)
class CsiWish:
    """What a CSI camera is asked for.

    Attributes:
        sensor: its number.
        size_wh: width and height of the frames in pixels, before a quarter turn; the image processor scales to it.
        fps: frames a second.
        mode: of the sensor; None leaves it to Argus, which takes the one that fits size and rate.
        flip: nvvidconv's flip-method, 0 to 7.
    """

    sensor: int = 0
    size_wh: tuple[int, int] = (1280, 720)
    fps: float = 30.0
    mode: int | None = None
    flip: int = 0


def open_csi(
    uri: str, *, fps: float | None = None, size_wh: tuple[int, int] | None = None, root: Path = Path("/")
) -> Source:
    """Open `csi://0?size=1280x720&fps=30&sensor-mode=2&flip=2`.

    Args:
        uri: see above; what it leaves out is 1280x720 at 30 frames a second, the sensor's mode chosen by Argus.
        fps: rather than that of `uri`.
        size_wh: width and height in pixels, rather than those of `uri`.
        root: where the device tree is looked for.

    Raises:
        SourceError: no such camera, or this OpenCV knows no GStreamer.
        UsageError: an option is unknown or makes no sense.
    """
    if is_raspberry_pi(root):
        from onsight_edge.sources.picamera import open_picamera

        return open_picamera(uri, fps=fps, size_wh=size_wh)
    wish = parse_csi(uri, fps=fps, size_wh=size_wh)
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        if not is_jetson(root):
            raise SourceError(
                f"{uri} is for Jetsons and Raspberry Pis, and this machine's device tree names neither; "
                f"{describe_cameras(root)}"
            )
        # the shell reads parentheses, gst-launch-1.0 every word of its own; Argus chats on standard output
        words = [f"'{word}'" if "(" in word else word for word in pipeline(wish, "fdsink fd=3").split()]
        width, height = wish.size_wh if wish.flip not in (1, 3, 5, 7) else wish.size_wh[::-1]
        raise SourceError(
            f"{uri} needs an OpenCV with GStreamer, which pip's packages lack. Without one: gst-launch-1.0 -q "
            f"{' '.join(words)} 3>&1 >/dev/null | onsight run --source "
            f"'pipe:?format=bgr24&size={width}x{height}&fps={wish.fps:g}'; docs/install.md says how to get one"
        )
    with quiet_opencv():
        capture = cv2.VideoCapture(pipeline(wish), cv2.CAP_GSTREAMER)
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"{uri} does not open: is the camera connected, and does nvargus-daemon run (sudo systemctl restart "
            f"nvargus-daemon)? {describe_cameras(root)}"
        )
    return CameraSource(uri, capture)


def parse_csi(uri: str, *, fps: float | None = None, size_wh: tuple[int, int] | None = None) -> CsiWish:
    """What a `csi://` URI and the flags beside it ask for.

    Raises:
        UsageError: an option is unknown or makes no sense.
    """
    sensor, options = split_options(uri, OPTIONS)
    plain = CsiWish()
    if sensor and not (sensor.isdecimal() and len(sensor) < 4):
        raise UsageError(f"{uri}: expected the sensor's number, csi://0")
    flip = whole_option(uri, options, "flip", plain.flip)
    if flip >= FLIPS:
        raise UsageError(f"{uri}: flip must be 0 to {FLIPS - 1}, as nvvidconv's flip-method, not {flip}")
    size = size_wh or (parse_size(options["size"]) if "size" in options else plain.size_wh)
    rate = number_option(uri, options, "fps", plain.fps) if fps is None else fps
    mode = whole_option(uri, options, "sensor-mode", 0) if "sensor-mode" in options else None
    return CsiWish(int(sensor or 0), size, check_fps(rate), mode, flip)


def pipeline(wish: CsiWish, sink: str = "appsink drop=1 max-buffers=1 sync=false") -> str:
    """The GStreamer pipeline: the newest picture only, (H, W, 3) BGR at the end."""
    mode = "" if wish.mode is None else f" sensor-mode={wish.mode}"
    width, height = wish.size_wh
    rate = f"{round(wish.fps * 1000)}/1000" if wish.fps % 1 else f"{wish.fps:.0f}/1"
    return (
        f"nvarguscamerasrc sensor-id={wish.sensor}{mode} ! "
        f"video/x-raw(memory:NVMM),format=NV12,width={width},height={height},framerate={rate} ! "
        f"nvvidconv flip-method={wish.flip} ! video/x-raw,format=BGRx ! "
        f"videoconvert ! video/x-raw,format=BGR ! {sink}"
    )
