"""Whether a series of looks at a process grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.stats import LEVEL, narrowness
from onsight_edge.errors import BenchmarkError

_RESAMPLES = 400
_MOST_BLOCKS = 5  # to which the residuals are cut at least: memory is given out and back in steps that last
_LEAST = 6  # values


@dataclass(frozen=True, slots=True)
class Growth:
    """How a value changed with time.

    Attributes:
        per_hour: Theil-Sen slope, the median of the slopes of all pairs, in the value's unit an hour.
        low, high: its 99 % interval.
        level: the values' median.
        percent: what the slope adds from the first to the last value, in percent of the level.
        seconds: from the first to the last value.
    """

    per_hour: float
    low: float
    high: float
    level: float
    percent: float
    seconds: float


def growth(times_s: Sequence[float], values: Sequence[float], seed: int = 0) -> Growth:
    """The slope of a series, by the median of all pairs' slopes (Theil 1950, Sen 1968): single peaks do not move it.

    Neighbouring looks at memory are far from independent, so the interval is that of a circular block bootstrap of the
    residuals, in fifths of the series, and widened for how few those are.

    Args:
        times_s: ascending, seconds.
        values: as many, not all 0.
        seed: of the bootstrap's draws.

    Raises:
        BenchmarkError: too few values, or of no length in time.
    """
    times, taken = np.asarray(times_s, np.float64), np.asarray(values, np.float64)
    if len(times) < _LEAST or len(times) != len(taken) or times[-1] <= times[0]:
        raise BenchmarkError(f"growth needs at least {_LEAST} looks over some time, not {len(times)}")
    early, late = np.triu_indices(len(times), 1)
    apart = times[late] - times[early]
    early, late, apart = early[apart > 0], late[apart > 0], apart[apart > 0]

    def slope(of: NDArray[np.float64]) -> float:
        return float(np.median((of[late] - of[early]) / apart))

    found = slope(taken)
    line = found * times
    residuals = taken - line
    rng = np.random.default_rng(seed)
    length = -(-len(times) // _MOST_BLOCKS)
    starts = rng.integers(0, len(times), (_RESAMPLES, _MOST_BLOCKS, 1))
    drawn = ((starts + np.arange(length)) % len(times)).reshape(_RESAMPLES, -1)[:, : len(times)]
    slopes = [slope(line + residuals[one]) for one in drawn]
    wider = narrowness(_MOST_BLOCKS)
    low, high = (found + wider * (float(bound) - found) for bound in np.quantile(slopes, (_tail(), 1 - _tail())))
    level, seconds = float(np.median(taken)), float(times[-1] - times[0])
    return Growth(
        per_hour=round(found * 3600, 3),
        low=round(low * 3600, 3),
        high=round(high * 3600, 3),
        level=round(level, 3),
        percent=round(100 * found * seconds / level, 3),
        seconds=round(seconds, 1),
    )


def _tail() -> float:
    return (1 - LEVEL) / 2
