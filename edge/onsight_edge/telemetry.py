"""How the device fares at this moment: `telemetry()`. Cheap enough for twice a second; standard library only.

On a Raspberry Pi one look starts `vcgencmd` once (some milliseconds of another core); everywhere else it reads small
files of the kernel.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onsight_edge.cpufreq import Clock, clocks
from onsight_edge.device import processor_c, thermal_zones
from onsight_edge.throttling import Throttling, throttling

_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One look at the device; None or empty where it does not tell.

    Attributes:
        temperature_c: of the processor, degrees Celsius.
        zones: every thermal zone by name, degrees Celsius.
        clocks: of the processor.
        throttling: what holds it back.
    """

    temperature_c: float | None
    zones: tuple[tuple[str, float], ...]
    clocks: tuple[Clock, ...]
    throttling: Throttling | None

    @property
    def mhz(self) -> float | None:
        """The clock of the fastest core now, MHz."""
        return max((one.mhz for one in self.clocks if one.mhz is not None), default=None)

    @property
    def limit_mhz(self) -> float | None:
        """The highest clock that any core is allowed at this moment, MHz."""
        return max((one.limit_mhz for one in self.clocks if one.limit_mhz is not None), default=None)

    @property
    def governor(self) -> str | None:
        """What decides the clocks; several joined by `+` where cores differ."""
        names = dict.fromkeys(one.governor for one in self.clocks if one.governor is not None)
        return "+".join(names) or None

    @property
    def held_back(self) -> tuple[str, ...]:
        """What holds the device back now, in words; empty where nothing does or it does not tell."""
        return self.throttling.now if self.throttling is not None else ()

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "temperature_c": self.temperature_c,
            "mhz": self.mhz,
            "governor": self.governor,
            "zones": dict(self.zones),
            "clocks": [asdict(one) for one in self.clocks],
            "throttling": None if self.throttling is None else self.throttling.to_json(),
        }


def telemetry(root: Path = _ROOT) -> Telemetry:
    """Look at the device now.

    Args:
        root: where `sys` and `usr/bin/vcgencmd` stand; another one in tests.
    """
    zones = thermal_zones(root)
    return Telemetry(processor_c(zones), zones, clocks(root), throttling(root))
