"""Energy a picture, from the device's own power sensor (onsight_edge.power).

What takes turns in blocks of milliseconds cannot be told apart by a sensor that is read a few times a second. So each
subject works alone for some seconds, after the latencies were measured; before the first of them the device idles for a
while. Where no sensor can be read there is nothing to wait for, and no figure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from onsight_benchmarks.conditions import EnergyUsed
from onsight_benchmarks.measurement import Energy
from onsight_benchmarks.rounds import BLOCK, Block
from onsight_benchmarks.sampler import Sample, Sampler
from onsight_edge.power import find_sensors

SECONDS = 2.0
IDLE_S = 2.0
_HZ = 4.0  # a Raspberry Pi's sensor costs some milliseconds a look
_ROOT = Path("/")


def measure_energy(
    subjects: Sequence[tuple[Callable[[int], Block] | None, int]],
    *,
    seconds: float = SECONDS,
    idle_s: float = IDLE_S,
    root: Path = _ROOT,
    progress: Callable[[float], None] | None = None,
) -> list[Energy | None]:
    """Let each subject work alone for so long.

    Args:
        subjects: makes so many calls, or None where it cannot; and the pictures that one of its calls holds.
        seconds: each. 0 measures nothing.
        idle_s: idling before the first of them.
        root: where `sys` stands; another one in tests.
        progress: told the share that is done.

    Returns:
        For each what it used, or None where the device has no sensor that can be read, or it failed meanwhile.
    """
    if seconds <= 0 or not find_sensors(root).readable:
        return [None] * len(subjects)
    sampler = Sampler(root, _HZ)

    def look() -> float:
        at = time.monotonic()
        sampler.mark()
        return at

    start = look()
    time.sleep(idle_s)
    idle = (start, look())
    phases = []
    for done, (subject, each) in enumerate(subjects):
        if progress is not None:
            progress(done / len(subjects))
        pictures, start = 0, look()
        while subject is not None and time.monotonic() - start < seconds:
            pictures += len(subject(BLOCK)) * each
        phases.append((start, look(), pictures))
    samples = sampler.stop()
    rest = _used(samples.rows, *idle)
    idle_watts = round(rest[0] / rest[1], 3) if rest and idle_s > 0 else None
    found: list[Energy | None] = []
    for start, end, pictures in phases:
        used = _used(samples.rows, start, end)
        if used is None or samples.sensor is None:
            found.append(None)
        else:
            found.append(used_alone(EnergyUsed(samples.sensor, round(used[0], 3), idle_watts), pictures))
    return found


def used_alone(used: EnergyUsed | None, pictures: int) -> Energy | None:
    """What a watch saw of a measurement that had the device for itself, by the pictures that were answered."""
    if used is None or not pictures:
        return None
    return Energy(used.sensor, used.joules, used.idle_watts, round(used.joules * 1e3 / pictures, 6))


def _used(rows: Sequence[Sample], start: float, end: float) -> tuple[float, float] | None:
    """Joules and seconds between the first look after `start` and the first after `end`."""
    first, last = (next((row for row in rows if row.t >= at), None) for at in (start, end))
    if first is None or last is None or first.joules is None or last.joules is None or last.t <= first.t:
        return None
    return last.joules - first.joules, last.t - first.t
