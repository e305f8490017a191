"""Which cameras a machine has: trees like those of sysfs, and drivers that answer with the kernel's own structures."""

from __future__ import annotations

import ctypes
import errno
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from onsight_edge import cameras, v4l2
from onsight_edge.cameras import describe_cameras, find_again, identify, list_cameras
from onsight_edge.v4l2 import Device, Mode

WEBCAM = Device("uvcvideo", "HD Pro Webcam C920", "usb-0000:01:00.0-1.2", True, (Mode("MJPG", (1920, 1080), (30.0,)),))
METADATA = Device("uvcvideo", "HD Pro Webcam C920", "usb-0000:01:00.0-1.2", False, ())


class Machine:
    """A file system with /sys/class/video4linux, /dev and /dev/v4l as Linux and udev make them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.answers: dict[str, Device | OSError] = {}
        (root / "dev").mkdir(parents=True)

    def add(
        self,
        number: int,
        name: str,
        answer: Device | OSError | None = None,
        *,
        socket: str | None = None,
        serial: str | None = None,
        driver: str = "uvcvideo",
        index: int = 0,
    ) -> None:
        node = f"video{number}"
        (self.root / "dev" / node).write_bytes(b"")
        folder = self.root / "sys/class/video4linux" / node
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "index").write_text(f"{index}\n")
        usb, drivers = (
            self.root / f"sys/devices/usb/{socket or 'x'}:1.{number}",
            self.root / "sys/bus/usb/drivers" / driver,
        )
        usb.mkdir(parents=True, exist_ok=True)
        drivers.mkdir(parents=True, exist_ok=True)
        (folder / "device").symlink_to(usb)
        if not (usb / "driver").exists():
            (usb / "driver").symlink_to(drivers)
        for kind, link in (("by-path", socket), ("by-id", serial)):
            if link is not None:
                links = self.root / "dev/v4l" / kind
                links.mkdir(parents=True, exist_ok=True)
                (links / f"{link}-video-index{index}").unlink(missing_ok=True)
                (links / f"{link}-video-index{index}").symlink_to(f"../../{node}")
        self.answers[node] = answer or Device(driver, name, socket or "", True, ())

    def remove(self, number: int) -> None:
        (self.root / f"dev/video{number}").unlink()
        shutil.rmtree(self.root / f"sys/class/video4linux/video{number}")
        for link in (self.root / "dev/v4l").rglob("*"):
            if link.is_symlink() and link.readlink().name == f"video{number}":
                link.unlink()

    def subdevice(self, number: int, name: str) -> None:
        folder = self.root / f"sys/class/video4linux/v4l-subdev{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")

    def board(self, model: str, compatible: str = "") -> None:
        tree = self.root / "proc/device-tree"
        tree.mkdir(parents=True)
        (tree / "model").write_text(f"{model}\0")
        (tree / "compatible").write_text(f"{compatible}\0")

    def ask(self, device: Path) -> Device:
        answer = self.answers[device.name]
        if isinstance(answer, OSError):
            raise answer
        return answer


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")


def test_a_machine_without_cameras_says_so(tmp_path: Path) -> None:
    assert list_cameras(tmp_path) == ()
    assert describe_cameras(tmp_path) == "this machine has no camera (no /dev/video*)"


def test_webcams_are_listed_with_what_stays_of_them_and_their_metadata_is_left_out(machine: Machine) -> None:
    machine.add(0, "HD Pro Webcam C920", WEBCAM, socket="pci-usb-0:1.2:1.0", serial="usb-046d_C920_1234")
    machine.add(1, "HD Pro Webcam C920", METADATA, socket="pci-usb-0:1.2:1.0", serial="usb-046d_C920_1234", index=1)
    (camera,) = list_cameras(machine.root, ask=machine.ask)
    assert (camera.source, camera.kind, camera.name, camera.driver) == (
        "/dev/video0",
        "v4l2",
        "HD Pro Webcam C920",
        "uvcvideo",
    )
    assert camera.links == (
        "/dev/v4l/by-path/pci-usb-0:1.2:1.0-video-index0",
        "/dev/v4l/by-id/usb-046d_C920_1234-video-index0",
    )
    assert camera.modes == WEBCAM.modes and camera.problem is None
    assert camera.to_json()["modes"][0] == {"format": "MJPG", "size_wh": (1920, 1080), "fps": (30.0,)}


@pytest.mark.parametrize(
    ("error", "source", "problem"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "/dev/video0", "sudo usermod -aG video $USER"),
        (OSError(errno.ENODEV, "No such device"), "/dev/video0", "does not answer: No such device"),
        (FileNotFoundError(errno.ENOENT, "gone"), None, "handed to this container"),
    ],
)
def test_a_device_that_cannot_be_asked_says_why(
    machine: Machine, error: OSError, source: str | None, problem: str
) -> None:
    machine.add(0, "Webcam", error)
    (camera,) = list_cameras(machine.root, ask=machine.ask)
    assert camera.source == source and camera.name == "Webcam" and camera.driver == "uvcvideo"
    assert camera.problem is not None and problem in camera.problem


def test_an_error_s_last_words_name_the_cameras_or_say_that_none_gives_pictures(machine: Machine) -> None:
    machine.add(10, "bcm2835-codec-decode", driver="bcm2835-codec")
    machine.add(16, "bcm2835-codec-image_fx", driver="bcm2835-codec")
    assert describe_cameras(machine.root) == (
        "none of /dev/video10 to /dev/video16 gives pictures (onsight cameras says why)"
    )
    machine.add(0, "Webcam")
    assert describe_cameras(machine.root) == "there are /dev/video0 (Webcam)"


def test_a_raspberry_pi_s_sensor_is_a_picamera_and_its_pipeline_is_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.board("Raspberry Pi 5 Model B Rev 1.0")
    machine.add(0, "rp1-cfe-csi2_ch0", driver="rp1-cfe")
    machine.add(20, "pispbe-input", driver="pispbe")
    machine.add(8, "USB Camera", Device("uvcvideo", "USB Camera", "usb", True, ()))
    machine.subdevice(0, "csi2")
    machine.subdevice(2, "imx708 10-001a")
    machine.subdevice(3, "dw9807 10-000c")
    found = list_cameras(machine.root, ask=machine.ask)
    assert [(camera.source, camera.name) for camera in found] == [
        ("picamera://0", "imx708"),
        ("/dev/video8", "USB Camera"),
        (None, "rp1-cfe-csi2_ch0"),
        (None, "pispbe-input"),
    ]
    assert all("picamera://0" in (camera.problem or "") for camera in found[2:])
    assert found[0].problem is not None and "python3-picamera2" in found[0].problem  # not installed here
    monkeypatch.setitem(sys.modules, "picamera2", cameras)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    assert list_cameras(machine.root, ask=machine.ask)[0].problem is None


def test_a_jetson_s_sensors_are_csi_cameras(machine: Machine) -> None:
    machine.board("NVIDIA Jetson Orin Nano Developer Kit", "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234")
    machine.add(0, "vi-output, imx219 9-0010", driver="tegra-camrtc-capture-vi")
    machine.add(1, "vi-output, imx477 10-001a", driver="tegra-camrtc-capture-vi")
    found = list_cameras(machine.root, ask=machine.ask)
    assert [(camera.source, camera.name) for camera in found] == [
        ("csi://0", "imx219 9-0010"),
        ("csi://1", "imx477 10-001a"),
        (None, "vi-output, imx219 9-0010"),
        (None, "vi-output, imx477 10-001a"),
    ]
    assert "csi://0" in (found[2].problem or "")


def test_a_device_is_found_again_in_its_socket_under_another_number(machine: Machine) -> None:
    machine.add(0, "Webcam", socket="usb-1", serial="usb-Webcam")
    machine.add(2, "Webcam", socket="usb-2", serial="usb-Webcam")  # the same make without serial numbers
    machine.add(4, "Grabber", socket="usb-3")
    identity = identify("/dev/v4l/by-path/usb-1-video-index0", machine.root)
    assert identity.device == "/dev/video0"
    machine.remove(0)
    assert find_again(identity, machine.root) is None  # not the other one, which its by-id name may lead to now
    machine.add(7, "Webcam", socket="usb-1")
    assert find_again(identity, machine.root) == "/dev/video7"


def test_a_device_is_found_again_in_another_socket_by_its_serial_number_or_its_name(machine: Machine) -> None:
    machine.add(0, "Webcam", socket="usb-1", serial="usb-Webcam_1234")
    machine.add(1, "Webcam", socket="usb-1", serial="usb-Webcam_1234", index=1)
    identity = identify("/dev/video0", machine.root)
    machine.remove(0)
    machine.remove(1)
    machine.add(2, "Webcam", socket="usb-5", serial="usb-Webcam_1234")
    machine.add(3, "Webcam", socket="usb-5", serial="usb-Webcam_1234", index=1)
    machine.add(4, "Webcam", socket="usb-6", serial="usb-Webcam_5678")
    assert find_again(identity, machine.root) == "/dev/video2"
    machine.remove(2)
    assert find_again(identity, machine.root) == "/dev/video4"  # a new one of its name, and the only one
    machine.add(6, "Webcam", socket="usb-7", serial="usb-Webcam_9999")
    assert find_again(identity, machine.root) is None  # which of the two?


def test_without_udev_and_sysfs_the_number_is_all_there_is(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    for number in (0, 1):
        (tmp_path / f"dev/video{number}").write_bytes(b"")
    identity = identify("/dev/video0", tmp_path)
    assert find_again(identity, tmp_path) == "/dev/video0"
    (tmp_path / "dev/video0").unlink()
    assert find_again(identity, tmp_path) is None


# The driver's side, with ctypes structures written down from linux/videodev2.h apart from those of the package.


class Capability(ctypes.Structure):
    _fields_ = [
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("device_caps", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    ]


class FormatDescription(ctypes.Structure):
    _fields_ = [
        ("index", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("description", ctypes.c_char * 32),
        ("pixelformat", ctypes.c_char * 4),
        ("mbus_code", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    ]


class FrameSize(ctypes.Structure):
    _fields_ = [
        ("index", ctypes.c_uint32),
        ("pixel_format", ctypes.c_char * 4),
        ("type", ctypes.c_uint32),
        ("numbers", ctypes.c_uint32 * 6),
        ("reserved", ctypes.c_uint32 * 2),
    ]


class FrameInterval(ctypes.Structure):
    _fields_ = [
        ("index", ctypes.c_uint32),
        ("pixel_format", ctypes.c_char * 4),
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("numbers", ctypes.c_uint32 * 6),
        ("reserved", ctypes.c_uint32 * 2),
    ]


class Driver:
    """Answers the four ioctls; counts what it is asked with an unknown one."""

    capabilities, device_caps = 0x84A00001, 0x04200001
    formats = (b"MJPG", b"YUYV")
    sizes: ClassVar = {b"MJPG": [(1, (1920, 1080)), (1, (640, 480))], b"YUYV": [(3, (32, 1280, 8, 24, 720, 8))]}

    def __call__(self, _: int, code: int, buffer: bytearray) -> int:
        answer = {0: self.capability, 2: self.format, 74: self.size, 75: self.interval}[code & 0xFF]
        answer(buffer)
        return 0

    def capability(self, buffer: bytearray) -> None:
        said = Capability.from_buffer(buffer)
        said.driver, said.card, said.bus_info = b"uvcvideo", "Kamera Größe".encode(), b"usb-1.2"
        said.capabilities, said.device_caps = self.capabilities, self.device_caps

    def format(self, buffer: bytearray) -> None:
        asked = FormatDescription.from_buffer(buffer)
        assert asked.type == 1
        self.end_of(self.formats, asked.index)
        asked.pixelformat = self.formats[asked.index]

    def size(self, buffer: bytearray) -> None:
        asked = FrameSize.from_buffer(buffer)
        sizes = self.sizes[asked.pixel_format]
        self.end_of(sizes, asked.index)
        asked.type, numbers = sizes[asked.index]
        asked.numbers[: len(numbers)] = numbers

    def interval(self, buffer: bytearray) -> None:
        asked = FrameInterval.from_buffer(buffer)
        intervals = {1920: [(1, 30), (1, 15)], 640: [(1001, 30000)], 1280: []}[asked.width]
        self.end_of(intervals, asked.index)
        asked.type = 1
        asked.numbers[:2] = intervals[asked.index]

    @staticmethod
    def end_of(entries: object, index: int) -> None:
        if index >= len(entries):  # type: ignore[arg-type]
            raise OSError(errno.EINVAL, "Invalid argument")


def test_what_a_driver_says_is_understood(tmp_path: Path) -> None:
    (tmp_path / "video0").write_bytes(b"")
    assert v4l2.query(tmp_path / "video0", ioctl=Driver()) == Device(
        "uvcvideo",
        "Kamera Größe",
        "usb-1.2",
        True,
        (
            Mode("MJPG", (1920, 1080), (30.0, 15.0)),
            Mode("MJPG", (640, 480), (29.97,)),
            Mode("YUYV", (1280, 720), ()),
        ),
    )


def test_codecs_and_metadata_are_no_cameras(tmp_path: Path) -> None:
    (tmp_path / "video0").write_bytes(b"")
    driver = Driver()
    driver.device_caps = 0x04A00000  # metadata
    assert not v4l2.query(tmp_path / "video0", ioctl=driver).captures
    driver.device_caps = 0x04208000 | 0x1  # memory to memory
    assert not v4l2.query(tmp_path / "video0", ioctl=driver).captures


def test_what_is_no_video_device_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "video0").write_bytes(b"")
    with pytest.raises(OSError, match="ioctl"):
        v4l2.query(tmp_path / "video0")
    with pytest.raises(FileNotFoundError):
        v4l2.query(tmp_path / "video1")


HEADER = Path("/usr/include/linux/videodev2.h")


@pytest.mark.skipif(not HEADER.exists() or shutil.which("cc") is None, reason="needs a C compiler and kernel headers")
def test_codes_and_layouts_are_the_kernel_s(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(
        "#include <linux/videodev2.h>\n#include <stdio.h>\n#include <stddef.h>\n#define P(x) (unsigned long)(x)\n"
        'int main(void){printf("%lu %lu %lu %lu %lu %lu %lu %lu\\n", P(VIDIOC_QUERYCAP), P(VIDIOC_ENUM_FMT),'
        "P(VIDIOC_ENUM_FRAMESIZES), P(VIDIOC_ENUM_FRAMEINTERVALS), P(offsetof(struct v4l2_capability, device_caps)),"
        "P(offsetof(struct v4l2_fmtdesc, pixelformat)), P(offsetof(struct v4l2_frmsizeenum, discrete)),"
        "P(offsetof(struct v4l2_frmivalenum, discrete)));return 0;}\n"
    )
    subprocess.run(["cc", "-o", str(tmp_path / "a"), str(tmp_path / "a.c")], check=True, timeout=60)
    said = subprocess.run([str(tmp_path / "a")], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert [int(number) for number in said] == [
        v4l2.QUERYCAP,
        v4l2.ENUM_FMT,
        v4l2.ENUM_FRAMESIZES,
        v4l2.ENUM_FRAMEINTERVALS,
        Capability.device_caps.offset,
        FormatDescription.pixelformat.offset,
        FrameSize.numbers.offset,
        FrameInterval.numbers.offset,
    ]
