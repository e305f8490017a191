"""`onsight cameras` as a person calls it, on machines with and without cameras."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import numpy as np
import pytest

from onsight.commands.cameras import summarise
from onsight.main import main
from onsight_edge import cameras
from onsight_edge.cameras import CameraInfo
from onsight_edge.v4l2 import Mode

MODES = (
    *(Mode("MJPG", (320 * n, 240 * n), (30.0, 15.0)) for n in (1, 2, 4, 3, 5, 6)),
    Mode("YUYV", (640, 480), ()),
)
WEBCAM = CameraInfo(
    "/dev/video99", "v4l2", "[bold]Webcam", "/dev/video99", "uvcvideo", "usb-1.2", ("/dev/v4l/by-id/usb-Webcam",), MODES
)
PI = CameraInfo("picamera://0", "csi", "imx708", bus="i2c 10")
PART = CameraInfo(None, "v4l2", "pispbe-input", "/dev/video20", "pispbe", problem="part of the pipeline")


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["cameras", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "list_cameras", lambda *_: (PI, WEBCAM, PART))
    monkeypatch.setenv("COLUMNS", "100")


def test_what_to_give_to_source_stands_first(machine: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert call() == 0
    text = capsys.readouterr().out
    assert text.index("picamera://0") < text.index("/dev/video99") < text.index("/dev/video20")
    assert "[bold]Webcam" in text and "uvcvideo at usb-1.2" in text and "/dev/v4l/by-id/usb-Webcam" in text
    assert "1920x1440 at 30 fps" in text and "part of the pipeline" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_a_format_is_one_line_of_its_largest_sizes() -> None:
    assert summarise(MODES) == [
        "MJPG: 1920x1440 at 30 fps, 1600x1200 at 30 fps, 1280x960 at 30 fps, 960x720 at 30 fps and 2 smaller",
        "YUYV: 640x480",
    ]


def test_json_has_all_of_it(machine: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--json") == 0
    found = json.loads(capsys.readouterr().out)["cameras"]
    assert [camera["source"] for camera in found] == ["picamera://0", "/dev/video99", None]
    assert found[1]["modes"][0] == {"format": "MJPG", "size_wh": [320, 240], "fps": [30.0, 15.0]}
    assert found[1]["probe"] is None and set(found[0]) == set(found[1]) == set(found[2])


def test_probe_takes_a_picture_of_each_and_fails_where_one_gives_none(
    machine: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Request:
        def make_array(self, _: str) -> np.ndarray:
            return np.zeros((480, 640, 3), np.uint8)

        def get_metadata(self) -> dict[str, Any]:
            return {"FrameDuration": 40_000}

        def release(self) -> None:
            return

    class Picamera2:
        def __init__(self, _: int) -> None:
            return

        @staticmethod
        def global_camera_info() -> list[dict[str, Any]]:
            return [{"Model": "imx708"}]

        def create_video_configuration(self, **asked: Any) -> dict[str, Any]:
            return asked

        def configure(self, configuration: dict[str, Any]) -> None:
            self.configuration = configuration

        def camera_configuration(self) -> dict[str, Any]:
            return self.configuration

        def capture_request(self) -> Request:
            return Request()

        def start(self) -> None:
            return

        stop = close = start

    module = types.ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    assert call("--probe", "--json") == 1  # there is no camera 99
    said = capsys.readouterr()
    pi, webcam, part = (camera["probe"] for camera in json.loads(said.out)["cameras"])
    assert (pi["size_wh"], pi["fps"], pi["error"]) == ([640, 480], 25.0, None) and pi["first_frame_ms"] > 0
    assert "there is no camera /dev/video99" in webcam["error"] and part is None
    assert "there is no camera /dev/video99" in said.err
    assert call("--probe") == 1
    text = capsys.readouterr().out
    assert "tried: 640x480 at 25 fps, first picture after" in text and "tried: no picture" in text


def test_a_machine_without_cameras_is_no_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "list_cameras", lambda *_: ())
    monkeypatch.setattr(cameras, "_numbers", lambda *_: [])
    assert call("--probe") == 0
    assert capsys.readouterr().out == "this machine has no camera (no /dev/video*)\n"
    assert call("--json") == 0
    assert json.loads(capsys.readouterr().out) == {"cameras": []}
