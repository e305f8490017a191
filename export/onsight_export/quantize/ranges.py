"""The range of a tensor that 8 bits should cover: four estimators, pure functions of a histogram.

All of them answer a range that contains 0, which both formats demand (zero padding must be exact), and that does
not exceed what was seen. Cutting a range's ends off makes its steps finer and clips what lies outside: min-max cuts
nothing, the others cut where it pays by their measure.

Sources: the rounding noise of a step d is d^2/12 (Widrow & Kollar, Quantization Noise, 2008); clipping against
rounding noise is the trade of Banner et al. 2019, https://arxiv.org/abs/1810.05723; entropy is Migacz, 8-bit
Inference with TensorRT, GTC 2017, for ranges that need not be symmetric.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 2048
LEVELS = 256
NOTHING = 1e-20  # a span so small counts as none: float32 cannot part it into bins
KEPT = 0.9999  # share of the values that `percentile` covers, half of the rest cut at either end
_FRACTIONS = np.linspace(0.02, 1.0, 50)  # of either end, for `mse`
_SHRINKS = np.linspace(LEVELS / BINS, 1.0, 64)  # of both ends, for `entropy`: narrower ones have no bin for every level

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """The values that a tensor took.

    Attributes:
        low, high: outer edges of the bins; low <= 0 <= high.
        counts: (BINS,) how many values other than 0 fell into each bin.
        zeros: how many were exactly 0: after a ReLU often most, and every range represents them exactly.
        minimum, maximum: of the values, 0 included.
    """

    low: float
    high: float
    counts: NDArray[np.int64]
    zeros: int
    minimum: float
    maximum: float

    @property
    def centres(self) -> NDArray[np.float64]:
        """(BINS,) the bins' centres."""
        width = (self.high - self.low) / len(self.counts)
        places: NDArray[np.float64] = np.arange(len(self.counts), dtype=np.float64) + 0.5
        return self.low + width * places


def minmax(histogram: Histogram) -> Range:
    """All that was seen."""
    return histogram.minimum, histogram.maximum


def percentile(histogram: Histogram, kept: float = KEPT) -> Range:
    """What covers a share `kept` of the values, an equal number cut at either end, to a bin's accuracy."""
    centres = histogram.centres
    counts = histogram.counts.astype(np.float64)
    at_zero = int(np.searchsorted(centres, 0.0))
    values = np.insert(centres, at_zero, 0.0)
    below = np.cumsum(np.insert(counts, at_zero, float(histogram.zeros)))
    if not below[-1]:
        return minmax(histogram)
    half = (histogram.high - histogram.low) / len(counts) / 2
    tail = (1 - kept) / 2 * below[-1]
    low = values[int(np.searchsorted(below, tail, side="right"))] - half
    high = values[min(int(np.searchsorted(below, below[-1] - tail, side="left")), len(values) - 1)] + half
    return _within(histogram, low, high)


def mse(histogram: Histogram) -> Range:
    """The range of least squared error: rounding noise within, distance to the nearest end outside."""
    if not histogram.counts.any():
        return minmax(histogram)
    centres, counts = histogram.centres, histogram.counts.astype(np.float64)
    lows, highs = _FRACTIONS * histogram.minimum, _FRACTIONS * histogram.maximum
    under = np.clip(lows[:, np.newaxis] - centres, 0, None)
    over = np.clip(centres - highs[:, np.newaxis], 0, None)
    clipped_low, clipped_high = under**2 @ counts, over**2 @ counts
    inside = counts.sum() - ((under > 0) @ counts)[:, np.newaxis] - ((over > 0) @ counts)[np.newaxis, :]
    step = (highs[np.newaxis, :] - lows[:, np.newaxis]) / (LEVELS - 1)
    error = clipped_low[:, np.newaxis] + clipped_high[np.newaxis, :] + inside * step**2 / 12
    # of equal errors the widest: the last in either direction
    row, column = np.argwhere(error <= error.min() * (1 + 1e-12))[-1]
    return float(lows[row]), float(highs[column])


def entropy(histogram: Histogram) -> Range:
    """The range whose 256 levels tell most of how the values are distributed (least Kullback-Leibler divergence)."""
    if not histogram.counts.any():
        return minmax(histogram)
    centres, counts = histogram.centres, histogram.counts.astype(np.float64)
    best, chosen = np.inf, 1.0
    for shrink in _SHRINKS[::-1]:  # from the widest, which wins a draw
        low, high = shrink * histogram.minimum, shrink * histogram.maximum
        inside = (centres >= low) & (centres <= high)
        within = counts[inside]
        if not within.any():
            break
        true = within.copy()
        true[0] += counts[centres < low].sum()
        true[-1] += counts[centres > high].sum()
        levels = np.minimum(((centres[inside] - low) / (high - low) * LEVELS).astype(np.intp), LEVELS - 1)
        filled = within > 0
        mass = np.bincount(levels, weights=within, minlength=LEVELS)
        bins = np.bincount(levels, weights=filled, minlength=LEVELS)
        told = np.where(filled, mass[levels] / np.maximum(bins[levels], 1), 0.0)
        divergence = _divergence(true, told)
        if divergence < best - 1e-12:
            best, chosen = divergence, float(shrink)
    return chosen * histogram.minimum, chosen * histogram.maximum


def _divergence(true: NDArray[np.float64], told: NDArray[np.float64]) -> float:
    p, q = true / true.sum(), told / told.sum()
    occurs = p > 0
    # clipped values pile up in an edge bin that may be empty within the range: as unlikely as one value in all
    return float((p[occurs] * np.log(p[occurs] / np.maximum(q[occurs], 1 / true.sum()))).sum())


def _within(histogram: Histogram, low: float, high: float) -> Range:
    return max(min(float(low), 0.0), histogram.minimum), min(max(float(high), 0.0), histogram.maximum)


ESTIMATE: dict[str, Callable[[Histogram], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "mse": mse,
    "entropy": entropy,
}
