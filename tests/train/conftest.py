"""A small data set that is quick to learn, and Keras held to one thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from onsight_edge.datasets.dataset import Dataset, Split

CLASSES = ("red", "green", "blue")
SIZE = 12


def coloured(count: int, seed: int) -> Split:
    """Noise in which the channel of the class is brighter."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    images = random.integers(0, 160, (count, SIZE, SIZE, 3))
    images[np.arange(count), :, :, labels] += 60
    return Split(images.astype(np.uint8), labels.astype(np.int64))


@pytest.fixture(scope="session")
def colours() -> Dataset:
    return Dataset(
        "colours", "colours.npz", CLASSES, coloured(96, 1), coloured(30, 2), coloured(45, 3), sha256="0" * 64
    )


@pytest.fixture(scope="session")
def noise() -> Dataset:
    """Nothing to learn but by heart."""
    random = np.random.default_rng(5)

    def split(count: int) -> Split:
        images = random.integers(0, 256, (count, SIZE, SIZE, 3)).astype(np.uint8)
        return Split(images, random.integers(0, 3, count).astype(np.int64))

    return Dataset("noise", "noise.npz", CLASSES, split(48), split(48), split(12))


@pytest.fixture(scope="session")
def keras() -> Any:
    pytest.importorskip("tensorflow")
    from onsight_train.frameworks import load_keras

    return load_keras()
