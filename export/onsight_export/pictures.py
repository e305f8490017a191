"""Which pictures an export calibrates on and chooses by: never the test part, on which the files are then judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.datasets.splits import balanced
from onsight_edge.errors import DataError

POOL = 500  # so many calibration pictures there are to choose from, where their number is chosen by measuring
MOST_VALIDATION = 2000  # more would tell little more and cost time for every candidate
EXTREMES = ("all 0", "all 255")


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Pictures for the integer variants.

    Attributes:
        calibration: (N, height, width, channels) uint8 training pictures, class after class in turn, so that every
            prefix has as many of each class as there can be.
        pixels, labels: pictures to compare candidates on, and their classes; not among those above.
        split: what these are of: `validation`, or `train` where the data set has no validation part.
    """

    calibration: NDArray[np.uint8]
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    split: Literal["validation", "train"]


def gather(dataset: Dataset, count: int | None, seed: int) -> Material:
    """Choose calibration and validation pictures, by the seed alone.

    Args:
        dataset: its training and validation part.
        count: how many to calibrate on; None for POOL, of which a quantizer takes a prefix.
        seed: same seed, same pictures.

    Raises:
        DataError: there is nothing to calibrate on, or nothing left to compare candidates on.
    """
    train, validation = dataset.train, dataset.validation
    if not len(train):
        raise DataError(f"{dataset.uri} has no training pictures to calibrate on")
    order = balanced(train.labels, len(dataset.classes), len(train), seed)
    pool = order[: count or POOL]
    if len(validation):
        chosen = evenly(len(validation), MOST_VALIDATION)
        return Material(train.images[pool], validation.images[chosen], validation.labels[chosen], "validation")
    if len(pool) == len(train) and len(train) > 1:  # a small set: half calibrates, half compares
        pool = order[: len(train) // 2]
    rest = order[len(pool) :][:MOST_VALIDATION]
    if not len(rest):
        raise DataError(f"{dataset.uri} has no picture left to compare quantizations on: it needs more than 1")
    return Material(train.images[pool], train.images[rest], train.labels[rest], "train")


def evenly(total: int, count: int) -> NDArray[np.intp]:
    """Positions of at most `count` of `total` pictures, evenly spread: class folders come sorted by class."""
    count = min(count, total)
    return np.arange(count) * total // max(count, 1)


def with_extremes(calibration: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Calibration pictures and one that is all 0 and one that is all 255: they make the input's range 0..255 exactly.

    Returns:
        (N + 2, height, width, channels) uint8.
    """
    extremes = np.stack([np.full(calibration.shape[1:], value, np.uint8) for value in (0, 255)])
    return np.concatenate([calibration, extremes])
