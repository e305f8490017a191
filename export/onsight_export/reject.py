"""The threshold below which a variant answers `unknown`, fitted on that very variant: quantization moves its scores."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_edge.classifier import Classifier
from onsight_export.pictures import Material, evenly
from onsight_export.quiet import quiet
from onsight_export.report import Rejection
from onsight_export.variants import Variant

_STEP = 1e-6


def threshold_for(best: NDArray[np.floating], share: float) -> float:
    """The largest threshold that still accepts so many pictures.

    Args:
        best: (N,) the best score of each picture of a known class, N at least 1.
        share: of them that must be accepted, above 0 and up to 1; a score is accepted from the threshold on.

    Returns:
        0..1, in steps of a millionth; 0 for scores that are no numbers, which the checks of the file will name.
    """
    if not np.isfinite(best).all():
        return 0.0
    rejected = math.floor((1 - share) * len(best) + 1e-9)
    kept = float(np.sort(best)[min(rejected, len(best) - 1)])
    return round(max(0.0, math.floor(kept / _STEP) * _STEP), 6)


def fit_threshold(path: Path, variant: Variant, material: Material, share: float) -> float:
    """Fit a finished file's threshold on validation pictures, through what executes it on a device.

    Args:
        path: the file.
        variant: what it is; of a slow one fewer pictures are asked.
        material: its `pixels` are of known classes.
        share: of them that must still be accepted.
    """
    pixels = material.pixels
    if variant.most_pictures:
        pixels = pixels[evenly(len(pixels), variant.most_pictures)]
    with quiet(), Classifier.open(path, trusted=True) as classifier:
        open_to_all = classifier.with_spec(replace(classifier.spec, threshold=0.0))
        return threshold_for(open_to_all.scores(pixels).max(axis=1), share)


def judge_threshold(
    threshold: float,
    scores: NDArray[np.float32],
    labels: NDArray[np.integer],
    unknown: NDArray[np.float32] | None = None,
) -> Rejection:
    """What a threshold does.

    Args:
        threshold: answers scored below it are `unknown`.
        scores: (N, classes) of pictures of known classes, N at least 1.
        labels: (N,) those classes.
        unknown: (M, classes) scores of pictures of no known class.
    """
    accepted = scores.max(axis=1) >= threshold
    right = scores.argmax(axis=1) == labels
    return Rejection(
        threshold,
        false_rejects=round(float(1 - accepted.mean()), 6),
        accuracy_accepted=round(float(right[accepted].mean()), 6) if accepted.any() else None,
        false_accepts=None if unknown is None else round(float((unknown.max(axis=1) >= threshold).mean()), 6),
    )
