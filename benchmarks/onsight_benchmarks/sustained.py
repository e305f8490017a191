"""Measuring for minutes: what a device does once it is warm, told apart from what it does cold.

Nothing is warmed up before, for the first seconds are half of what is asked. Calls go on without a pause (with several
subjects, in turns as ever), so that the device heats up as it would in use. Time is cut into slices, each of which
keeps its exact p50, p99 and maximum; of the single values a seeded uniform draw is kept, so that the memory of a run
does not grow with its length.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from statistics import median

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.fresh import resident_mib
from onsight_benchmarks.measurement import Moment, Sustained
from onsight_benchmarks.rounds import BLOCK, Block, settle
from onsight_benchmarks.sampler import Sample
from onsight_benchmarks.stats import percentile

COLD_S = 10.0
KEPT = 100_000
SETTLED = 0.03
_SLICES, _LEAST_SLICE_S, _MOST_SLICE_S = 60, 0.1, 10.0
_RUN = 3  # slices in a row


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of the time of one subject: its end in seconds since the start, how many calls, and what they took."""

    t_s: float
    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    rss_mib: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Lasting:
    """What was measured of one subject.

    Attributes:
        kept: (at most KEPT, stages) nanoseconds: a uniform draw of all its calls.
        count: of all calls. total_ns: that they took, by their last stage.
        slices: in the order of time.
    """

    kept: Block
    count: int
    total_ns: int
    slices: tuple[Slice, ...]


def measure_sustained(
    subjects: Sequence[Callable[[int], Block]],
    seconds: float,
    rng: random.Random,
    progress: Callable[[float], None] | None = None,
) -> list[Lasting]:
    """Call subjects for so long.

    Args:
        subjects: each makes so many calls and returns what they took, (calls, stages) nanoseconds.
        seconds: all together.
        rng: draws the order of every round, and which values are kept.
        progress: told the share that is done, with every slice.
    """
    length = slice_seconds(seconds)
    keepers = [_Keeper(rng.getrandbits(32)) for _ in subjects]
    order = list(range(len(subjects)))
    began = time.monotonic()
    slice_ends = began + length
    while True:
        rng.shuffle(order)
        for index in order:
            if len(subjects) > 1:
                settle(subjects[index])
            keepers[index].add(subjects[index](BLOCK))
        now = time.monotonic()
        if now < slice_ends and now - began < seconds:
            continue
        rss = resident_mib()[0]
        for keeper in keepers:
            keeper.close_slice(now - began, rss)
        slice_ends = now + length
        if progress is not None:
            progress(min(1.0, (now - began) / seconds))
        if now - began >= seconds:
            return [keeper.finish() for keeper in keepers]


def slice_seconds(seconds: float) -> float:
    """How long a slice of a measurement of that length is: a sixtieth, and from 0.1 to 10 s."""
    return min(max(seconds / _SLICES, _LEAST_SLICE_S), _MOST_SLICE_S)


class _Keeper:
    """Takes in blocks; keeps slices, and a uniform draw of the values (algorithm R, a slice at a time)."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._blocks: list[Block] = []
        self._kept: NDArray[np.int64] | None = None
        self._count = self._total_ns = 0
        self._slices: list[Slice] = []

    def add(self, block: Block) -> None:
        self._blocks.append(block)

    def close_slice(self, t_s: float, rss_mib: float | None) -> None:
        taken = np.concatenate(self._blocks)
        self._blocks.clear()
        whole = np.sort(taken[:, -1]) / 1e6
        self._slices.append(
            Slice(
                round(t_s, 3),
                len(taken),
                round(percentile(whole, 50), 6),
                round(percentile(whole, 99), 6),
                round(float(whole[-1]), 6),
                rss_mib,
            )
        )
        self._keep(taken)
        self._total_ns += int(taken[:, -1].sum())

    def _keep(self, taken: Block) -> None:
        if self._kept is None:  # all of it at once: nothing grows while it measures
            self._kept = np.full((KEPT, taken.shape[1]), 0, np.int64)
        room = max(0, min(KEPT - self._count, len(taken)))
        self._kept[self._count : self._count + room] = taken[:room]
        numbers = np.arange(self._count + room, self._count + len(taken))
        places = self._rng.integers(0, numbers + 1)
        chosen = places < KEPT
        self._kept[places[chosen]] = taken[room:][chosen]  # of several for one place the last stays
        self._count += len(taken)

    def finish(self) -> Lasting:
        assert self._kept is not None  # there is always a slice
        return Lasting(self._kept[: min(self._count, KEPT)].copy(), self._count, self._total_ns, tuple(self._slices))


def moments(slices: Sequence[Slice], looks: Sequence[Sample], began: float) -> tuple[Moment, ...]:
    """Slices, and what was seen of the device in each.

    Args:
        slices: in the order of time.
        looks: at the device, in the order of time.
        began: when the measuring did, seconds of `time.monotonic()`.
    """
    ends = [0.0, *(one.t_s for one in slices[:-1]), inf]  # the last look comes when the last call has ended
    found = []
    for (start, end), one in zip(pairwise(ends), slices, strict=True):
        until = [look for look in looks if look.t - began <= end]
        within = [look for look in until if look.t - began > start] or until[-1:]
        degrees = [look.temperature_c for look in within if look.temperature_c is not None]
        clocks = [look.mhz for look in within if look.mhz is not None]
        found.append(
            Moment(
                one.t_s,
                one.count,
                one.p50_ms,
                one.p99_ms,
                max(degrees) if degrees else None,
                round(median(clocks), 1) if clocks else None,
                tuple(dict.fromkeys(word for look in within for word in look.throttled)),
                one.rss_mib,
                one.max_ms,
            )
        )
    return tuple(found)


def sum_up(over_time: Sequence[Moment]) -> Sustained:
    """Cold against steady; see `Sustained`.

    Args:
        over_time: at least one slice.
    """
    seconds = over_time[-1].t_s
    cold_s = min(COLD_S, seconds / 3)
    cold = [one for one in over_time if one.t_s <= cold_s] or list(over_time[:1])
    steady = [one for one in over_time if one.t_s > seconds * 2 / 3] or list(over_time[-1:])
    cold_p50, steady_p50 = (median(one.p50_ms for one in part) for part in (cold, steady))
    degrees = [one.temperature_c for one in over_time if one.temperature_c is not None]
    first, last = cold[-1].rss_mib, over_time[-1].rss_mib
    return Sustained(
        seconds=seconds,
        cold_s=round(cold_s, 3),
        cold_p50_ms=round(cold_p50, 6),
        cold_p99_ms=round(median(one.p99_ms for one in cold), 6),
        steady_p50_ms=round(steady_p50, 6),
        steady_p99_ms=round(median(one.p99_ms for one in steady), 6),
        ratio=round(steady_p50 / cold_p50, 4),
        settled_s=_settled(over_time, steady_p50),
        hottest_c=max(degrees) if degrees else None,
        throttled=tuple(dict.fromkeys(word for one in over_time for word in one.throttled)),
        rss_growth_mib=None if first is None or last is None else round(last - first, 1),
    )


def _settled(over_time: Sequence[Moment], steady_p50: float) -> float | None:
    near = [abs(one.p50_ms - steady_p50) <= SETTLED * steady_p50 for one in over_time]
    for at in range(len(near) - _RUN + 1):
        start = over_time[at - 1].t_s if at else 0.0
        if start > over_time[-1].t_s * 2 / 3:
            break
        if all(near[at : at + _RUN]):
            return start
    return None


def in_words(label: str, found: Sustained) -> str:
    """One line for the screen."""
    minutes = found.seconds / 60
    lasting = f"{found.seconds:.3g} s" if minutes < 1.5 else f"{minutes:.3g} minutes"
    parts = [
        f"{label}: after {lasting} {found.ratio:.2f}x of the first {found.cold_s:.3g} s "
        f"(p50 {found.cold_p50_ms:.3f} -> {found.steady_p50_ms:.3f} ms)"
    ]
    if found.rss_growth_mib is not None:
        parts.append(f"memory {found.rss_growth_mib:+.1f} MiB since then")
    if found.hottest_c is not None:
        parts.append(f"at up to {found.hottest_c:.0f} °C")
    if found.settled_s is None:
        parts.append("never settled")
    else:
        parts.append(f"settled after {found.settled_s:.3g} s" if found.settled_s else "steady from the start")
    if found.throttled:
        parts.append(f"held back by {', '.join(found.throttled)}")
    return ", ".join(parts)
