"""CSI cameras: the Jetson's pipeline, and picamera2 through a module that behaves as its manual and source say."""

from __future__ import annotations

import queue
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from onsight_edge.errors import SourceError, UsageError
from onsight_edge.sources import csi, open_source
from onsight_edge.sources.csi import CsiWish, open_csi, parse_csi, pipeline
from onsight_edge.sources.picamera import PicameraSource, open_picamera
from onsight_edge.sources.recovering import RecoveringSource


def test_the_jetson_s_pipeline_holds_the_newest_picture_only() -> None:
    assert pipeline(CsiWish()) == (
        "nvarguscamerasrc sensor-id=0 ! "
        "video/x-raw(memory:NVMM),format=NV12,width=1280,height=720,framerate=30/1 ! "
        "nvvidconv flip-method=0 ! video/x-raw,format=BGRx ! "
        "videoconvert ! video/x-raw,format=BGR ! appsink drop=1 max-buffers=1 sync=false"
    )
    wish = parse_csi("csi://1?sensor-mode=2&flip=3&size=640x480&fps=29.97")
    assert wish == CsiWish(1, (640, 480), 29.97, 2, 3)
    text = pipeline(wish)
    assert "sensor-id=1 sensor-mode=2" in text and "framerate=29970/1000" in text and "flip-method=3" in text
    assert parse_csi("csi://0?size=640x480&fps=15", fps=60.0, size_wh=(1920, 1080)) == CsiWish(0, (1920, 1080), 60.0)


def test_an_opencv_without_gstreamer_says_how_to_do_without(tmp_path: Path) -> None:
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(SourceError, match=r"csi://0 is for Jetsons and Raspberry Pis.*; this machine has no camera"):
        open_csi("csi://0", root=tmp_path)
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_text("nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0")
    with pytest.raises(SourceError, match=r"needs an OpenCV with GStreamer, which pip's packages lack") as caught:
        open_csi("csi://0?flip=1", root=tmp_path)
    text = str(caught.value)
    assert "\n" not in text
    assert "gst-launch-1.0 -q nvarguscamerasrc sensor-id=0 ! 'video/x-raw(memory:NVMM),format=NV12," in text
    assert "format=BGR ! fdsink fd=3 3>&1 >/dev/null | onsight run" in text
    assert "pipe:?format=bgr24&size=720x1280&fps=30" in text  # turned by a quarter


def test_with_gstreamer_the_pipeline_is_what_opencv_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    class Capture:
        def __init__(self, text: str, backend: int) -> None:
            asked.append((text, backend))

        def isOpened(self) -> bool:
            return len(asked) == 1

        def get(self, what: int) -> float:
            return {cv2.CAP_PROP_FRAME_WIDTH: 1280.0, cv2.CAP_PROP_FRAME_HEIGHT: 720.0, cv2.CAP_PROP_FPS: 30.0}[what]

        def grab(self) -> bool:
            return True

        def retrieve(self) -> tuple[bool, np.ndarray]:
            return True, np.zeros((720, 1280, 3), np.uint8)

        def release(self) -> None:
            return

    monkeypatch.setattr(csi.cv2.videoio_registry, "hasBackend", lambda _: True)
    monkeypatch.setattr(csi.cv2, "VideoCapture", Capture)
    source = open_csi("csi://0", root=tmp_path)
    assert asked == [(pipeline(CsiWish()), cv2.CAP_GSTREAMER)]
    frame = source.read()
    assert frame is not None and (source.size_wh, source.fps) == ((1280, 720), 30.0)
    assert time.monotonic_ns() - frame.captured_ns < 1e9
    with pytest.raises(SourceError, match=r"csi://0 does not open: .*nvargus-daemon"):
        open_csi("csi://0", root=tmp_path)


class Request:
    """A CompletedRequest: must be given back, else the camera runs out of buffers."""

    def __init__(self, camera: Camera, image: np.ndarray, metadata: dict[str, Any]) -> None:
        self.camera, self.image, self.metadata = camera, image, metadata

    def make_array(self, name: str) -> np.ndarray:
        assert name == "main"
        return self.image.copy()

    def get_metadata(self) -> dict[str, Any]:
        return self.metadata

    def release(self) -> None:
        self.camera.out -= 1


class Camera:
    """As much of Picamera2 as is used. 16 pixels are the least it makes; the rest it aligns."""

    info: ClassVar[list[dict[str, Any]]] = [{"Model": "imx708", "Num": 0}]
    made: ClassVar[list[Camera]] = []
    busy = False

    def __init__(self, number: int) -> None:
        if self.busy:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.number, self.out, self.state = number, 0, "open"
        self.hang = threading.Event()
        self.frames: queue.Queue[Any] = queue.Queue()
        Camera.made.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return Camera.info

    def create_video_configuration(self, main: dict[str, Any], buffer_count: int, **more: Any) -> dict[str, Any]:
        width, height = main["size"]
        return {"main": {**main, "size": (width // 2 * 2, height // 2 * 2)}, "buffer_count": buffer_count, **more}

    def configure(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration

    def camera_configuration(self) -> dict[str, Any]:
        return self.configuration

    def start(self) -> None:
        self.state = "started"

    def stop(self) -> None:
        self.state = "stopped"

    def close(self) -> None:
        self.state = "closed"
        self.hang.set()

    def capture_request(self) -> Request:
        if self.hang.is_set() and self.state == "started":
            time.sleep(0.5)
            raise RuntimeError("cancelled")
        time.sleep(0.002)
        self.out += 1
        width, height = self.configuration["main"]["size"]
        image = np.zeros((height, width, 3), np.uint8)
        image[..., 0] = 255  # blue: what libcamera calls RGB888 is blue first in memory
        stamp = time.monotonic_ns() - 30_000_000
        return Request(self, image, {"SensorTimestamp": stamp, "FrameDuration": 33333})


@pytest.fixture
def picamera2(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("picamera2")
    module.Picamera2 = Camera  # type: ignore[attr-defined]
    libcamera = types.ModuleType("libcamera")
    libcamera.Transform = lambda hflip, vflip: ("transform", hflip, vflip)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    monkeypatch.setitem(sys.modules, "libcamera", libcamera)
    monkeypatch.setattr(Camera, "made", [])
    return module


def test_picamera2_is_asked_for_bgr_in_memory_and_its_buffers_go_back(picamera2: types.ModuleType) -> None:
    source = open_picamera("picamera://0?size=321x240&fps=15&flip=2")
    (camera,) = Camera.made
    assert camera.configuration == {
        "main": {"size": (320, 240), "format": "RGB888"},
        "buffer_count": 4,
        "controls": {"FrameRate": 15.0},
        "transform": ("transform", 1, 1),
    }
    assert source.size_wh == (320, 240) and source.fps is None
    for index in range(10):
        frame = source.read()
        assert frame is not None and frame.index == index and camera.out == 0
        assert frame.image_bgr.shape == (240, 320, 3) and tuple(frame.image_bgr[0, 0]) == (255, 0, 0)
        assert 25e6 < time.monotonic_ns() - frame.captured_ns < 900e6  # the sensor's time, not ours
    assert source.fps == pytest.approx(30, abs=0.01)
    source.close()
    source.close()
    assert camera.state == "closed" and source.read() is None


def test_a_plain_picamera_gets_no_wishes(picamera2: types.ModuleType) -> None:
    source = open_picamera("picamera://", size_wh=(640, 480))
    assert set(Camera.made[0].configuration) == {"main", "buffer_count"}
    source.close()


def test_csi_on_a_raspberry_pi_is_a_picamera(picamera2: types.ModuleType, tmp_path: Path) -> None:
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_text("Raspberry Pi 4 Model B Rev 1.4\0")
    source = open_csi("csi://0", root=tmp_path)
    assert isinstance(source, PicameraSource) and source.uri == "csi://0"
    source.close()


def test_what_is_wrong_with_a_picamera_is_one_line(
    picamera2: types.ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"picamera://2: there is no camera 2; 0 is imx708"):
        open_picamera("picamera://2")
    monkeypatch.setattr(Camera, "info", [])
    with pytest.raises(SourceError, match=r"libcamera sees none: check the cable"):
        open_picamera("picamera://0")
    monkeypatch.undo()


def test_a_picamera_in_use_says_so(picamera2: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Camera, "busy", True)
    with pytest.raises(SourceError, match=r"picamera://0 does not open: Camera __init__ .*does another program use"):
        open_picamera("picamera://0")
    monkeypatch.setattr(Camera, "busy", False)
    monkeypatch.setattr(Camera, "start", lambda _: 1 / 0)
    with pytest.raises(SourceError, match="does not open"):
        open_picamera("picamera://0")
    assert Camera.made[0].state == "closed"  # so that the next attempt finds it free


def test_without_picamera2_the_packages_and_the_environment_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceError, match=r"sudo apt install python3-picamera2.*--system-site-packages") as caught:
        open_source("picamera://0")
    assert "\n" not in str(caught.value)
    monkeypatch.delitem(sys.modules, "picamera2")
    (tmp_path / "picamera2.py").write_text("raise ValueError('numpy.dtype size changed, may indicate')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SourceError, match=r"does not load: numpy.dtype size changed.*'numpy<2'"):
        open_source("picamera://0")


def test_a_picamera_that_fails_while_it_runs_is_opened_again(picamera2: types.ModuleType) -> None:
    source = open_source("picamera://0")
    assert isinstance(source, RecoveringSource)
    assert source.read() is not None
    Camera.made[0].hang.set()
    indices = []
    while len(Camera.made) < 2 or not indices:
        frame = source.read()
        assert frame is not None
        indices.append(frame.index)
    assert source.read() is not None
    assert source.health.reopened == 1 and Camera.made[0].state == "closed"
    assert indices == list(range(1, len(indices) + 1))
    source.close()
    assert Camera.made[-1].state == "closed"


def test_flags_overrule_what_stands_in_the_uri() -> None:
    with pytest.raises(UsageError, match="--loop does nothing"):
        open_source("csi://0", loop=True)
    with pytest.raises(UsageError, match="--loop does nothing"):
        open_source("picamera://0", loop=True)
    with pytest.raises(UsageError, match="--give-up does nothing"):
        open_source("synthetic://", give_up_s=3)
