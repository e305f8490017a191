"""What holds a device's clock back: heat, a weak power supply, too much current.

Each kind of device tells it in its own way; what is read, and where that is written down:

* Raspberry Pi: `vcgencmd get_throttled`, see onsight_edge.device. Where it cannot be asked (in a container), the kernel
  still tells of under-voltage: https://docs.kernel.org/hwmon/raspberrypi-hwmon.html. The firmware's node
  `/sys/devices/platform/soc/soc:firmware/get_throttled` is not read: the kernel calls it deprecated, logs a warning
  when somebody does, and answers what was last asked for (drivers/firmware/raspberrypi.c).
* Intel: counters of thermal events, `Documentation/ABI/testing/sysfs-devices-system-cpu`, thermal_throttle.
* Linux' cooling devices, which limit a clock when a thermal zone crosses a trip point:
  https://docs.kernel.org/driver-api/thermal/sysfs-api.html. On Jetsons with L4T 35 and 36 `cpu-throttle-alert` and
  others are among them.
* Jetson Orin: counters of under-voltage and over-current events in the hwmon device `soctherm_oc`; Jetson Linux
  Developer Guide, Platform Power and Performance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onsight_edge.device import read_text, throttled

_ROOT = Path("/")
_COOLING = re.compile(
    r"cpufreq-cpu\d+|thermal-cpufreq-\d+"  # a limit for the processor's clock; the second is the older name
    r"|devfreq-.+|thermal-devfreq-\d+"  # for the GPU's or the memory's
    r"|[a-z0-9-]+-throttle-alert|hot-surface-alert"  # Jetson
    r"|Processor|intel_powerclamp"  # ACPI; idle time forced upon the cores
)
_OVER_CURRENT = {1: "under-voltage", 2: "average over-current", 3: "instantaneous over-current"}
SUPPLY = ("under-voltage", "over-current")
"""What words of `Throttling` tell of the power supply rather than of heat contain."""


@dataclass(frozen=True, slots=True)
class Throttling:
    """What holds, or held, the device back, in words.

    Attributes:
        now: at this moment.
        since_boot: at some time since the device was started; only what latches (Raspberry Pi).
        events: how often since then, by what; only what is counted (Intel, Jetson).
        raw: a Raspberry Pi's bits as its firmware gave them; None on others.
    """

    now: tuple[str, ...] = ()
    since_boot: tuple[str, ...] = ()
    events: tuple[tuple[str, int], ...] = ()
    raw: int | None = None

    def since(self, before: Throttling) -> tuple[str, ...]:
        """What held the device back between an earlier look and this one, both looks included."""
        earlier = dict(before.events)
        grown = [what for what, count in self.events if count > earlier.get(what, count)]
        fresh = [what for what in self.since_boot if what not in before.since_boot]
        return tuple(dict.fromkeys((*before.now, *self.now, *fresh, *grown)))

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `raw` in hexadecimal, as the firmware prints it."""
        return {
            "raw": None if self.raw is None else hex(self.raw),
            "now": list(self.now),
            "since_boot": list(self.since_boot),
            "events": dict(self.events),
        }


def throttling(root: Path = _ROOT) -> Throttling | None:
    """What holds the device back; None where nothing of it is told.

    Args:
        root: where `sys` and `usr/bin/vcgencmd` stand; another one in tests.
    """
    firmware = throttled(root)
    cooling = _cooling(root)
    alarm = None if firmware is not None else _supply_alarm(root)
    events = (*_thermal_events(root), *_over_current_events(root))
    if firmware is None and cooling is None and alarm is None and not events:
        return None
    now = (*(firmware.now if firmware else ()), *(cooling or ()), *(("under-voltage",) if alarm else ()))
    since_boot = firmware.since_boot if firmware else ()
    return Throttling(now, since_boot, events, firmware.raw if firmware else None)


def supply_at_fault(what: str) -> bool:
    """Whether such a word tells of the power supply, which can be mended, rather than of heat."""
    return any(word in what for word in SUPPLY)


def _cooling(root: Path) -> tuple[str, ...] | None:
    """Cooling devices that limit a clock now; None where there are no such devices."""
    found: tuple[str, ...] | None = None
    for one in sorted((root / "sys/class/thermal").glob("cooling_device*"), key=lambda path: (len(path.name), path)):
        kind, state = read_text(one, "type"), read_text(one, "cur_state")
        if kind is None or state is None or not _COOLING.fullmatch(kind):
            continue
        found = found or ()
        if state.isdigit() and int(state) > 0:  # intel_powerclamp says -1 where it is off
            found = (*found, f"cooling by {kind}")
    return None if found is None else tuple(dict.fromkeys(found))


def _supply_alarm(root: Path) -> bool | None:
    for one in _hwmon(root, "rpi_volt"):
        alarm = read_text(one, "in0_lcrit_alarm")
        if alarm is not None:
            return alarm == "1"
    return None


def _thermal_events(root: Path) -> tuple[tuple[str, int], ...]:
    found = []
    for scope in ("core", "package"):
        files = (root / "sys/devices/system/cpu").glob(f"cpu[0-9]*/thermal_throttle/{scope}_throttle_count")
        counts = [read_text(file.parent, file.name) for file in files]
        known = [int(count) for count in counts if count is not None and count.isdigit()]
        if known:  # every core of a package tells of the same events: the sum grows all the same
            found.append((f"{scope} thermal limit", sum(known)))
    return tuple(found)


def _over_current_events(root: Path) -> tuple[tuple[str, int], ...]:
    found = []
    for one in _hwmon(root, "soctherm_oc"):
        for number, what in _OVER_CURRENT.items():
            count = read_text(one, f"oc{number}_event_cnt")
            if count is not None and count.isdigit():
                found.append((what, int(count)))
    return tuple(found)


def _hwmon(root: Path, name: str) -> list[Path]:
    return [one for one in sorted((root / "sys/class/hwmon").glob("hwmon*")) if read_text(one, "name") == name]
