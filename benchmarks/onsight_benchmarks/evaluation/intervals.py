"""How far a figure could lie from this one, had other pictures of the same kind been drawn: the bootstrap.

Efron & Tibshirani, An Introduction to the Bootstrap (1993): pictures are drawn again with replacement, the figure is
computed each time, and the bias-corrected percentiles (chapter 14) are the interval. Bias correction matters here:
noise alone raises a calibration error.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from onsight_edge.calibration import BINS, reliability
from onsight_edge.metrics import confusion, macro_f1, picture_losses

RESAMPLES = 1000
METHOD = f"bootstrap over pictures, {RESAMPLES} resamples, bias-corrected percentiles (Efron & Tibshirani 1993)"


@dataclass(frozen=True, slots=True)
class Intervals:
    """95 % intervals.

    Attributes:
        loss: of the mean cross-entropy, in nats.
        ece: of the expected calibration error.
        macro_f1: of the mean F1 over the classes that are shown.
    """

    loss: tuple[float, float]
    ece: tuple[float, float]
    macro_f1: tuple[float, float]


def bootstrap(
    scores: NDArray[np.floating], labels: NDArray[np.integer], *, seed: int = 0, resamples: int = RESAMPLES
) -> Intervals:
    """Intervals of the figures that are no simple share; those have Wilson's.

    Args:
        scores: (N, classes) probabilities.
        labels: (N,) class positions.
        seed: of the draws.
        resamples: how many times N pictures are drawn.

    Raises:
        DataError: no pictures, the shapes do not fit, or a score is not a number.
    """
    count, classes = scores.shape
    predicted, losses = scores.argmax(axis=1), picture_losses(scores, labels)
    places, gaps = _gaps(scores, labels)
    cells = labels.astype(np.int64) * classes + predicted
    random = np.random.default_rng(seed)
    found = np.empty((resamples, 3))
    for row in range(resamples):
        drawn = random.integers(0, count, count)
        matrix = np.bincount(cells[drawn], minlength=classes * classes).reshape(classes, classes)
        ece = np.abs(np.bincount(places[drawn], weights=gaps[drawn], minlength=BINS)).sum() / count
        found[row] = losses[drawn].mean(), ece, macro_f1(matrix)
    whole = (float(losses.mean()), reliability(scores, labels).ece, macro_f1(confusion(labels, predicted, classes)))
    loss, ece_interval, f1 = (_corrected(found[:, place], value) for place, value in enumerate(whole))
    return Intervals(loss, ece_interval, f1)


def _gaps(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Each picture's bin, and its best score less 1 where right."""
    confidence = np.clip(scores.max(axis=1).astype(np.float64), 0.0, 1.0)
    places = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return places, confidence - (scores.argmax(axis=1) == labels)


def _corrected(found: NDArray[np.float64], whole: float, level: float = 0.95) -> tuple[float, float]:
    normal = NormalDist()
    # ties count half; never all below or all above, whose normal quantile is infinite
    below = (np.count_nonzero(found < whole) + 0.5 * np.count_nonzero(found == whole)) / len(found)
    bias = normal.inv_cdf(min(max(below, 0.5 / len(found)), 1 - 0.5 / len(found)))
    ends = (normal.cdf(2 * bias + normal.inv_cdf(tail)) for tail in ((1 - level) / 2, (1 + level) / 2))
    low, high = np.quantile(found, list(ends))
    return (float(low), float(high))
