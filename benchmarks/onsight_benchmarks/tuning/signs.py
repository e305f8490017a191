"""What few samples say for sure: intervals of a median, and whether a percentile keeps a bound. No randomness, no
assumption about how times are distributed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.early_stopping import min_passing

_Z = 1.96
_SHARE = 0.95
_CONFIDENCE = 0.95


def median_interval(values: Sequence[float] | NDArray[np.floating]) -> tuple[float, float, float]:
    """The median and its 95 % interval between order statistics (the sign test's, in its normal approximation).

    Args:
        values: at least one, in any order.

    Returns:
        (low, median, high). Fewer than six values say nothing for sure: low is 0 and high is infinite.

    Source: Conover, Practical Nonparametric Statistics (1999), 3.2.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    count = len(ordered)
    rank = math.floor(count / 2 - _Z * math.sqrt(count) / 2 - 0.5)
    middle = float(np.median(ordered))
    if rank < 0:
        return 0.0, middle, math.inf
    return float(ordered[rank]), middle, float(ordered[count - 1 - rank])


def keeps_bound(over: int, calls: int) -> bool | None:
    """Whether the 95th percentile of the times is within a bound, from how many of the calls went over it.

    Returns:
        True or False where that is sure to 95 %, None where more calls are needed. By the binomial sums of LoadGen's
        early stopping: 59 calls without one above the bound are enough, 93 with one.
    """
    under = calls - over
    if under >= min_passing(over, _SHARE, _CONFIDENCE):
        return True
    if over >= min_passing(under, 1 - _SHARE, _CONFIDENCE):  # the same, asked of the bound's other side
        return False
    return None
