"""Which device this is and how it fares: board, governor, temperature, throttling. Standard library only.

Everything is read when asked, from files below `root`, so that a test can hand in a tree of its own. What a device
does not tell is None, never a guess. No host name, user name or path is read: a record may be published.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_ROOT = Path("/")
# /proc/cpuinfo on arm64 gives numbers only. Names: Linux, arch/arm64/include/asm/cputype.h
_ARM_PARTS = {
    "0xb76": "ARM1176",
    "0xc07": "Cortex-A7",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd42": "Cortex-A78AE",
}
# Bits of `vcgencmd get_throttled`; 16 higher stands the same for "since boot".
# https://www.raspberrypi.com/documentation/computers/os.html#vcgencmd
_THROTTLE_BITS = ((0, "under-voltage"), (1, "frequency capped"), (2, "throttled"), (3, "soft temperature limit"))


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """The device as a record names it; None where it does not tell.

    Attributes:
        model: the board's own name from the device tree, or the product name of a PC's firmware.
        machine: the architecture, `aarch64` or `x86_64`.
        cpu: the processor's name.
        cores: logical cores that this process may use.
        memory_mib: main memory in MiB.
        os, kernel, python: their versions.
        governor: what decides cpu0's clock, such as `ondemand` or `performance`.
        max_mhz: cpu0's highest clock in MHz.
        numpy, opencv: versions of the two packages that the frame path uses.
        cores_max_mhz: the highest clock of every core in MHz, in their order: more than one value on big.LITTLE. None
            where the kernel does not say.
        power_mode: a Jetson's nvpmodel mode, such as `MAXN` or `15W`.
    """

    model: str | None
    machine: str
    cpu: str | None
    cores: int
    memory_mib: int | None
    os: str | None
    kernel: str | None
    python: str
    governor: str | None
    max_mhz: int | None
    numpy: str | None
    opencv: str | None
    cores_max_mhz: tuple[int, ...] | None = None
    power_mode: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """What a Raspberry Pi's firmware says of its clock.

    Attributes:
        raw: the bits as the firmware gave them.
        now: what holds at this moment.
        since_boot: what held at some time since the board was started.
    """

    raw: int
    now: tuple[str, ...]
    since_boot: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; `raw` in hexadecimal, as the firmware prints it."""
        return {"raw": hex(self.raw), "now": list(self.now), "since_boot": list(self.since_boot)}


def describe_device(root: Path = _ROOT) -> DeviceInfo:
    """Which device this is.

    Args:
        root: where `proc`, `sys` and `etc` stand; another one in tests.
    """
    return DeviceInfo(
        model=board_model(root),
        machine=platform.machine(),
        cpu=_cpu_name(root),
        cores=_usable_cores(),
        memory_mib=_memory_mib(root),
        os=_os_name(root),
        kernel=read_text(root, "proc/sys/kernel/osrelease"),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        governor=governor(root),
        max_mhz=_max_mhz(root),
        numpy=_numpy_version(),
        opencv=_opencv_version(),
        cores_max_mhz=_cores_max_mhz(root),
        power_mode=power_mode(root),
    )


def board_model(root: Path = _ROOT) -> str | None:
    """The board's own name from the device tree, or the product name of a PC's firmware."""
    return read_text(root, "proc/device-tree/model") or read_text(root, "sys/class/dmi/id/product_name")


def governor(root: Path = _ROOT) -> str | None:
    """What decides cpu0's clock, or None where the kernel does not say (virtual machines)."""
    return read_text(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def temperature_c(root: Path = _ROOT) -> float | None:
    """The processor's temperature in degrees Celsius, or None where no thermal zone can be read.

    Of several zones the one named after the processor or the whole chip counts, else the hottest.
    """
    return processor_c(thermal_zones(root))


def thermal_zones(root: Path = _ROOT) -> tuple[tuple[str, float], ...]:
    """Every thermal zone that can be read, in the kernel's order: its name and degrees Celsius."""
    readings = []
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*"), key=lambda one: (len(one.name), one.name)):
        millidegrees = read_text(zone, "temp")  # a Jetson has zones that refuse to be read
        if millidegrees is not None and re.fullmatch(r"-?\d+", millidegrees):
            readings.append((read_text(zone, "type") or zone.name, int(millidegrees) / 1000))
    return tuple(readings)


def processor_c(zones: Sequence[tuple[str, float]]) -> float | None:
    """The processor's temperature among those of all zones; see `temperature_c`."""
    for word in ("cpu", "x86_pkg", "soc"):
        chosen = [celsius for name, celsius in zones if word in name.lower()]
        if chosen:
            return max(chosen)
    return max((celsius for _, celsius in zones), default=None)


def throttled(root: Path = _ROOT) -> ThrottleState | None:
    """What the firmware says of throttling, or None where there is no `vcgencmd` (all but Raspberry Pis)."""
    found = re.fullmatch(r"throttled=0x([0-9a-fA-F]+)", (vcgencmd("get_throttled", root=root) or "").strip())
    return None if found is None else throttle_state(int(found[1], 16))


def vcgencmd(*words: str, root: Path = _ROOT) -> str | None:
    """What a Raspberry Pi's firmware answers to such a question, or None where it cannot be asked.

    Args:
        words: command and arguments, see https://www.raspberrypi.com/documentation/computers/os.html#vcgencmd
        root: another than `/` has its own `usr/bin/vcgencmd`, or none.
    """
    command = _vcgencmd_path(root)
    if command is None:
        return None
    try:
        return subprocess.run([command, *words], capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # no access to /dev/vcio
        return None


def firmware_closed(root: Path = _ROOT) -> bool:
    """Whether there is a `vcgencmd` that gets no answer: only members of the group `video` may ask."""
    return _vcgencmd_path(root) is not None and vcgencmd("version", root=root) is None


def power_mode(root: Path = _ROOT) -> str | None:
    """A Jetson's nvpmodel mode by name, or None where there is none.

    nvpmodel keeps the number of the mode in its status file and the names in its configuration: both can be read
    without being root, which `nvpmodel -q` cannot on every release.
    """
    number = re.search(r"pmode:(\d+)", read_text(root, "var/lib/nvpmodel/status") or "")
    if number is None:
        return None
    models = re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", read_text(root, "etc/nvpmodel.conf") or "")
    return next((name for key, name in models if int(key) == int(number[1])), None)


def throttle_state(raw: int) -> ThrottleState:
    """The meaning of the bits that `vcgencmd get_throttled` prints."""
    return ThrottleState(
        raw,
        tuple(name for bit, name in _THROTTLE_BITS if raw >> bit & 1),
        tuple(name for bit, name in _THROTTLE_BITS if raw >> (bit + 16) & 1),
    )


def read_text(root: Path, name: str) -> str | None:
    """A file of the kernel's below `root` without the white space and NULs around it; None where it cannot be read."""
    try:
        text = (root / name).read_bytes().decode("utf-8", "replace")
    except OSError:
        return None
    return text.strip("\0 \n\t") or None  # the device tree ends its strings with NUL


def _vcgencmd_path(root: Path) -> str | None:
    return shutil.which("vcgencmd") if root == _ROOT else shutil.which("vcgencmd", path=str(root / "usr/bin"))


def _usable_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


def _cpu_name(root: Path) -> str | None:
    info = read_text(root, "proc/cpuinfo") or ""
    named = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    if named:
        return named[1].strip()
    parts = dict.fromkeys(re.findall(r"^CPU part\s*:\s*(0x[0-9a-f]+)", info, re.MULTILINE))  # keeps the order
    return " + ".join(_ARM_PARTS.get(part, f"ARM part {part}") for part in parts) or None


def _memory_mib(root: Path) -> int | None:
    found = re.search(r"^MemTotal:\s*(\d+) kB", read_text(root, "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) // 1024 if found else None


def _os_name(root: Path) -> str | None:
    release = read_text(root, "etc/os-release") or read_text(root, "usr/lib/os-release") or ""
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', release, re.MULTILINE)
    return found[1] if found else None


def _max_mhz(root: Path, core: str = "cpu0") -> int | None:
    khz = read_text(root, f"sys/devices/system/cpu/{core}/cpufreq/cpuinfo_max_freq")
    return int(khz) // 1000 if khz is not None and khz.isdigit() else None


def _cores_max_mhz(root: Path) -> tuple[int, ...] | None:
    cores = [one.name for one in (root / "sys/devices/system/cpu").glob("cpu[0-9]*")]
    clocks = [_max_mhz(root, core) for core in sorted(cores, key=lambda name: (len(name), name))]
    known = tuple(mhz for mhz in clocks if mhz is not None)
    return known if known and len(known) == len(clocks) else None


def _opencv_version() -> str | None:
    try:
        import cv2
    except ImportError:
        return None
    return str(cv2.__version__)


def _numpy_version() -> str | None:
    try:
        import numpy
    except ImportError:  # `onsight doctor` must say so
        return None
    return str(numpy.__version__)
