"""Does a score of 0.8 mean right in 80 of 100? Pure functions of scores and labels; NumPy only.

The measure is the expected calibration error of the best score over bins of equal width (Naeini, Cooper & Hauskrecht,
Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015; in this form Guo, Pleiss, Sun & Weinberger,
On Calibration of Modern Neural Networks, ICML 2017); the remedy is the latter's temperature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError
from onsight_edge.postprocess import calibrate
from onsight_edge.spec import MAX_TEMPERATURE, MIN_TEMPERATURE

BINS = 15
ECE_METHOD = "top score, equal-width bins (low, high], weighted by their pictures (Guo et al. 2017)"
_STEPS = 100
_CLOSE = 1e-10
_LEAST = 1e-12  # a stored 0 comes out of `Postprocessor` as less than this where there is a temperature
_NOTHING = -1e4  # the logarithm of a score of 0: its power is 0 at every temperature


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Best scores against how often they were right, bin by bin.

    Attributes:
        edges: (bins + 1,) float64 from 0 to 1; bin i holds edges[i] < score <= edges[i + 1].
        counts: (bins,) int64 pictures.
        confidence: (bins,) float64 mean best score; NaN where a bin is empty.
        accuracy: (bins,) float64 share of right answers; NaN where a bin is empty.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def ece(self) -> float:
        """The mean gap between confidence and accuracy, each bin weighted by its pictures, 0..1."""
        filled = self.counts > 0
        gaps = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float((gaps * self.counts[filled]).sum() / self.counts.sum())

    @property
    def overconfidence(self) -> float:
        """Mean best score minus accuracy over all pictures: above 0 where the model promises too much."""
        filled = self.counts > 0
        gaps = self.confidence[filled] - self.accuracy[filled]
        return float((gaps * self.counts[filled]).sum() / self.counts.sum())

    def to_json(self) -> list[dict[str, Any]]:
        """One object a bin; null where a bin is empty, shares rounded to 6 digits."""
        return [
            {
                "low": round(float(self.edges[place]), 6),
                "high": round(float(self.edges[place + 1]), 6),
                "pictures": int(count),
                "confidence": round(float(self.confidence[place]), 6) if count else None,
                "accuracy": round(float(self.accuracy[place]), 6) if count else None,
            }
            for place, count in enumerate(self.counts)
        ]


def reliability(scores: NDArray[np.floating], labels: NDArray[np.integer], bins: int = BINS) -> Reliability:
    """Sort pictures into bins by their best score.

    Args:
        scores: (N, classes) probabilities. A best score above 1, which rounding in 8 bits can leave, counts as 1.
        labels: (N,) class positions.
        bins: how many, of equal width.

    Raises:
        DataError: no pictures, the shapes do not fit, a score is not a number, or no bins.
    """
    _check(scores, labels)
    if bins < 1:
        raise DataError(f"calibration needs at least one bin, not {bins}")
    confidence = np.clip(scores.max(axis=1).astype(np.float64), 0.0, 1.0)
    right = scores.argmax(axis=1) == labels
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    each = np.where(counts > 0, counts, np.nan)
    return Reliability(
        edges=np.linspace(0.0, 1.0, bins + 1),
        counts=counts.astype(np.int64),
        confidence=np.bincount(places, weights=confidence, minlength=bins) / each,
        accuracy=np.bincount(places, weights=right, minlength=bins) / each,
    )


def ece(scores: NDArray[np.floating], labels: NDArray[np.integer], bins: int = BINS) -> float:
    """Expected calibration error, 0..1; see `reliability` for the arguments and `ECE_METHOD` for the definition."""
    return reliability(scores, labels, bins).ece


def fit_temperature(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature whose `calibrate` makes the scores' mean cross-entropy least.

    The loss is convex in 1/T, so that a Newton iteration kept between two bounds finds the one minimum. Pictures whose
    true class has a score of 0, as 8-bit outputs have it, have no say: no temperature changes a 0.

    Args:
        scores: (N, classes) probabilities, of pictures that the model was not trained on.
        labels: (N,) class positions.

    Returns:
        `MIN_TEMPERATURE`..`MAX_TEMPERATURE`, to 6 digits; above 1 where the model is too sure of itself. The bound
        itself where nothing within is better: a model that is always right gets the lower one.

    Raises:
        DataError: no pictures, the shapes do not fit, or a score is not a number.
    """
    _check(scores, labels)
    known = scores[np.arange(len(labels)), labels] > _LEAST
    if not known.any():
        return 1.0
    wide, true_classes = scores[known].astype(np.float64), labels[known]
    logs = np.log(wide, out=np.full(wide.shape, _NOTHING), where=wide > _LEAST)
    logs -= logs.max(axis=1, keepdims=True)
    true = float(logs[np.arange(len(logs)), true_classes].mean())
    low, high, inverse = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE, 1.0
    for _ in range(_STEPS):
        weights = np.exp(inverse * logs)
        weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * logs).sum(axis=1)
        slope = float(mean.mean()) - true
        curvature = float(((weights * logs * logs).sum(axis=1) - mean * mean).mean())
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = inverse - slope / curvature if curvature > 0 else np.inf
        following = step if low < step < high else (low + high) / 2
        if abs(following - inverse) < _CLOSE * inverse:
            break
        inverse = following
    return round(float(np.clip(1 / inverse, MIN_TEMPERATURE, MAX_TEMPERATURE)), 6)


def cross_fitted(
    scores: NDArray[np.floating], labels: NDArray[np.integer], seed: int = 0
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Scores at the temperature that fits best, none of them at one it helped to choose.

    The pictures are dealt into two halves at random; each half is calibrated with the temperature fitted on the other.
    A temperature fitted and measured on the same pictures would look better than it is.

    Args:
        scores: (N, classes) probabilities.
        labels: (N,) class positions.
        seed: deals the halves.

    Returns:
        (N, classes) float32 in the order given, and the two halves' fitted temperatures.

    Raises:
        DataError: fewer than two pictures, or what `fit_temperature` raises.
    """
    _check(scores, labels)
    if len(labels) < 2:
        raise DataError("fitting on one half and measuring on the other needs at least two pictures")
    order = np.random.default_rng(seed).permutation(len(labels))
    halves = (order[: len(order) // 2], order[len(order) // 2 :])
    fitted = tuple(fit_temperature(scores[half], labels[half]) for half in halves)
    found = np.empty(scores.shape, np.float32)
    found[halves[0]] = calibrate(scores[halves[0]], fitted[1])
    found[halves[1]] = calibrate(scores[halves[1]], fitted[0])
    return found, (fitted[0], fitted[1])


def _check(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise DataError(f"scores {scores.shape} and labels {labels.shape} must be (N, classes) and (N,)")
    if not len(labels):
        raise DataError("the calibration of no pictures at all is not defined")
    if not np.isfinite(scores).all():
        raise DataError("the model answers NaN or infinity: its weights are damaged")
    if not (labels.min() >= 0 and labels.max() < scores.shape[1]):
        raise DataError(f"a label lies outside 0..{scores.shape[1] - 1}")
