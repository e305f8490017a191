"""LoadGen's early stopping: what a percentile is at most, at 99 % confidence, when only so many queries were measured.

Of n queries some percentile p was exceeded by a binomial number. An estimate that t queries of n reach or exceed is
confident when so few or fewer would exceed the true percentile with a probability below 1 %. So the estimate lies above
the percentile, and comes down to it as queries are added. Formulas: MLPerf LoadGen, loadgen/early_stopping.cc and
`PerformanceSummary::EarlyStopping` in loadgen/results.cc (https://github.com/mlcommons/inference); what they mean:
https://github.com/mlcommons/inference_policies/blob/master/inference_rules.adoc, appendix "Early Stopping Criterion".

LoadGen sums the binomial by a hypergeometric series; here the same sum is taken term by term, in logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.measurement import Scenario
from onsight_benchmarks.stats import percentile
from onsight_edge.errors import BenchmarkError

CONFIDENCE = 0.99


@lru_cache(maxsize=4096)
def min_passing(over: int, share: float, confidence: float = CONFIDENCE) -> int:
    """How many queries must stay below, for so many that do not: LoadGen's `MinPassingQueriesFinder`.

    Args:
        over: queries that reach or exceed the estimate.
        share: the percentile as a share, such as 0.9.
        confidence: of the claim that the percentile lies below the estimate.

    Returns:
        The least h for which `over` or fewer of h + over queries exceed the true percentile with a probability below
        1 - confidence.

    Raises:
        BenchmarkError: not a share between 0 and 1, or a negative count.
    """
    if not (0 < share < 1 and 0 < confidence < 1) or over < 0:
        raise BenchmarkError(f"early stopping needs shares between 0 and 1, and a count: {share}, {confidence}, {over}")
    low, high = 0, max(1, math.ceil(math.log(1 - confidence) / math.log(share)))
    while _odds(high, over, share) >= 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _odds(middle, over, share) < 1 - confidence else (middle, high)
    return high


def min_queries(share: float) -> int:
    """The fewest queries that allow an estimate at all: 64 for the 90th percentile, 662 for the 99th."""
    return min_passing(1, share) + 1


def estimate(ordered: Sequence[float] | NDArray[np.floating], share: float) -> float | None:
    """LoadGen's early-stopping estimate of a percentile.

    Args:
        ordered: what the queries took, ascending.
        share: the percentile as a share, such as 0.9.

    Returns:
        One of the values, or None for fewer than `min_queries` of them.
    """
    count = len(ordered)
    if count < min_queries(share):
        return None
    # LoadGen takes the first i with count < h(i) + i, and t = i - 1; h(i) + i only grows, so halving finds it too
    low, high = 1, count + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count >= min_passing(middle, share) + middle else (low, middle)
    return float(ordered[count - low])


def _odds(passing: int, over: int, share: float) -> float:
    """The probability of `over` or fewer overlatency queries among passing + over: LoadGen's `odds`."""
    total = passing + over
    k = np.arange(1, over + 1)
    # each term of the binomial sum is the one before it times (total - k + 1) / k * (1 - share) / share
    steps = np.log((total - k + 1) / k) + math.log(1 - share) - math.log(share)
    logs = total * math.log(share) + np.concatenate(([0.0], np.cumsum(steps)))
    most = float(logs.max())
    return math.exp(most) * float(np.exp(logs - most).sum())


def percentile_scenario(
    name: str, percent: int, took_ms: NDArray[np.float64], *, pictures_per_query: int = 1, loadgen: str | None = None
) -> Scenario:
    """A scenario whose headline is a percentile of what queries took.

    Args:
        name: of the scenario.
        percent: 90 or 99.
        took_ms: every query.
        pictures_per_query, loadgen: see Scenario.
    """
    ordered = np.sort(took_ms)
    early = estimate(ordered, percent / 100)
    return Scenario(
        name=name,
        pictures_per_query=pictures_per_query,
        queries=len(ordered),
        metric=f"p{percent}_ms",
        value=round(percentile(ordered, percent), 6),
        min_queries=min_queries(percent / 100),
        early_stopping=None if early is None else round(early, 6),
        loadgen=loadgen,
    )
