"""What the training pictures are like: fitted at the export, stored in the spec, used by the sentinel on the device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onsight_edge.statistics import InputStatistics, clipped_share, distances, features, luma, swapped

MOST_PICTURES = 20_000
LEAST_PICTURES = 50  # fewer say too little of what is usual
_CHUNK = 500
_DIGITS = 6
_RIDGE = 1e-3  # of each feature's variance: a set of flat pictures has no spread in some


def fit_statistics(pixels: NDArray[np.uint8]) -> InputStatistics | None:
    """Statistics of training pictures.

    Args:
        pixels: (N, height, width, channels) uint8 in the spec's size and colour. Of more than 20,000 as many, evenly
            spread.

    Returns:
        None of fewer than 50 pictures: limits that one picture in a thousand exceeds cannot be told from them.
    """
    if len(pixels) < LEAST_PICTURES:
        return None
    if len(pixels) > MOST_PICTURES:
        pixels = pixels[np.arange(MOST_PICTURES) * len(pixels) // MOST_PICTURES]
    chunks = [pixels[at : at + _CHUNK] for at in range(0, len(pixels), _CHUNK)]
    found = np.concatenate([features(chunk) for chunk in chunks])
    clipped = np.concatenate([clipped_share(chunk) for chunk in chunks])
    mean = found.mean(axis=0, dtype=np.float64)
    away = found - mean
    covariance = away.T @ away / len(away)
    covariance[np.diag_indices_from(covariance)] += _RIDGE * np.maximum(np.diag(covariance), 1e-3)
    precision = np.linalg.inv(covariance)
    as_is = distances(found, mean, precision)
    light = luma(found)
    weight = 0.0
    if pixels.shape[-1] == 3:
        weight = logistic_weight((distances(swapped(found), mean, precision) - as_is) / 2)
    return InputStatistics(
        pictures=len(pixels),
        mean=_rounded(mean),
        precision=tuple(_rounded(row) for row in precision),
        distance=_round(np.quantile(as_is, 0.999)),
        luma_low=_round(np.quantile(light, 0.001)),
        luma_high=_round(np.quantile(light, 0.999)),
        clipped=_round(np.quantile(clipped, 0.999)),
        swap_weight=_round(weight),
    )


def logistic_weight(evidence: NDArray[np.float64]) -> float:
    """The weight w, from 0 to 1, under which `w * evidence` are the log odds of being as it is and not swapped.

    Logistic regression of one antisymmetric feature without a constant, by Newton's method: the likelihood of pictures
    that are as they are, each of which swapped would have the opposite evidence.

    Args:
        evidence: (N,) positive where a picture looks more usual as it is than swapped.
    """
    weight = 0.0
    for _ in range(50):
        right = 1 / (1 + np.exp(-np.clip(weight * evidence, -500, 500)))
        slope = float((evidence * (1 - right)).sum()) - weight  # a prior of one unit against endless weights
        curvature = float((evidence**2 * right * (1 - right)).sum()) + 1.0
        step = slope / curvature
        weight += step
        if abs(step) < 1e-9:
            break
    return min(max(weight, 0.0), 1.0)  # above 1 it would say more than the distances do


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(_round(value) for value in values)


def _round(value: float | np.floating) -> float:
    # so that a spec reads well and the last bits of another BLAS do not change a file
    return float(f"{float(value):.{_DIGITS}g}")
