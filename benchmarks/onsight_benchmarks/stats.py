"""Summaries of measured times, and ratios of times that were measured side by side.

Percentiles are MLPerf LoadGen's, so each is a value that was measured; nothing is clipped, trimmed or smoothed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import BenchmarkError

LEVEL = 0.99  # of every interval of a ratio
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Summary:
    """What a sample of measured values looks like, in their own unit.

    Attributes:
        count: how many values.
        mean, stdev: of all of them; the sample's standard deviation, 0 for a single value.
        min, max: smallest and largest.
        p50, p90, p95, p99: percentiles, see `percentile`.
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
        low, high: 99 % bootstrap interval of that median (95 % in records without scenarios).
        rounds: how many pairs.
    """

    median: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.median:.2f}x ({self.low:.2f}-{self.high:.2f})"


def percentile(ordered: Sequence[float] | NDArray[np.floating], percent: float) -> float:
    """LoadGen's percentile: of n values in ascending order the one at index floor(n * percent / 100), counted from 0.

    Where n * percent / 100 is a whole number this is the value after the nearest-rank one: 10 values' p90 is their
    maximum, 100 values' p50 the 51st. Elsewhere the two agree. The product is that of two doubles, as in LoadGen:
    `PerformanceSummary::ProcessLatencies` in loadgen/results.cc (https://github.com/mlcommons/inference).

    Args:
        ordered: ascending, not empty.
        percent: from 0 to below 100.

    Raises:
        BenchmarkError: no values, or no such percentile.
    """
    if not len(ordered):
        raise BenchmarkError("a percentile of no values is not defined")
    if not 0 <= percent < 100:
        raise BenchmarkError(f"LoadGen's percentile is at least 0 and below 100, not {percent}")
    share = float(f"{float(percent)!r}e-2")  # the double that a program writes as 0.999, which 99.9 / 100 is not
    return float(ordered[int(len(ordered) * share)])


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

    Pairing cancels what both had to bear in that round: another process, a lower clock. What outlasts a round is
    allowed for by drawing runs of neighbouring rounds, not single ones (`resampled_medians`).

    Args:
        numerator, denominator: one value a round each, in the order of the rounds, above 0.
        seed: of the bootstrap's draws.

    Raises:
        BenchmarkError: lengths differ, nothing there, or a value is not above 0.
    """
    above, below = _times(numerator), _times(denominator)
    if above.shape != below.shape:
        raise BenchmarkError(f"paired ratios need one value a round on both sides, not {above.shape} and {below.shape}")
    medians = resampled_medians(above / below, np.random.default_rng(seed))
    return _ratio(float(np.median(above / below)), medians, len(above))


def unpaired_ratio(
    numerator: Sequence[float] | NDArray[np.floating],
    denominator: Sequence[float] | NDArray[np.floating],
    seed: int = 0,
) -> Ratio:
    """The ratio of the medians of values that were not measured side by side; each side is resampled by itself.

    Args:
        numerator, denominator: each in the order of its rounds, above 0. `rounds` is the smaller number of the two.
        seed: of the bootstrap's draws.

    Raises:
        BenchmarkError: nothing there, or a value is not above 0.
    """
    above, below = _times(numerator), _times(denominator)
    rng = np.random.default_rng(seed)
    medians = resampled_medians(above, rng) / resampled_medians(below, rng)
    return _ratio(float(np.median(above) / np.median(below)), medians, min(len(above), len(below)))


def _times(values: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
    taken = np.asarray(values, np.float64)
    if taken.ndim != 1 or not len(taken):
        raise BenchmarkError(f"ratios need one value a round, not {taken.shape}")
    if not (np.isfinite(taken).all() and taken.min() > 0):
        raise BenchmarkError("ratios need finite times above 0")
    return taken


def _ratio(middle: float, medians: NDArray[np.float64], rounds: int) -> Ratio:
    """A ratio with an interval from a bootstrap's medians.

    A bootstrap's interval is too narrow by what Student's t adds to a normal deviate, here for as many values as there
    are blocks (Hesterberg 2015, "What Teachers Should Know About the Bootstrap": narrowness bias). So it is widened by
    that, as a ratio, on both sides of the median.
    """
    low, high = np.quantile(medians, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    wider = narrowness(rounds / block_length(rounds))
    low, high = middle * (low / middle) ** wider, middle * (high / middle) ** wider
    return Ratio(round(middle, 4), round(low, 4), round(high, 4), rounds)


def narrowness(blocks: float) -> float:
    """By how much the interval of a bootstrap of so many independent blocks is too narrow, as a factor.

    Student's t by the expansion of Abramowitz and Stegun, 26.7.5, over the normal deviate; and n / (n - 1).
    """
    free = max(blocks - 1, 1.0)
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return t / z * float(np.sqrt((free + 1) / free))


def block_length(count: int) -> int:
    """How many neighbouring rounds a resample draws at a time: n ** (1/3) (Hall, Horowitz and Jing 1995)."""
    return max(1, int(count ** (1 / 3) + 0.5))


def resampled_medians(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Medians of resamples by the circular block bootstrap (Politis and Romano 1992).

    Neighbours that one disturbance hit stay together: a resample is made of runs of `block_length` values.

    Args:
        values: in the order of measuring.
        rng: draws.

    Returns:
        (2000,) medians.
    """
    count = len(values)
    length = block_length(count)
    starts = rng.integers(0, count, (_RESAMPLES, -(-count // length), 1))
    drawn = ((starts + np.arange(length)) % count).reshape(_RESAMPLES, -1)[:, :count]
    return np.asarray(np.median(values[drawn], axis=1))
