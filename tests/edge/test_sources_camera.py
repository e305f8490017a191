"""V4L2 cameras through a capture that behaves as OpenCV's V4L2 backend does (modules/videoio/src/cap_v4l.cpp)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from onsight_edge.errors import SourceError, UsageError
from onsight_edge.frame import Frame, Notice
from onsight_edge.sources import open_source
from onsight_edge.sources.camera import CameraOpener, Wish
from onsight_edge.sources.capture import CameraSource, JpegCameraSource, stamp, three_channels
from onsight_edge.sources.recovering import RecoveringSource
from onsight_edge.sources.source import Reducible
from onsight_edge.sources.synthetic import SyntheticSource, read_number

MJPG, YUYV = (cv2.VideoWriter.fourcc(*name) for name in ("MJPG", "YUYV"))


class Webcam:
    """As much of cv2.VideoCapture as the sources use. Grants what a common webcam grants; unplugged, it fails."""

    def __init__(self, *, frames: int = 1000, opened: bool = True, formats: tuple[int, ...] = (YUYV, MJPG)) -> None:
        self.formats, self.opened, self.left = formats, opened, frames
        self.fourcc, self.wh, self.fps, self.convert, self.buffers = formats[0], (640, 480), 30.0, True, 4
        self.asked: list[int] = []
        self.torn: set[int] = set()
        self.clock_offset_ms = -20.0
        self.index = -1
        self.released = False
        self._pictures = SyntheticSource(None, (640, 480), None)

    def isOpened(self) -> bool:
        return self.opened

    def set(self, what: int, value: float) -> bool:
        self.asked.append(what)
        if what == cv2.CAP_PROP_FOURCC:
            if value not in self.formats:
                return False
            self.fourcc = int(value)
        elif what == cv2.CAP_PROP_FRAME_WIDTH:
            self._width = int(value)
        elif what == cv2.CAP_PROP_FRAME_HEIGHT:
            self.wh = (1280, 720) if self._width > 1280 else (self._width, int(value))
        elif what == cv2.CAP_PROP_FPS:
            self.fps = min(value, 30.0 if self.fourcc == MJPG or self.wh <= (640, 480) else 10.0)
        elif what == cv2.CAP_PROP_CONVERT_RGB:
            self.convert = bool(value)
        elif what == cv2.CAP_PROP_BUFFERSIZE:
            self.buffers = int(value)
        return True

    def get(self, what: int) -> float:
        return {
            cv2.CAP_PROP_FRAME_WIDTH: self.wh[0],
            cv2.CAP_PROP_FRAME_HEIGHT: self.wh[1],
            cv2.CAP_PROP_FPS: self.fps,
            cv2.CAP_PROP_FOURCC: self.fourcc,
            cv2.CAP_PROP_POS_MSEC: time.monotonic() * 1e3 + self.clock_offset_ms,
        }[what]

    def grab(self) -> bool:
        time.sleep(0.002)
        self.left -= 1
        self.index += 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        frame = self._pictures.read()
        assert frame is not None
        if self.convert:
            return True, frame.image_bgr
        data = cv2.imencode(".jpg", frame.image_bgr)[1].reshape(1, -1)
        return True, data[:, : data.shape[1] // 2] if self.index in self.torn else data

    def release(self) -> None:
        self.released = True


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with one camera, /dev/video0."""
    plug(tmp_path, 0)
    return tmp_path


def plug(root: Path, number: int) -> None:
    folder = root / f"sys/class/video4linux/video{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text("Webcam\n")
    (root / "dev/v4l/by-path").mkdir(parents=True, exist_ok=True)
    (root / f"dev/video{number}").write_bytes(b"")
    link = root / "dev/v4l/by-path/usb-1-video-index0"
    link.unlink(missing_ok=True)
    link.symlink_to(f"../../video{number}")


def unplug(root: Path, number: int) -> None:
    (root / f"dev/video{number}").unlink()
    (root / "dev/v4l/by-path/usb-1-video-index0").unlink()


def opened(root: Path, uri: str, webcam: Webcam, **options: Any) -> CameraSource:
    return CameraOpener(uri, root=root, capture=lambda _: webcam, **options)()  # type: ignore[arg-type, return-value]


def frames(source: CameraSource, count: int) -> list[Frame]:
    found = [source.read() for _ in range(count)]
    return [frame for frame in found if frame is not None]


@pytest.mark.parametrize("uri", ["0", "/dev/video0", "/dev/v4l/by-path/usb-1-video-index0"])
def test_a_camera_is_opened_by_number_device_or_link(root: Path, uri: str) -> None:
    webcam = Webcam()
    source = opened(root, uri, webcam)
    assert (source.size_wh, source.fps, source.granted) == ((640, 480), 30.0, None)
    assert not isinstance(source, Reducible) and webcam.convert
    assert [read_number(frame.image_bgr) for frame in frames(source, 3)] == [0, 1, 2]
    assert webcam.buffers == 2
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "2"
    source.close()
    assert webcam.released and source.read() is None


def test_mjpeg_is_taken_as_it_comes_and_decoded_no_larger_than_needed(root: Path) -> None:
    webcam = Webcam()
    webcam.torn = {1}
    source = opened(root, "0?format=mjpeg&size=640x480&fps=30", webcam)
    assert isinstance(source, JpegCameraSource) and isinstance(source, Reducible)
    assert not webcam.convert and source.granted is None
    source.reduction = lambda wh: 4 if wh == (640, 480) else 1
    found = frames(source, 3)
    assert [frame.index for frame in found] == [0, 1, 2] and source.health.skipped == 1
    assert [frame.image_bgr.shape for frame in found] == [(120, 160, 3)] * 3
    assert [read_number(frame.picture()) for frame in found] == [0, 2, 3]
    assert found[0].picture().shape == (480, 640, 3)
    source.close()


@pytest.mark.parametrize(
    ("uri", "options", "line"),
    [
        ("0?size=3840x2160", {}, "was asked for 3840x2160 and gives 1280x720"),
        ("0?format=yuyv&size=1280x720&fps=30", {}, "was asked for 30 fps and gives 10 fps"),
        ("0?size=1280x720", {"fps": 60.0}, "was asked for 60 fps and gives 30 fps"),
        ("0", {"size_wh": (1280, 720), "fps": 30.0}, None),
    ],
)
def test_what_was_granted_is_told_once_where_it_differs(
    root: Path, uri: str, options: dict[str, Any], line: str | None
) -> None:
    source = opened(root, uri, Webcam(), **options)
    notices: list[Notice] = []
    source.on_notice = notices.append
    frames(source, 2)
    assert [notice.kind for notice in notices] == ([] if line is None else ["granted"])
    assert line is None or line in notices[0].text
    source.close()


def test_a_camera_without_mjpeg_says_what_it_gives_instead(root: Path) -> None:
    source = opened(root, "0?format=mjpeg", Webcam(formats=(YUYV,)))
    assert source.granted is not None and "was asked for mjpeg and gives YUYV" in source.granted
    assert read_number(frames(source, 1)[0].image_bgr) == 0


def test_auto_asks_for_mjpeg_where_raw_pictures_would_be_too_many() -> None:
    assert Wish().fourcc is None
    assert Wish(size_wh=(640, 480), fps=30).fourcc is None
    assert Wish(size_wh=(800, 600)).fourcc == "MJPG"
    assert Wish(fps=60).fourcc == "MJPG"
    assert Wish("yuyv", (1280, 720)).fourcc == "YUYV"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("0?format=h264", "format must be one of auto, mjpeg, yuyv, not 'h264'"),
        ("0?speed=3", "unknown option 'speed'; known are format, size, fps"),
        ("/dev/video0?size=big", "a size is WIDTHxHEIGHT"),
        ("0?fps=fast", "fps must be a number"),
        ("0?fps=0", "above 0"),
        ("csi://x", "expected the sensor's number"),
        ("csi://0?flip=9", "flip must be 0 to 7"),
        ("csi://0?sensor-mode=-1", "whole number"),
        ("picamera://front", "expected the camera's number"),
        ("picamera://0?flip=1", "flip must be 0, 2, 4 or 6 here"),
        ("picamera://0?sensor-mode=1", "sensor-mode is a Jetson's"),
    ],
)
def test_a_wrong_option_is_one_line(uri: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        open_source(uri)
    assert "\n" not in str(caught.value)


def test_elsewhere_than_on_linux_opencv_finds_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onsight_edge.sources.camera.sys.platform", "darwin")
    asked: list[str | int] = []

    def capture(device: str | int) -> Webcam:
        asked.append(device)
        return Webcam(opened=device == 0)

    source = CameraOpener("0?size=640x480", capture=capture)()  # type: ignore[arg-type]
    assert source.read() is not None and asked == [0]
    with pytest.raises(SourceError, match="camera 1 does not open"):
        CameraOpener("1", capture=capture)()  # type: ignore[arg-type]


def test_a_camera_that_does_not_open_lists_those_that_exist(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    webcam = Webcam(opened=False)
    with pytest.raises(SourceError, match=r"camera /dev/video0 does not open: another program .* /dev/video0"):
        opened(root, "0", webcam)
    assert webcam.released
    with pytest.raises(SourceError, match=r"there is no camera /dev/video3; there are /dev/video0 \(Webcam\)"):
        opened(root, "3", webcam)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SourceError, match=r"no permission to open /dev/video0: sudo usermod -aG video"):
        opened(root, "0", webcam)


def test_the_driver_s_time_of_the_picture_is_used_where_it_is_of_our_clock(root: Path) -> None:
    for offset_ms, low, high in ((-20.0, 18e6, 500e6), (1.7e12, -1, 15e6), (-5e6, -1, 15e6)):
        webcam = Webcam()
        webcam.clock_offset_ms = offset_ms
        source = opened(root, "0", webcam)
        ages = []
        for _ in range(5):
            (frame,) = frames(source, 1)
            ages.append(time.monotonic_ns() - frame.captured_ns)
        assert low <= sorted(ages)[0] <= high, (offset_ms, ages)
        source.close()
    assert stamp(1000.0, 1_000_000_005) == 1_000_000_000
    assert stamp(1000.0, 999_999_999) == 999_999_999  # of the future
    assert stamp(0.0, 10**12) == 10**12


@pytest.mark.parametrize("odd", [np.zeros((4, 6, 2), np.uint8), np.zeros((4, 6, 3), np.float32), np.zeros(9, np.uint8)])
def test_pictures_that_are_no_colours_are_one_line(odd: np.ndarray) -> None:
    with pytest.raises(SourceError, match="which are no colours: ask it for another format") as caught:
        three_channels(odd)
    assert "\n" not in str(caught.value)


def test_grey_and_four_channel_frames_become_three(root: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(three_channels(grey), np.dstack([grey] * 3))
    assert np.array_equal(three_channels(grey[..., np.newaxis]), np.dstack([grey] * 3))
    assert np.array_equal(three_channels(grey.astype(np.uint16) << 8 | 255), np.dstack([grey] * 3))
    four = np.dstack([grey, grey + 1, grey + 2, grey + 3])
    assert np.array_equal(three_channels(four), four[..., :3])
    three = np.ascontiguousarray(four[..., :3])
    assert three_channels(three) is three

    class Grey(Webcam):
        def retrieve(self) -> tuple[bool, np.ndarray]:
            return True, grey

    assert frames(opened(root, "0", Grey()), 1)[0].image_bgr.shape == (3, 4, 3)


def test_a_picture_that_opencv_refuses_is_one_line(root: Path) -> None:
    class Broken(Webcam):
        def retrieve(self) -> tuple[bool, np.ndarray]:
            cv2.imdecode(np.zeros(0, np.uint8), 1)
            raise AssertionError

    with pytest.raises(SourceError, match="/dev/video0: OpenCV cannot take its picture 0") as caught:
        opened(root, "0", Broken()).read()
    assert "\n" not in str(caught.value)


def test_a_camera_that_was_unplugged_comes_back_under_another_number(root: Path) -> None:
    cameras = {"/dev/video0": Webcam(frames=3), "/dev/video5": Webcam()}
    devices: list[str] = []

    def capture(device: str | int) -> Webcam:
        devices.append(str(device)[len(str(root)) :])
        return cameras[devices[-1]]

    source = RecoveringSource(CameraOpener("0", root=root, capture=capture), back_off_s=(0.02,))  # type: ignore[arg-type]
    notices: list[Notice] = []
    source.on_notice = notices.append
    assert all(source.read() for _ in range(3))
    unplug(root, 0)
    plug(root, 5)
    frame = source.read()
    assert frame is not None and frame.index == 3
    assert devices == ["/dev/video0", "/dev/video5"] and source.uri == "/dev/video5"
    assert [notice.kind for notice in notices] == ["source-lost", "source-back"]
    assert "/dev/video0 stopped delivering after 3 frames" in notices[0].text and source.health.reopened == 1
    assert cameras["/dev/video0"].released
    source.close()
