"""Summaries of measured times. Percentiles are nearest-rank, so each is a value that was measured; nothing is
clipped, trimmed or smoothed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import BenchmarkError

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Summary:
    """What a sample of measured values looks like, in their own unit.

    Attributes:
        count: how many values.
        mean, stdev: of all of them; the sample's standard deviation, 0 for a single value.
        min, max: smallest and largest.
        p50, p90, p95, p99: nearest-rank percentiles.
    """

    count: int
    mean: float
    stdev: float
    min: float
    max: float
    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times the one takes of what the other takes.

    Attributes:
        median: of the paired ratios, one a round.
        low, high: 95 % bootstrap interval of that median.
        rounds: how many pairs.
    """

    median: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.median:.2f}x ({self.low:.2f}-{self.high:.2f})"


def percentile(ordered: Sequence[float] | NDArray[np.floating], percent: float) -> float:
    """The nearest-rank percentile: the smallest value that at least `percent` % of all values do not exceed.

    Args:
        ordered: ascending, not empty.
        percent: above 0, at most 100.

    Raises:
        BenchmarkError: no values, or no such percentile.
    """
    if not len(ordered):
        raise BenchmarkError("a percentile of no values is not defined")
    if not 0 < percent <= 100:
        raise BenchmarkError(f"a nearest-rank percentile is above 0 and at most 100, not {percent}")
    return float(ordered[math.ceil(percent * len(ordered) / 100) - 1])


def summarise(values: Sequence[float] | NDArray[np.floating], digits: int | None = None) -> Summary:
    """Summarise a sample.

    Args:
        values: finite, in any order.
        digits: round every figure to so many decimal places.

    Raises:
        BenchmarkError: no values, or one that is not finite.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    if not len(ordered):
        raise BenchmarkError("nothing was measured: a summary needs at least one value")
    if not np.isfinite(ordered).all():
        raise BenchmarkError("a measured value is not finite")
    # rounding can carry the mean of equal values past them
    mean = min(max(float(ordered.mean()), float(ordered[0])), float(ordered[-1]))
    figures = [
        mean,
        float(ordered.std(ddof=1)) if len(ordered) > 1 else 0.0,
        float(ordered[0]),
        float(ordered[-1]),
        *(percentile(ordered, percent) for percent in (50, 90, 95, 99)),
    ]
    if digits is not None:
        figures = [round(figure, digits) for figure in figures]
    return Summary(len(ordered), *figures)


def paired_ratio(
    numerator: Sequence[float] | NDArray[np.floating],
    denominator: Sequence[float] | NDArray[np.floating],
    seed: int = 0,
) -> Ratio:
    """The median of the ratios of values measured side by side, with a bootstrap interval.

    Pairing cancels what both had to bear in that round: another process, a lower clock.

    Args:
        numerator, denominator: one value a round each, in the order of the rounds, above 0.
        seed: of the bootstrap's draws.

    Raises:
        BenchmarkError: lengths differ, nothing there, or a value is not above 0.
    """
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    if above.shape != below.shape or above.ndim != 1 or not len(above):
        raise BenchmarkError(f"paired ratios need one value a round on both sides, not {above.shape} and {below.shape}")
    if not (np.isfinite(above).all() and np.isfinite(below).all() and above.min() > 0 and below.min() > 0):
        raise BenchmarkError("paired ratios need finite times above 0")
    ratios = above / below
    drawn = np.random.default_rng(seed).integers(0, len(ratios), (_RESAMPLES, len(ratios)))
    medians = np.sort(np.median(ratios[drawn], axis=1))
    return Ratio(
        round(float(np.median(ratios)), 4),
        round(percentile(medians, 2.5), 4),
        round(percentile(medians, 97.5), 4),
        len(ratios),
    )
