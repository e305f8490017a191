"""What a Linux video driver says of its device: the V4L2 ioctls that enumerate, and nothing that changes it.

Kernel documentation: userspace-api/media/v4l, VIDIOC_QUERYCAP, VIDIOC_ENUM_FMT, VIDIOC_ENUM_FRAMESIZES and
VIDIOC_ENUM_FRAMEINTERVALS; layouts from linux/videodev2.h, the same on 32 and 64 bits.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Ioctl = Callable[[int, int, bytearray], object]

_CAPABILITY = struct.Struct("16s32s32s6I")  # driver, card, bus_info, version, capabilities, device_caps, reserved[3]
_FORMAT = struct.Struct("3I32sI4I")  # index, type, flags, description, pixelformat, mbus_code, reserved[3]
_FRAME_SIZE = struct.Struct("3I6I2I")  # index, pixel_format, type, union of width height / 6 limits, reserved[2]
_INTERVAL = struct.Struct("5I6I2I")  # index, pixel_format, width, height, type, union of 1 or 3 fractions, reserved[2]
_VIDEO_CAPTURE, _VIDEO_CAPTURE_MPLANE = 0x1, 0x1000
_M2M, _M2M_MPLANE = 0x8000, 0x4000
_DEVICE_CAPS = 0x80000000
_BUFFER_CAPTURE, _BUFFER_CAPTURE_MPLANE = 1, 9
_DISCRETE = 1
_MOST = 64  # entries of a list; a driver that never says EINVAL shall not hold us for ever


@dataclass(frozen=True, slots=True)
class Mode:
    """One size of one format.

    Attributes:
        format: the FourCC, such as `MJPG` or `YUYV`.
        size_wh: width and height in pixels; the largest, where the driver names a range.
        fps: frames a second that the driver offers, highest first; empty where it names none.
    """

    format: str
    size_wh: tuple[int, int]
    fps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """What VIDIOC_QUERYCAP and the enumerations say.

    Attributes:
        driver, card, bus: the driver's names for itself, the device and where it is attached.
        captures: pictures can be read from it, and it is no codec (which also takes pictures in).
        modes: every format and size.
    """

    driver: str
    card: str
    bus: str
    captures: bool
    modes: tuple[Mode, ...]


def request(direction: int, number: int, size: int) -> int:
    """An ioctl's code: asm-generic/ioctl.h, `_IOR` is direction 2 and `_IOWR` 3; the type is always 'V'."""
    return direction << 30 | size << 16 | ord("V") << 8 | number


QUERYCAP = request(2, 0, _CAPABILITY.size)
ENUM_FMT = request(3, 2, _FORMAT.size)
ENUM_FRAMESIZES = request(3, 74, _FRAME_SIZE.size)
ENUM_FRAMEINTERVALS = request(3, 75, _INTERVAL.size)


def query(device: Path, *, ioctl: Ioctl | None = None) -> Device:
    """Ask a device such as /dev/video0 what it is; it may be in use by another program.

    Raises:
        OSError: it cannot be opened, or is no V4L2 device.
    """
    if ioctl is None:
        import fcntl  # not on Windows

        ioctl = fcntl.ioctl
    descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        return _query(descriptor, ioctl)
    finally:
        os.close(descriptor)


def _query(descriptor: int, ioctl: Ioctl) -> Device:
    buffer = bytearray(_CAPABILITY.size)
    ioctl(descriptor, QUERYCAP, buffer)
    driver, card, bus, _, capabilities, device_caps, *_ = _CAPABILITY.unpack(buffer)
    # the first word is of the whole device, the second of this node: a webcam has one more for its metadata
    caps = device_caps if capabilities & _DEVICE_CAPS else capabilities
    captures = bool(caps & (_VIDEO_CAPTURE | _VIDEO_CAPTURE_MPLANE)) and not caps & (_M2M | _M2M_MPLANE)
    kind = _BUFFER_CAPTURE if caps & _VIDEO_CAPTURE else _BUFFER_CAPTURE_MPLANE
    modes = tuple(_modes(descriptor, ioctl, kind)) if captures else ()
    return Device(_text(driver), _text(card), _text(bus), captures, modes)


def _modes(descriptor: int, ioctl: Ioctl, kind: int) -> Iterator[Mode]:
    for found in _enumerate(descriptor, ioctl, ENUM_FMT, _FORMAT, (kind,)):
        pixel_format = found[4]
        fourcc = struct.pack("<I", pixel_format & 0x7FFFFFFF).decode("ascii", "replace").rstrip()
        for size in _enumerate(descriptor, ioctl, ENUM_FRAMESIZES, _FRAME_SIZE, (pixel_format,)):
            # min, max and step of the width, then of the height, unless it is discrete
            width, height = (size[3], size[4]) if size[2] == _DISCRETE else (size[4], size[7])
            asked = (pixel_format, width, height)
            rates = set()
            for interval in _enumerate(descriptor, ioctl, ENUM_FRAMEINTERVALS, _INTERVAL, asked):
                seconds, parts = interval[5], interval[6]  # the shortest one, where it is a range
                if seconds and parts:
                    rates.add(round(parts / seconds, 2))
                if interval[4] != _DISCRETE:
                    break
            yield Mode(fourcc, (width, height), tuple(sorted(rates, reverse=True)))
            if size[2] != _DISCRETE:
                break


def _enumerate(
    descriptor: int, ioctl: Ioctl, code: int, layout: struct.Struct, after_index: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    """Every entry of one of the driver's lists, which ends where the ioctl says EINVAL."""
    for index in range(_MOST):
        buffer = bytearray(layout.size)
        struct.pack_into(f"{1 + len(after_index)}I", buffer, 0, index, *after_index)
        try:
            ioctl(descriptor, code, buffer)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY, errno.ENODATA):  # the end; or the driver has no such list
                return
            raise
        yield layout.unpack(buffer)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
