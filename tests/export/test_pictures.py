"""Which pictures calibrate and which choose: seeded, balanced, disjoint, and none of the test part."""

from __future__ import annotations

import numpy as np
import pytest

from onsight_edge.datasets.dataset import Dataset, Split
from onsight_edge.errors import DataError
from onsight_export.pictures import POOL, gather, with_extremes


def split(count: int, start: int = 0) -> Split:
    """Pictures that differ from all others: a number is written into their first pixels."""
    images = np.zeros((count, 4, 4, 1), np.uint8)
    number = np.arange(start, start + count)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = number // 256, number % 256
    return Split(images, (np.arange(count) % 3).astype(np.int64))


def dataset(train: int, validation: int) -> Dataset:
    parts = (split(train), split(validation, 20000), split(50, 40000))
    return Dataset("d", "d.npz", ("a", "b", "c"), *parts)


def numbers(images: np.ndarray) -> list[int]:
    return (images[:, 0, 0, 0].astype(int) * 256 + images[:, 0, 1, 0]).tolist()


def test_training_pictures_calibrate_and_validation_pictures_choose() -> None:
    found = gather(dataset(900, 60), 40, seed=3)
    assert len(found.calibration) == 40
    assert len(set(numbers(found.calibration))) == 40
    assert max(numbers(found.calibration)) < 900
    assert found.split == "validation"
    assert numbers(found.pixels) == list(range(20000, 20060))
    assert found.labels.tolist() == (np.arange(60) % 3).tolist()
    assert numbers(gather(dataset(900, 60), 40, seed=3).calibration) == numbers(found.calibration)
    assert numbers(gather(dataset(900, 60), 40, seed=4).calibration) != numbers(found.calibration)
    assert len(gather(dataset(900, 60), None, seed=3).calibration) == POOL


@pytest.mark.parametrize("count", [3, 9, 40])
def test_every_prefix_is_balanced(count: int) -> None:
    calibration = gather(dataset(900, 60), 300, seed=0).calibration
    classes = np.array(numbers(calibration[:count])) % 3
    counts = np.bincount(classes, minlength=3)
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize(("train", "count", "calibrates", "chooses"), [(900, 40, 40, 860), (30, 500, 15, 15)])
def test_without_a_validation_part_other_training_pictures_choose(
    train: int, count: int, calibrates: int, chooses: int
) -> None:
    found = gather(dataset(train, 0), count, seed=0)
    assert found.split == "train"
    assert (len(found.calibration), len(found.pixels), len(found.labels)) == (calibrates, chooses, chooses)
    assert not set(numbers(found.calibration)) & set(numbers(found.pixels))
    assert found.labels.tolist() == [number % 3 for number in numbers(found.pixels)]


@pytest.mark.parametrize("train", [0, 1])
def test_too_few_pictures_are_named(train: int) -> None:
    with pytest.raises(DataError, match=r"d\.npz has no"):
        gather(dataset(train, 0), None, seed=0)


def test_the_extremes_come_last() -> None:
    found = with_extremes(split(5).images)
    assert found.shape == (7, 4, 4, 1)
    assert not found[-2].any()
    assert (found[-1] == 255).all()
