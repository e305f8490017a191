"""What a device draws, from a sensor of its own: watts now, joules over time. Without a sensor nothing is guessed.

* `ina3221`: Jetson, the monitor on the module (https://docs.kernel.org/hwmon/ina3221.html; rails: Jetson Linux
  Developer Guide, Platform Power and Performance, "Software-Based Power Consumption Modeling"). `VDD_IN` is the whole
  module. AGX Orin has no such rail: its total is VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0 (VDDQ_VDD2_1V8AO is fed by the
  last). The carrier board is in none of them.
* `pmic`: Raspberry Pi 5, `vcgencmd pmic_read_adc`: volts and amperes of the rails that the power controller makes. The
  current of the 5 V input is not measured, so what is fed from it directly (USB, most of a HAT, the fan) and the
  controller's own losses are missing. The command is not in the official documentation.
* `rapl`: PCs, energy of the processor's packages: https://docs.kernel.org/power/powercap/powercap.html. Neither main
  memory nor the rest of the PC.
* `hwmon`: a TI INA chip or an ACPI power meter that the kernel knows (https://docs.kernel.org/hwmon/ina2xx.html): what
  it sees depends on where it was soldered in.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from onsight_edge.device import read_text, vcgencmd

_ROOT = Path("/")
_RAPL = "sys/class/powercap"
_TOTALS = (("VDD_IN",), ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"))
_CHIPS = re.compile(r"power_meter|ina(219|220|226|228|230|231|232|233|234|237|238|260|700|780)")


@dataclass(frozen=True, slots=True)
class Sensor:
    """Something that tells power or energy.

    Attributes:
        name: what it is and what it sees, such as `ina3221 VDD_IN`.
        watts: power now; None from it where it cannot be read just now. None for a counter of energy.
        joules: a counter of energy that only grows; likewise. None for a sensor of power.
    """

    name: str
    watts: Callable[[], float | None] | None = None
    joules: Callable[[], float | None] | None = None


@dataclass(frozen=True, slots=True)
class Sensors:
    """What was found.

    Attributes:
        readable: sensors, the one that sees most of the device first.
        closed: sensors that are there and may not be read, each with the reason in words and the command that opens it.
    """

    readable: tuple[Sensor, ...]
    closed: tuple[tuple[str, str], ...]


class Meter:
    """Sums up what a sensor says: `sample` regularly, then ask for `joules`.

    Power is integrated by trapezoids between samples; a counter is exact between the first and the last.
    """

    def __init__(self, sensor: Sensor, clock: Callable[[], float] = time.monotonic) -> None:
        self.sensor = sensor
        self._clock = clock
        self._joules = 0.0
        self._last: tuple[float, float] | None = None
        self._broken = False

    @property
    def joules(self) -> float | None:
        """Energy between the first sample and the last; None where a reading failed in between or there are not two."""
        return None if self._broken or self._last is None else self._joules

    def sample(self) -> float | None:
        """Read the sensor now: power in watts, of a counter the mean since the last sample; None where it fails."""
        read = self.sensor.watts or self.sensor.joules
        value = None if read is None else read()
        now, before = self._clock(), self._last
        if value is None:
            self._broken = True
            return None
        self._last = (now, value)
        if before is None:
            return value if self.sensor.watts else None
        seconds = now - before[0]
        if self.sensor.watts:
            self._joules += (value + before[1]) / 2 * seconds
            return value
        used = value - before[1]
        self._joules += used
        return used / seconds if seconds > 0 else None


def find_sensors(root: Path = _ROOT) -> Sensors:
    """Look for sensors that can be read here and now.

    Args:
        root: where `sys` and `usr/bin/vcgencmd` stand; another one in tests.
    """
    found = [*_ina3221(root), *_pmic(root)]
    rapl, closed = _rapl(root)
    found += [*_chips(root), *rapl]
    return Sensors(tuple(found), closed)


def _ina3221(root: Path) -> list[Sensor]:
    rails: dict[str, tuple[Path, int]] = {}
    for folder in sorted((root / "sys/bus/i2c/drivers/ina3221").glob("*/hwmon/hwmon*")):
        for number in (1, 2, 3):
            label = read_text(folder, f"in{number}_label")
            if label is not None and _rail_watts(folder, number) is not None:
                rails[label] = (folder, number)
    for total in _TOTALS:
        if all(label in rails for label in total):
            chosen = [partial(_rail_watts, *rails[label]) for label in total]
            return [Sensor(f"ina3221 {'+'.join(total)}", watts=partial(_sum, chosen))]
    return []


def _rail_watts(folder: Path, number: int) -> float | None:
    millivolts, milliamperes = (read_text(folder, f"{what}{number}_input") for what in ("in", "curr"))
    if millivolts is None or milliamperes is None:
        return None
    try:
        return int(millivolts) * int(milliamperes) / 1e6
    except ValueError:
        return None


def _pmic(root: Path) -> list[Sensor]:
    def watts() -> float | None:
        return pmic_watts(vcgencmd("pmic_read_adc", root=root) or "")

    return [] if watts() is None else [Sensor("pmic", watts=watts)]


def pmic_watts(text: str) -> float | None:
    """The power of all rails for which `vcgencmd pmic_read_adc` gives volts and amperes; None where there are none.

    Lines look like `VDD_CORE_A current(7)=6.22421000A` and `VDD_CORE_V volt(15)=0.86173300V`; the numbers in brackets
    of one rail differ.
    """
    values = re.findall(r"^\s*(\w+)_([AV]) \w+\(\d+\)=(-?\d+(?:\.\d+)?)[AV]\s*$", text, re.MULTILINE)
    amperes = {rail: float(value) for rail, unit, value in values if unit == "A"}
    volts = {rail: float(value) for rail, unit, value in values if unit == "V"}
    powers = [amperes[rail] * volts[rail] for rail in amperes if rail in volts]
    return sum(powers) if powers else None


def _rapl(root: Path) -> tuple[list[Sensor], tuple[tuple[str, str], ...]]:
    packages = []
    for zone in sorted((root / _RAPL).glob("intel-rapl:*")):  # AMD processors are found there too
        name = read_text(zone, "name") or ""
        if re.fullmatch(r"intel-rapl:\d+", zone.name) and name.startswith("package-"):
            packages.append((name, zone))
    if not packages:
        return [], ()
    ranges = [_microjoules(zone, "max_energy_range_uj") for _, zone in packages]
    if any(_microjoules(zone, "energy_uj") is None for _, zone in packages) or None in ranges:
        # since 5.10 for root only (CVE-2020-8694: it tells others' secrets apart)
        reason = "the processor counts its energy (RAPL), but only root may read it"
        return [], ((reason, f"sudo chmod a+r /{_RAPL}/intel-rapl:*/energy_uj"),)
    counters = [_Counter(zone, largest or 0.0) for (_, zone), largest in zip(packages, ranges, strict=True)]
    name = "+".join(name for name, _ in packages)
    return [Sensor(f"rapl {name}", joules=partial(_sum, [one.joules for one in counters]))], ()


class _Counter:
    """One zone's counter, which starts again from 0 at the end of its range (minutes to hours later)."""

    def __init__(self, zone: Path, largest: float) -> None:
        self._zone, self._largest = zone, largest
        self._turns, self._last = 0, 0.0

    def joules(self) -> float | None:
        value = _microjoules(self._zone, "energy_uj")
        if value is None:
            return None
        self._turns += value < self._last
        self._last = value
        return self._turns * self._largest + value


def _microjoules(zone: Path, name: str) -> float | None:
    text = read_text(zone, name)
    return int(text) / 1e6 if text is not None and text.isdigit() else None


def _chips(root: Path) -> list[Sensor]:
    found = []
    for folder in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        name = read_text(folder, "name") or ""
        if not _CHIPS.fullmatch(name):
            continue
        file = "power1_input" if (folder / "power1_input").exists() else "power1_average"
        if _microjoules(folder, file) is not None:  # microwatts
            found.append(Sensor(f"hwmon {name}", watts=partial(_microjoules, folder, file)))
    return found


def _sum(readings: Sequence[Callable[[], float | None]]) -> float | None:
    values = [read() for read in readings]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
