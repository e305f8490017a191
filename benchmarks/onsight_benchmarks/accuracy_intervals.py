"""Intervals of the difference between two accuracies: of two networks, and of one network in two number formats."""

from __future__ import annotations

import math

from onsight_edge.errors import DataError
from onsight_edge.metrics import Z_95, wilson


def difference(correct_a: int, correct_b: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """Interval of the first share minus the second, from the counts alone.

    Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17
    (1998), method 10: Wilson's intervals, combined. Both were counted on the same pictures, where errors mostly
    coincide, so it is wider than it had to be: what it tells apart is apart.

    Args:
        correct_a, correct_b: right answers of the one and of the other.
        total: pictures, above 0.

    Returns:
        (low, high) as shares, within -1..1.

    Raises:
        DataError: the counts are no shares.
    """
    if total < 1:
        raise DataError("a difference on no pictures at all is not defined")
    (low_a, high_a), (low_b, high_b) = wilson(correct_a, total, z), wilson(correct_b, total, z)
    a, b = correct_a / total, correct_b / total
    return (
        max(-1.0, a - b - math.hypot(a - low_a, high_b - b)),
        min(1.0, a - b + math.hypot(high_a - a, b - low_b)),
    )


def paired_difference(only_first: int, only_second: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """Interval of the first share minus the second where each picture was answered by both.

    Bonett and Price, Adjusted Wald confidence interval for a difference of binomial proportions based on paired data,
    Journal of Educational and Behavioral Statistics 37 (2012). Only pictures on which one of the two is right and the
    other wrong say anything, as in McNemar's test; it does not shrink to a point where there are none.

    Args:
        only_first, only_second: pictures that the one got right and the other wrong, and the other way round.
        total: all pictures, above 0.

    Returns:
        (low, high) as shares, within -1..1.

    Raises:
        DataError: the counts do not fit the total.
    """
    if total < 1 or min(only_first, only_second) < 0 or only_first + only_second > total:
        raise DataError(f"{only_first} and {only_second} of {total} pictures are no counts of a comparison")
    first, second = (only_first + 1) / (total + 2), (only_second + 1) / (total + 2)
    half = z * math.sqrt((first + second - (first - second) ** 2) / (total + 2))
    centre = first - second
    return (max(-1.0, centre - half), min(1.0, centre + half))
