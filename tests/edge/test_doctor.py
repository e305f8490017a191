"""The doctor's checks, each with a machine it must find something on. Real ones: test_doctor_environments.py."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest

from onsight_edge.bundle import open_model
from onsight_edge.cameras import CameraInfo
from onsight_edge.cpufreq import Clock
from onsight_edge.device import firmware_closed, throttle_state
from onsight_edge.doctor import Finding, board, cameras, examine, python, runtimes
from onsight_edge.errors import BackendError, MissingExtraError
from onsight_edge.power import Sensor, Sensors
from onsight_edge.throttling import Throttling

HEADLESS = {"opencv-python-headless": "5.0"}
BOTH = {**HEADLESS, "opencv-python": "5.0"}


def levels(found: tuple[Finding, ...]) -> list[str]:
    return [one.level for one in found]


def cv2_that(answer: Exception | str) -> Any:
    def load(name: str) -> Any:
        assert name == "cv2"
        if isinstance(answer, Exception):
            raise answer
        return types.SimpleNamespace(__version__=answer)

    return load


def test_a_32_bit_system_under_a_64_bit_kernel_is_a_problem() -> None:
    assert python.check_python((3, 11, 2), "aarch64", 64).level == "ok"
    finding = python.check_python((3, 11, 2), "aarch64", 32)
    assert finding.level == "problem" and "32-bit" in finding.what


@pytest.mark.parametrize(("display", "kept"), [(False, "opencv-python-headless"), (True, "opencv-python")])
def test_of_two_opencvs_the_one_that_fits_is_kept(display: bool, kept: str) -> None:
    (finding,) = python.check_opencv(BOTH, display, cv2_that("5.0"))
    assert finding.level == "problem" and finding.command is not None
    assert "uninstall -y opencv-python opencv-python-headless" in finding.command
    assert finding.command.endswith(f"install {kept}")


LIBGL = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")


@pytest.mark.parametrize(
    ("error", "installed", "display", "mend"),
    [
        (LIBGL, {"opencv-python": "5.0"}, False, "pip install opencv-python-headless"),
        (LIBGL, {"opencv-python": "5.0"}, True, "sudo apt install -y libgl1"),
        (ModuleNotFoundError("No module named 'cv2'"), {}, False, "pip install opencv-python-headless"),
        (ImportError("numpy.core.multiarray failed to import"), HEADLESS, False, "--upgrade 'opencv-python-headless"),
        (AttributeError("partially initialized\nmodule"), HEADLESS, False, "--force-reinstall opencv-python-headless"),
    ],
)
def test_an_opencv_that_cannot_be_imported(error: Exception, installed: Any, display: bool, mend: str) -> None:
    (finding,) = python.check_opencv(installed, display, cv2_that(error))
    assert finding.level == "problem" and mend in (finding.command or "") and "\n" not in finding.what


def test_one_opencv_is_well() -> None:
    assert levels(python.check_opencv(HEADLESS, False, cv2_that("5.0"))) == ["ok"]


def test_a_display_without_windows_in_opencv_says_how_to_get_them() -> None:
    assert "no display" in python.check_display({}, HEADLESS).what
    assert "pip install opencv-python" in (python.check_display({"DISPLAY": ":0"}, HEADLESS).command or "")
    assert python.check_display({"WAYLAND_DISPLAY": "wayland-0"}, {"opencv-python": "5"}).command is None


def plant_picamera2(root: Path, version: str) -> Path:
    (root / "usr/lib/python3/dist-packages/picamera2").mkdir(parents=True)
    (root / "usr/bin").mkdir()
    (root / "usr/bin/python3").symlink_to(f"python{version}")
    return root


def test_picamera2_of_apt_is_invisible_in_a_venv(tmp_path: Path) -> None:
    root = plant_picamera2(tmp_path, "3.11")
    (finding,) = python.check_picamera2(root, True, True, False, (3, 11), True)
    assert finding.level == "warning" and "--system-site-packages" in (finding.command or "")
    (other,) = python.check_picamera2(root, True, True, False, (3, 12), True)
    assert "Python 3.11" in other.what and "Python 3.12" in other.what and "onsight-env" in (other.command or "")
    assert levels(python.check_picamera2(root, True, True, True, (3, 11), True)) == ["ok"]


def test_picamera2_is_asked_for_where_a_sensor_is_attached_to_a_pi(tmp_path: Path) -> None:
    (finding,) = python.check_picamera2(tmp_path, True, True, False, (3, 11), True)
    assert finding.command == "sudo apt install -y python3-picamera2"
    assert python.check_picamera2(tmp_path, True, True, False, (3, 11), False) == ()
    assert python.check_picamera2(tmp_path, True, False, False, (3, 11), True) == ()


class Runtimes:
    """Answers for open_: by backend an error, or what it really uses."""

    def __init__(self, **answers: Exception | str) -> None:
        self.answers = {name.replace("_", "-"): answer for name, answer in answers.items()}

    def __call__(self, name: str, model: bytes, model_format: str) -> Any:
        answer = self.answers.get(name, MissingExtraError(name, "", name))
        if isinstance(answer, Exception):
            raise answer
        return types.SimpleNamespace(name=name, version="1", detail=answer, close=lambda: None)


def problems(found: tuple[Finding, ...]) -> list[Finding]:
    return [one for one in found if one.level == "problem"]


def test_without_litert_nothing_runs() -> None:
    (finding,) = problems(runtimes.check_runtimes({}, b"", open_=Runtimes()))
    assert "ai-edge-litert" in (finding.command or "")


def test_a_runtime_that_does_not_construct_is_a_problem_and_which_mend_depends_on_the_other() -> None:
    clash = BackendError("tflite-runtime was built against NumPy 1")
    beside = runtimes.check_runtimes({"numpy": "2.4"}, b"", open_=Runtimes(litert="XNNPACK", tflite_runtime=clash))
    (finding,) = problems(beside)
    assert "NumPy 2.4" in finding.what and "uninstall -y tflite-runtime" in (finding.command or "")
    both = runtimes.check_runtimes({"numpy": "2.4"}, b"", open_=Runtimes(litert=clash, tflite_runtime=clash))
    assert "'numpy<2' 'opencv-python-headless<4.12'" in (problems(both)[1].command or "")


def test_two_onnx_runtimes_own_one_folder() -> None:
    found = runtimes.check_runtimes(
        {"onnxruntime": "1", "onnxruntime-gpu": "1"}, b"", open_=Runtimes(litert="XNNPACK", onnxruntime="CPU")
    )
    (finding,) = problems(found)
    assert (finding.command or "").endswith("pip install onnxruntime-gpu")


def test_a_gpu_that_is_offered_and_not_used_is_named() -> None:
    offered = ("CUDAExecutionProvider", "CPUExecutionProvider")
    (fell_back,) = runtimes.check_providers("CPUExecutionProvider", offered, False)
    assert fell_back.level == "warning" and "onnxruntime-gpu[cuda,cudnn]" in (fell_back.command or "")
    (jetpack,) = runtimes.check_providers("CPUExecutionProvider", offered, True)
    assert jetpack.command == "sudo apt install -y nvidia-jetpack"
    (plain,) = runtimes.check_providers("CPUExecutionProvider", offered[1:], True)
    assert "JetPack" in plain.what
    assert runtimes.check_providers("CUDAExecutionProvider", offered, True) == ()
    assert runtimes.check_providers("CPUExecutionProvider", offered[1:], False) == ()


def test_the_runtimes_here_are_constructed_and_execute_a_model() -> None:
    found = runtimes.check_runtimes({}, open_model("default").data)
    assert levels(found) == ["ok", "ok"]
    assert "XNNPACK" in found[0].what and "ExecutionProvider" in found[1].what


def test_a_damaged_model_is_told_as_a_problem_of_the_runtime() -> None:
    found = runtimes.check_runtimes({}, open_model("default").data[:5000])
    assert found[0].level == "problem" and "litert cannot be used" in found[0].what


def test_the_self_test_fails_where_answers_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtimes.check_self_test().level == "ok"
    from onsight_edge.classifier import Classifier

    right = Classifier.classify
    monkeypatch.setattr(Classifier, "classify", lambda self, frame: right(self, 255 - frame))
    finding = runtimes.check_self_test()
    assert finding.level == "problem" and "golden samples" in finding.what


def test_the_clock_and_the_heat() -> None:
    assert board.check_governor(None) == ()
    assert levels(board.check_governor("ondemand")) == ["ok"]
    (slow,) = board.check_governor("powersave")
    assert slow.level == "warning" and "scaling_governor" in (slow.command or "")
    assert [levels(board.check_temperature(t)) for t in (None, 50, 75, 85)] == [[], ["ok"], ["warning"], ["problem"]]


@pytest.mark.parametrize(
    ("raw", "level", "word"),
    [
        (0, "ok", "nothing has held"),
        (0x50000, "warning", "power supply"),
        (0x50005, "problem", "now"),
        (0x2, "problem", "freq"),
    ],
)
def test_throttle_bits(raw: int, level: str, word: str) -> None:
    state = throttle_state(raw)
    (finding,) = board.check_throttling(Throttling(state.now, state.since_boot, raw=raw))
    assert finding.level == level and word in finding.what and (level == "ok" or f"({raw:#x})" in finding.what)
    assert board.check_throttling(None) == ()


def test_other_boards_tell_of_throttling_too() -> None:
    (hot,) = board.check_throttling(Throttling(now=("cooling by cpufreq-cpu0",)))
    assert (hot.level, hot.what) == ("problem", "held back now: cooling by cpufreq-cpu0")
    (weak,) = board.check_throttling(Throttling(events=(("under-voltage", 0), ("average over-current", 3))))
    assert weak.level == "warning"
    assert weak.what == "held back since boot: average over-current (3 times); use the board's own power supply"


def test_a_firmware_that_may_not_be_asked_is_named_with_what_opens_it(tmp_path: Path) -> None:
    assert not firmware_closed(tmp_path) and board.check_firmware(False) == ()
    script = tmp_path / "usr/bin/vcgencmd"
    script.parent.mkdir(parents=True)
    script.write_text('#!/bin/sh\necho "Can\'t open device file: /dev/vcio" >&2; exit 255\n')
    script.chmod(0o755)
    assert firmware_closed(tmp_path)
    (finding,) = board.check_firmware(True)
    assert finding.level == "warning" and "usermod -aG video" in (finding.command or "")
    script.write_text("#!/bin/sh\necho 2024/09/23\n")
    assert not firmware_closed(tmp_path)


def test_a_limited_clock_and_the_power_mode() -> None:
    full, half = Clock((0,), "ondemand", 600, 2400, 2400), Clock((4,), "ondemand", 600, 1500, 2400)
    assert board.check_clock_limit((full,), None) == ()
    assert levels(board.check_clock_limit((full,), "MAXN")) == ["ok"]
    (limited,) = board.check_clock_limit((full, half), "15W")
    assert limited.level == "warning"
    assert "1500 of 2400 MHz" in limited.what and "the power mode is 15W" in limited.what
    assert board.check_clock_limit((Clock((0,), None, None, None, None),), None) == ()


def test_an_energy_sensor_is_named_and_one_that_is_closed_with_what_opens_it() -> None:
    assert board.check_power_sensor(Sensors((), ())) == ()
    (named,) = board.check_power_sensor(Sensors((Sensor("ina3221 VDD_IN"),), ()))
    assert (named.level, named.what) == ("ok", "measured by ina3221 VDD_IN")
    (closed,) = board.check_power_sensor(Sensors((), (("only root may read it", "sudo chmod"),)))
    assert closed.command == "sudo chmod" and "records have no energy" in closed.what


def meminfo(total: int, available: int, swap: int, swap_free: int) -> str:
    rows = {"MemTotal": total, "MemFree": 1, "MemAvailable": available, "SwapTotal": swap, "SwapFree": swap_free}
    return "".join(f"{name}:   {mib * 1024} kB\n" for name, mib in rows.items())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((8000, 6000, 100, 100), ["ok", "ok"]),
        ((8000, 6000, 0, 0), ["ok", "ok"]),
        ((900, 600, 0, 0), ["ok", "warning"]),
        ((900, 300, 2000, 2000), ["warning", "ok"]),
        ((900, 100, 2000, 500), ["problem", "warning"]),
    ],
)
def test_memory_and_swap(values: tuple[int, int, int, int], expected: list[str]) -> None:
    assert levels(board.check_memory(meminfo(*values))) == expected
    assert board.check_memory("") == ()


def test_a_full_disk_is_a_problem() -> None:
    found = board.check_disk({Path("/a"): 5 << 30, Path("/b b"): 500 << 20, Path("/c"): 1 << 20})
    assert levels(found) == ["ok", "warning", "problem"]
    assert "'/b b'" in (found[1].command or "")


def test_a_camera_with_a_problem_is_a_warning() -> None:
    cams = (
        CameraInfo("/dev/video0", "v4l2", "Webcam"),
        CameraInfo("/dev/video2", "v4l2", "Other", problem="it is in use"),
        CameraInfo(None, "v4l2", "codec"),
    )
    assert levels(cameras.check_cameras(cams)) == ["ok", "warning"]
    assert "no camera" in cameras.check_cameras(())[0].what


@pytest.mark.parametrize(
    ("groups", "members", "word"),
    [(["users"], [], "usermod -aG video"), (["users"], ["eve"], "su - $USER"), (["video"], ["eve"], "udevadm")],
)
def test_devices_that_may_not_be_opened(tmp_path: Path, groups: list[str], members: list[str], word: str) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/video0").touch()
    ask: dict[str, Any] = {"groups": groups, "listed": lambda group: members, "user": "eve"}
    (finding,) = cameras.check_permissions(tmp_path, may=lambda device: False, **ask)
    assert finding.level == "problem" and word in (finding.command or "") and "/dev/video0" in finding.what
    assert cameras.check_permissions(tmp_path, may=lambda device: True, **ask) == ()


def test_a_whole_board_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "proc/device-tree/model": "Raspberry Pi 5 Model B\0",
        "proc/meminfo": meminfo(900, 100, 0, 0),
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "84000\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {one.area: one.level for one in examine(tmp_path)}
    assert (found["clock"], found["heat"], found["memory"], found["swap"]) == (
        "warning",
        "problem",
        "problem",
        "warning",
    )
    assert (found["self-test"], found["runtime"], found["opencv"]) == ("ok", "ok", "ok")
