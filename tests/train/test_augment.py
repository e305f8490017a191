"""Batches: complete, repeatable, and never the same twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.datasets.dataset import Dataset, Split
from onsight_train.augment import Batches, change, one_hot
from onsight_train.recipes import RECIPES, Recipe

PLAIN = Recipe("plain", epochs=2, batch=8, lr=0.1)
FULL = dataclasses.replace(PLAIN, flip=True, pad=2, cutout=3)


def numbered(count: int) -> Split:
    """Pictures whose every pixel is the picture's number."""
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 1))
    return Split(images.copy(), np.arange(count, dtype=np.int64) % 3)


@given(count=st.integers(1, 60), batch=st.integers(1, 20), seed=st.integers(0, 5), epoch=st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_an_epoch_shows_every_picture_once(count: int, batch: int, seed: int, epoch: int) -> None:
    batches = Batches(numbered(count), 3, dataclasses.replace(PLAIN, batch=batch), seed)
    found = [batches.batch(epoch, index) for index in range(batches.per_epoch)]
    shown = np.concatenate([images[:, 0, 0, 0] for images, _ in found])
    assert sorted(shown) == list(range(count))
    sizes = {len(images) for images, _ in found}
    assert max(sizes) - min(sizes) <= 1 and max(sizes) <= batch
    for images, targets in found:
        assert (targets.argmax(axis=1) == images[:, 0, 0, 0] % 3).all()


def test_the_stream_is_the_batches_in_order() -> None:
    batches = Batches(numbered(21), 3, FULL, seed=4)
    expected = [batches.batch(epoch, index) for epoch in range(2) for index in range(3)]
    for (images, targets), (images2, targets2) in zip(batches.stream(2), expected, strict=True):
        assert (images == images2).all() and (targets == targets2).all()


def test_order_differs_by_epoch_and_seed_and_repeats_for_both(colours: Dataset) -> None:
    def first(seed: int, epoch: int) -> np.ndarray:
        return Batches(colours.train, 3, PLAIN, seed).batch(epoch, 0)[0]

    assert (first(1, 0) == first(1, 0)).all()
    assert not (first(1, 0) == first(1, 1)).all()
    assert not (first(1, 0) == first(2, 0)).all()


def test_global_random_state_is_neither_used_nor_changed(colours: Dataset) -> None:
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]  # noqa: NPY002
    Batches(colours.train, 3, FULL, 0).batch(0, 0)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]  # noqa: NPY002


def test_change_leaves_its_input_alone(colours: Dataset) -> None:
    images = colours.train.images[:8].copy()
    before = images.copy()
    for recipe in (PLAIN, FULL):
        changed = change(images, recipe, np.random.default_rng(0))
        changed[:] = 7
        assert (images == before).all()


def test_flip_and_shift_show_the_picture_mirrored_and_moved() -> None:
    picture = np.arange(25, dtype=np.uint8).reshape(1, 5, 5, 1)
    flips = dataclasses.replace(PLAIN, flip=True)
    seen = {change(picture, flips, np.random.default_rng(s)).tobytes() for s in range(20)}
    assert seen == {picture.tobytes(), picture[:, :, ::-1].tobytes()}
    shifts = dataclasses.replace(PLAIN, pad=1)
    wide = np.pad(picture[0, ..., 0], 1, mode="reflect")
    expected = {wide[y : y + 5, x : x + 5].tobytes() for y in range(3) for x in range(3)}
    assert {change(picture, shifts, np.random.default_rng(s)).tobytes() for s in range(200)} == expected


def test_pictures_smaller_than_the_shift_survive() -> None:
    tiny = np.zeros((3, 2, 1, 3), np.uint8)
    assert change(tiny, RECIPES["standard"], np.random.default_rng(0)).shape == tiny.shape


@given(seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_cutout_covers_at_most_its_square(seed: int) -> None:
    images = np.zeros((4, 9, 9, 3), np.uint8)
    covered = change(images, dataclasses.replace(PLAIN, cutout=3), np.random.default_rng(seed))
    for image in covered:
        rows, columns = np.nonzero(image[..., 0])
        assert 4 <= len(rows) <= 9, "a corner is the least, the whole square the most"
        assert np.ptp(rows) <= 2 and np.ptp(columns) <= 2
        assert set(np.unique(image)) == {0, 128}


def test_one_hot() -> None:
    assert one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_become_json(name: str) -> None:
    assert Recipe(**RECIPES[name].to_json()) == RECIPES[name]
