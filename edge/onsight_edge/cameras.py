"""Which cameras this machine has, and how to name each one to `onsight run --source`.

V4L2 devices come from /sys/class/video4linux, /dev and the drivers themselves; CSI sensors from the sub-devices that
the same class lists (Linux: driver-api/media/v4l2-subdev) and from the device tree. Nothing is opened for pictures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onsight_edge.v4l2 import Device, Mode, query

_ROOT = Path("/")
_SYSFS = "sys/class/video4linux"
# Nodes of a camera pipeline that has to be set up by libcamera or Argus first: alone they give no picture.
_PI_PARTS = ("unicam", "rp1-cfe", "bcm2835-isp", "pispbe", "bcm2835-codec", "rpi-hevc-dec", "rpivid")
_JETSON_PARTS = ("tegra-video", "tegra-camrtc")
_SENSOR = re.compile(r"^(?P<name>[a-z0-9_]+) (?P<bus>\d+)-(?P<address>[0-9a-f]{4})$")  # `imx708 10-001a`: on I2C
_NO_SENSORS = ("dw9", "ak73", "ad58", "lm36", "vd5", "ad50")  # lens motors and flashes sit on the same bus
_JETSON_NODE = re.compile(r"^vi-output, (?P<name>.+)$")


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A camera, or a device that might be taken for one.

    Attributes:
        source: what to give to `--source`; None where this device gives no pictures.
        kind: `v4l2` or `csi`.
        name: what the driver calls it.
        device: /dev/videoN; None for a CSI sensor.
        driver, bus: the driver's name, and where the device is attached; None where nobody tells.
        links: names that stay when the number changes, below /dev/v4l.
        modes: formats with their sizes and rates; empty where the driver could not be asked.
        problem: why it cannot be used now, with what to do; None where nothing speaks against it.
    """

    source: str | None
    kind: str
    name: str
    device: str | None = None
    driver: str | None = None
    bus: str | None = None
    links: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = ()
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Identity:
    """What of a V4L2 device stays when it is plugged in again and gets another number.

    Attributes:
        device: /dev/videoN at the time.
        links: its names below /dev/v4l: by-path is the socket, by-id the maker's serial number.
        name: what the driver calls it.
        node: which of the device's nodes it is; a webcam has one for pictures and one for metadata.
        others: the devices that were there beside it, by their sockets where those are known.
    """

    device: str
    links: tuple[str, ...]
    name: str | None
    node: str | None
    others: tuple[str, ...] = ()


def list_cameras(root: Path = _ROOT, *, ask: Callable[[Path], Device] = query) -> tuple[CameraInfo, ...]:
    """All cameras of this machine: those that `--source` takes first.

    Args:
        root: the file system to look at.
        ask: what a driver says of its device; raises OSError.
    """
    found = [_v4l2_camera(root, number, ask) for number in _numbers(root)]
    cameras = [*_csi_cameras(root), *(camera for camera in found if camera is not None)]
    return tuple(sorted(cameras, key=lambda camera: camera.source is None))


def describe_cameras(root: Path = _ROOT) -> str:
    """One line for the end of an error message: what `--source` could be instead."""
    sources = [camera for camera in list_cameras(root) if camera.source is not None]
    if sources:
        return "there are " + ", ".join(f"{camera.source} ({camera.name})" for camera in sources)
    numbers = _numbers(root)
    if numbers:
        return f"none of /dev/video{numbers[0]} to /dev/video{numbers[-1]} gives pictures (onsight cameras says why)"
    return "this machine has no camera (no /dev/video*)"


def is_raspberry_pi(root: Path = _ROOT) -> bool:
    """The board's device tree says so."""
    return "Raspberry Pi" in (_read(root / "proc/device-tree/model") or "")


def is_jetson(root: Path = _ROOT) -> bool:
    """The board's device tree says so."""
    return "nvidia,tegra" in (_read(root / "proc/device-tree/compatible") or "")


def without_picamera2() -> str | None:
    """Why this Python does not see picamera2, with what to do; None where it does."""
    from importlib.util import find_spec  # here: only a Raspberry Pi's cameras need it

    if find_spec("picamera2") is not None:
        return None
    return (
        "this Python does not see picamera2: sudo apt install python3-picamera2, and make the virtual environment "
        "with python3 -m venv --system-site-packages"
    )


def identify(device: str, root: Path = _ROOT) -> Identity:
    """What stays of a device, given as /dev/videoN or one of its links."""
    name = Path(os.path.realpath(root / device.lstrip("/"))).name
    others: list[str] = []
    for number in _numbers(root):
        if f"video{number}" != name:
            others += _sockets(root, f"video{number}") or (f"/dev/video{number}",)
    folder = root / _SYSFS / name
    return Identity(f"/dev/{name}", _links(root, name), _read(folder / "name"), _read(folder / "index"), tuple(others))


def find_again(identity: Identity, root: Path = _ROOT) -> str | None:
    """Where that device is now, /dev/videoN: in the same socket, else with the same serial number or name elsewhere.

    None where it is not there, or where several new devices of its name are.
    """
    now = [identify(f"/dev/video{number}", root) for number in _numbers(root)]
    now = [one for one in now if (one.name, one.node) == (identity.name, identity.node)]
    now = [one for one in now if not {one.device, *one.links} & set(identity.others)]
    for kind in ("/by-path/", "/by-id/"):
        for one in now:
            if any(kind in link and link in identity.links for link in one.links):
                return one.device
    if len(now) != 1:
        now = [one for one in now if one.device == identity.device and not identity.links]
    return now[0].device if now else None


def _v4l2_camera(root: Path, number: int, ask: Callable[[Path], Device]) -> CameraInfo | None:
    device = f"/dev/video{number}"
    node = root / device.lstrip("/")
    folder = root / _SYSFS / f"video{number}"
    name = _read(folder / "name") or device
    driver = _target(folder / "device/driver")
    bus = _target(folder / "device")
    links = _links(root, f"video{number}")
    part = _part_of_pipeline(name, driver)
    if part is not None:
        return CameraInfo(None, "v4l2", name, device, driver, bus, links, (), part)
    try:
        said = ask(node)
    except FileNotFoundError:
        problem = f"{device} is not there: udev has not made it, or it was not handed to this container (--device)"
        return CameraInfo(None, "v4l2", name, device, driver, bus, links, (), problem)
    except PermissionError:
        problem = "no permission: sudo usermod -aG video $USER, then log in again"
        return CameraInfo(device, "v4l2", name, device, driver, bus, links, (), problem)
    except OSError as error:
        problem = f"does not answer: {error.strerror or error}"
        return CameraInfo(device, "v4l2", name, device, driver, bus, links, (), problem)
    if not said.captures:
        return None  # a webcam's metadata, a decoder, a radio
    return CameraInfo(
        device, "v4l2", said.card or name, device, said.driver or driver, said.bus or bus, links, said.modes
    )


def _part_of_pipeline(name: str, driver: str | None) -> str | None:
    known = (driver or "", name)
    if any(one.startswith(part) for one in known for part in _PI_PARTS):
        return "part of the Raspberry Pi's camera pipeline or codec: picamera://0 uses it"
    if any(one.startswith(part) for one in known for part in _JETSON_PARTS) or _JETSON_NODE.match(name):
        return "gives raw sensor data only: csi://0 goes through the Jetson's image processor"
    return None


def _csi_cameras(root: Path) -> list[CameraInfo]:
    if is_jetson(root):
        nodes = [_read(root / _SYSFS / f"video{number}" / "name") or "" for number in _numbers(root)]
        names = [match["name"] for match in map(_JETSON_NODE.match, nodes) if match is not None]
        return [CameraInfo(f"csi://{number}", "csi", name) for number, name in enumerate(names)]
    scheme = "picamera" if is_raspberry_pi(root) else None
    cameras: list[CameraInfo] = []
    for folder in sorted((root / _SYSFS).glob("v4l-subdev*"), key=lambda path: int(re.sub(r"\D", "", path.name) or 0)):
        match = _SENSOR.match(_read(folder / "name") or "")
        if match is not None and not match["name"].startswith(_NO_SENSORS):
            source = f"{scheme}://{len(cameras)}" if scheme else None
            problem = without_picamera2() if scheme else "behind a pipeline that onsight does not know: try pipe:"
            cameras.append(CameraInfo(source, "csi", match["name"], bus=f"i2c {match['bus']}", problem=problem))
    return cameras


def _numbers(root: Path) -> list[int]:
    """Of /dev/videoN, sorted; sysfs may know more of them than a container's /dev."""
    names = [*_names(root / _SYSFS), *_names(root / "dev")]
    return sorted({int(name[5:]) for name in names if name.startswith("video") and name[5:].isdecimal()})


def _links(root: Path, name: str) -> tuple[str, ...]:
    """The names below /dev/v4l of the device that is called `name`, `video0`."""
    links = [f"{kind}/{link}" for kind in ("by-path", "by-id") for link in sorted(_names(root / "dev/v4l" / kind))]
    return tuple(f"/dev/v4l/{link}" for link in links if Path(os.path.realpath(root / "dev/v4l" / link)).name == name)


def _sockets(root: Path, name: str) -> tuple[str, ...]:
    return tuple(link for link in _links(root, name) if "/by-path/" in link)


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _target(link: Path) -> str | None:
    return Path(os.path.realpath(link)).name if os.path.islink(link) else None  # noqa: PTH114 - in step with realpath


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace").strip("\0\n ") or None
    except OSError:
        return None
