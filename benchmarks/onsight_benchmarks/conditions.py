"""Under what conditions a measurement was taken, and whether they let it count."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from onsight_benchmarks.objections import clock_sagged, governor_changed, held_back, limit_changed, others_busy
from onsight_benchmarks.sampler import HZ, Sample, Sampler, Samples
from onsight_benchmarks.series import Series, series
from onsight_edge.telemetry import Telemetry, telemetry

_LEAST_SECONDS = 0.2  # the kernel counts in ticks of 10 ms
_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the machine did while it was measured; None where it does not tell.

    Attributes:
        seconds: how long the measuring took.
        load1_before: the load average of the minute before.
        others_cores: processor cores that other processes, the kernel and the hypervisor kept busy meanwhile, the looks
            at the device included.
        governor_before, governor_after: what decided the clock.
        temperature_c_before, temperature_c_after: of the processor.
        throttled_before, throttled_after: what held the device back (`Throttling.to_json()`).
        series: looks at it meanwhile; None where the device tells nothing, and in records older than they.
    """

    seconds: float
    load1_before: float | None = None
    others_cores: float | None = None
    governor_before: str | None = None
    governor_after: str | None = None
    temperature_c_before: float | None = None
    temperature_c_after: float | None = None
    throttled_before: dict[str, object] | None = None
    throttled_after: dict[str, object] | None = None
    series: Series | None = None


@dataclass(frozen=True, slots=True)
class EnergyUsed:
    """What the device's power sensor saw of a measurement.

    Attributes:
        sensor: its name.
        joules: meanwhile.
        idle_watts: before, with nothing of ours running; None where the watch was not told to wait for it.
    """

    sensor: str
    joules: float
    idle_watts: float | None


class Watch:
    """Watches the machine from its construction until `stop`; see onsight_benchmarks.sampler for how.

    Args:
        root: where `proc`, `sys` and `usr/bin/vcgencmd` stand; another one in tests.
        hz: looks a second.
        idle_s: wait so long before the measuring where there is a power sensor, to learn what the idle device draws.
        busy: the measuring keeps a core busy all the time, so that a falling clock is the device's doing.
        sustained: heat is what the measurement is to show, and speaks not against it.
    """

    def __init__(
        self,
        root: Path = _ROOT,
        *,
        hz: float = HZ,
        idle_s: float = 0.0,
        busy: bool = False,
        sustained: bool = False,
    ) -> None:
        self._root, self._busy_all_along, self._sustained = root, busy, sustained
        self.energy: EnergyUsed | None = None
        """What the power sensor saw, after `stop`; None where there is none or it failed meanwhile."""
        self.samples = Samples()
        """The looks, after `stop`."""
        self._load = _load1(root)
        self._before = telemetry(root)
        self._sampler = Sampler(root, hz)
        self._idled = idle_s > 0 and self._sampler.sensor is not None
        if self._idled:
            time.sleep(idle_s)
        self.began = time.monotonic()
        self._sampler.mark()
        self._started = time.monotonic()
        self._busy, self._own, self._children = busy_seconds(root), time.process_time(), _children_seconds()

    def stop(self, cores: int, *, children: bool = False, workers_s: float = 0.0) -> tuple[Conditions, tuple[str, ...]]:
        """What it saw, and every reason why the measurement should not count.

        Args:
            cores: that this machine has.
            children: count what ended child processes did as our own work.
            workers_s: processor time meanwhile of our own processes that still run (`worker.serve` tells it).
        """
        seconds = time.monotonic() - self._started
        busy, own = busy_seconds(self._root), time.process_time() - self._own
        own += workers_s
        if children:
            own += _children_seconds() - self._children
        others: float | None = None
        if busy is not None and self._busy is not None and seconds >= _LEAST_SECONDS:
            others = round(min(max(0.0, busy - self._busy - own) / seconds, cores), 3)
        samples = self.samples = self._sampler.stop()
        after = telemetry(self._root)
        self.energy = self._energy(samples)
        seen = Conditions(
            seconds=round(seconds, 3),
            load1_before=self._load,
            others_cores=others,
            governor_before=self._before.governor,
            governor_after=after.governor,
            temperature_c_before=self._before.temperature_c,
            temperature_c_after=after.temperature_c,
            throttled_before=_throttling_json(self._before),
            throttled_after=_throttling_json(after),
            series=series(self._rows(samples), self.began, tells_throttling=samples.tells_throttling),
        )
        return seen, self._objections(samples, after, others, cores)

    def _rows(self, samples: Samples) -> tuple[Sample, ...]:
        """The looks from the one at the measuring's start on."""
        return tuple(row for row in samples.rows if row.t >= self.began)

    def _energy(self, samples: Samples) -> EnergyUsed | None:
        rows = self._rows(samples)
        if samples.sensor is None or len(rows) < 2:
            return None
        first, last = rows[0], rows[-1]
        if first.joules is None or last.joules is None:
            return None
        idle: float | None = None
        if self._idled and samples.rows[0].joules is not None:
            idle = round((first.joules - samples.rows[0].joules) / (first.t - samples.rows[0].t), 3)
        return EnergyUsed(samples.sensor, round(last.joules - first.joules, 3), idle)

    def _objections(self, samples: Samples, after: Telemetry, others: float | None, cores: int) -> tuple[str, ...]:
        before, rows = self._before, self._rows(samples)
        held = [word for row in rows for word in row.throttled]
        if before.throttling is not None and after.throttling is not None:
            held += after.throttling.since(before.throttling)
        reasons = [
            *governor_changed([before.governor, *(row.governor for row in rows), after.governor]),
            *held_back(held, sustained=self._sustained),
            *([] if self._sustained else limit_changed(rows)),
            *(clock_sagged(rows) if self._busy_all_along and not self._sustained else []),
            *others_busy(others, cores),
        ]
        if samples.failure is not None:
            reasons.append(f"nobody looked at the device meanwhile: {samples.failure}")
        return tuple(reasons)


def busy_seconds(root: Path = _ROOT) -> float | None:
    """Core-seconds that all of the machine's cores have been busy since boot, time stolen by a hypervisor included.

    Source: man 5 proc, /proc/stat. None where there is none.
    """
    try:
        first = (root / "proc/stat").read_text().split("\n", 1)[0].split()
        user, nice, system, _idle, _iowait, irq, softirq, steal = (int(ticks) for ticks in first[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _load1(root: Path) -> float | None:
    try:
        return float((root / "proc/loadavg").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _throttling_json(seen: Telemetry) -> dict[str, object] | None:
    return None if seen.throttling is None else seen.throttling.to_json()
