"""Which calibration size and which estimator: what validation pictures say of every candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.metrics import Z_95
from onsight_export.quantize.network import Network
from onsight_export.quantize.ranges import ESTIMATE, NOTHING, Histogram, Range
from onsight_export.quantize.types import ESTIMATORS, Labelled, Tried

SIZES = (50, 150, 500)
VALIDATION_PICTURES = 2000
_OF_NOTHING: Range = (0.0, 1.0)  # much narrower ones make a ratio of scales that XNNPACK refuses


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A file on the validation pictures.

    Attributes:
        data: what `Network.quantize` made.
        right: (N,) bool, whose class it finds.
        accuracy, agreement, mean_difference: see Tried.
    """

    data: Any
    right: NDArray[np.bool_]
    accuracy: float
    agreement: float
    mean_difference: float


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A calibration size and an estimator, with the ranges they give and how these do."""

    pictures: int
    estimator: str
    ranges: Mapping[str, Range]
    measured: Measured

    def tried(self) -> Tried:
        """What the report keeps."""
        found = self.measured
        return Tried(self.pictures, self.estimator, found.accuracy, found.agreement, found.mean_difference)


def sizes_to_try(wanted: int | None, available: int) -> tuple[int, ...]:
    """Calibration sizes, ascending: the one that was asked for, or those of SIZES that the pictures suffice for."""
    if wanted is not None:
        return (min(wanted, available),)
    return tuple(sorted({min(size, available) for size in SIZES}))


def estimators_to_try(wanted: str | None) -> tuple[str, ...]:
    """The estimator that was asked for, or all."""
    return ESTIMATORS if wanted is None else (wanted,)


def ranges_of(histograms: Mapping[str, Histogram], estimator: str) -> dict[str, Range]:
    """Every tensor's range by one estimator; 0..1 for a tensor that is always 0, whose scale would be 0."""
    found = {name: ESTIMATE[estimator](histogram) for name, histogram in histograms.items()}
    return {name: (low, high) if high - low >= NOTHING else _OF_NOTHING for name, (low, high) in found.items()}


def measure(network: Network, data: Any, validation: Labelled) -> Measured:
    """Run a quantized network over the validation pictures."""
    scores = network.scores(data, validation.pixels)
    named = scores.argmax(axis=1)
    right = named == validation.labels
    return Measured(
        data,
        right,
        float(right.mean()),
        float((named == validation.reference.argmax(axis=1)).mean()),
        float(np.abs(scores - validation.reference).mean()),
    )


def distinguishable(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> bool:
    """Whether two files' accuracies on the same pictures differ by more than chance explains.

    Args:
        a, b: (N,) bool, which pictures each gets right.

    Returns:
        Whether the 95 % interval of the paired difference leaves 0 out. Source: Agresti, Categorical Data Analysis,
        10.1.2: the variance of a difference of dependent proportions.
    """
    count = len(a)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    difference = (only_a - only_b) / count
    error = math.sqrt(max((only_a + only_b) / count - difference**2, 0.0) / count)
    return abs(difference) > Z_95 * error


def level_with_best(candidates: list[Candidate]) -> list[Candidate]:
    """The most accurate candidate, and all that chance does not tell from it."""
    top = max(candidates, key=lambda candidate: candidate.measured.accuracy)
    return [c for c in candidates if not distinguishable(top.measured.right, c.measured.right)]


def best(candidates: list[Candidate]) -> Candidate:
    """Of those level with the most accurate the one whose scores are closest to Keras's.

    Of equally close ones the smaller calibration, then the earlier estimator.
    """
    level = level_with_best(candidates)
    return min(level, key=lambda c: (c.measured.mean_difference, c.pictures, ESTIMATORS.index(c.estimator)))
