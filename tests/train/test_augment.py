"""Batches: complete, repeatable, and never the same twice."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.datasets.dataset import Dataset, Split
from onsight_train.augment import Batches, change, class_weights, mix, one_hot, recolour
from onsight_train.recipes import RECIPES, Recipe

PLAIN = Recipe("plain", epochs=2, batch=8, lr=0.1)
FULL = dataclasses.replace(PLAIN, flip=True, pad=2, cutout=3)
ALL = dataclasses.replace(FULL, colour=0.3, mixup=0.4, cutmix=1.0)


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


# --- draws ----------------------------------------------------------------------------------------------------------

recipes = st.builds(
    Recipe,
    name=st.just("any"),
    epochs=st.just(2),
    batch=st.integers(1, 12),
    lr=st.just(0.1),
    flip=st.booleans(),
    pad=st.integers(0, 6),
    cutout=st.integers(0, 6),
    colour=st.sampled_from([0.0, 0.1, 1.0]),
    mixup=st.sampled_from([0.0, 1e-3, 0.2, 5.0]),
    cutmix=st.sampled_from([0.0, 1e-3, 1.0]),
    class_weights=st.booleans(),
)


def photographs(count: int, height: int, width: int, channels: int) -> Split:
    random = np.random.default_rng((count, height, width))
    images = random.integers(0, 256, (count, height, width, channels)).astype(np.uint8)
    return Split(images, random.integers(0, 4, count).astype(np.int64))


@given(
    recipe=recipes,
    count=st.integers(1, 30),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])),
    seed=st.integers(0, 9),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_any_recipe_gives_whole_batches_that_depend_on_nothing_but_their_place(
    recipe: Recipe, count: int, shape: tuple[int, int, int], seed: int, order: Any
) -> None:
    split = photographs(count, *shape)
    before = split.images.copy()
    batches = Batches(split, 4, recipe, seed)
    places = [(epoch, index) for epoch in range(2) for index in range(batches.per_epoch)]
    streamed = dict(zip(places, batches.stream(2), strict=True))
    order.shuffle(places)
    for place in places:
        images, targets = batches.batch(*place)
        assert images.dtype == np.uint8 and images.shape[1:] == shape and images.flags.writeable
        assert targets.dtype == np.float32 and targets.shape == (len(images), 4)
        assert (images == streamed[place][0]).all() and (targets == streamed[place][1]).all()
        assert (targets >= 0).all()
        if not recipe.class_weights:
            assert targets.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (split.images == before).all()


@given(count=st.integers(1, 25), epoch=st.integers(0, 2), index=st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_a_stream_begun_anywhere_is_the_tail_of_the_whole(count: int, epoch: int, index: int) -> None:
    batches = Batches(photographs(count, 4, 4, 3), 4, ALL, seed=2)
    index = min(index, batches.per_epoch)  # behind the last one: the next epoch's first
    tail = list(batches.stream(3, start=(epoch, index)))
    whole = list(batches.stream(3))[epoch * batches.per_epoch + index :]
    for (images, targets), (images2, targets2) in zip(tail, whole, strict=True):
        assert (images == images2).all() and (targets == targets2).all()


def test_a_change_that_is_switched_on_leaves_the_draws_of_the_others_alone() -> None:
    split = photographs(24, 6, 6, 3)
    plain = Batches(split, 4, FULL, 1)
    # a colour change too weak to see
    faint = dataclasses.replace(FULL, colour=1e-9, class_weights=True)
    for place in ((0, 0), (1, 2)):
        assert (Batches(split, 4, faint, 1).batch(*place)[0] == plain.batch(*place)[0]).all()
    mixed = Batches(split, 4, dataclasses.replace(FULL, cutmix=1.0), 1)
    kept = [mixed.batch(*place)[0] == plain.batch(*place)[0] for place in ((0, 0), (0, 1), (0, 2), (1, 0))]
    assert max(same.mean() for same in kept) > 0.5, "outside the rectangle nothing differs"


def test_standard_batches_are_those_the_shipped_model_was_trained_on() -> None:
    split = photographs(300, 8, 8, 3)
    digest = hashlib.sha256()
    for images, targets in Batches(split, 4, RECIPES["standard"], seed=1).stream(2):
        digest.update(images.tobytes() + targets.tobytes())
    assert digest.hexdigest() == "2e89f8cc022a23e3cfcc8ac2fbcbdbcc0e815690b00a6be134d2e48d64c42352"


# --- colour ---------------------------------------------------------------------------------------------------------


@given(strength=st.floats(0, 1), channels=st.sampled_from([1, 3]), seed=st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_colours_follow_the_definition(strength: float, channels: int, seed: int) -> None:
    images = photographs(5, 4, 3, channels).images
    found = recolour(images, strength, np.random.default_rng(seed))
    factors = np.random.default_rng(seed).uniform(1 - strength, 1 + strength, (3, 5))
    for picture, before, (brightness, contrast, saturation) in zip(found, images.astype(float), factors.T, strict=True):
        pixels = before * brightness
        weights = np.array([0.299, 0.587, 0.114]) if channels == 3 else np.ones(1)
        mean = (pixels @ weights).mean()
        pixels = mean + contrast * (pixels - mean)
        if channels == 3:
            grey = (pixels @ weights)[..., None]
            pixels = grey + saturation * (pixels - grey)
        assert np.abs(picture - np.clip(pixels, 0, 255)).max() <= 0.51


def test_no_strength_changes_nothing_and_full_strength_much() -> None:
    images = photographs(8, 4, 4, 3).images
    assert (recolour(images, 0.0, np.random.default_rng(0)) == images).all()
    assert np.abs(recolour(images, 1.0, np.random.default_rng(0)).astype(int) - images).mean() > 20


# --- mixtures -------------------------------------------------------------------------------------------------------


def test_a_blend_is_worth_what_it_shows() -> None:
    """Pictures of one level each: what is seen of two can be read from the pixels."""
    levels = np.array([0, 200], np.uint8)
    images, targets = np.broadcast_to(levels[:, None, None, None], (2, 5, 7, 3)), np.eye(2, dtype=np.float32)
    seen = set()
    for seed in range(40):
        recipe = dataclasses.replace(PLAIN, mixup=1.0)
        mixed, shares = mix(images, targets, recipe, np.random.default_rng(seed))
        assert np.ptp(mixed, axis=(1, 2, 3)).max() == 0
        assert mixed[:, 0, 0, 0] == pytest.approx(200 * shares[:, 1], abs=0.51)
        seen.add(mixed[0, 0, 0, 0].item())
    assert len(seen) > 10


def test_an_exchanged_rectangle_is_worth_its_area() -> None:
    images = np.broadcast_to(np.array([0, 200], np.uint8)[:, None, None, None], (2, 5, 7, 1))
    areas = set()
    for seed in range(60):
        recipe = dataclasses.replace(PLAIN, cutmix=1.0)
        mixed, shares = mix(images, np.eye(2, dtype=np.float32), recipe, np.random.default_rng(seed))
        assert shares[:, 1] == pytest.approx((mixed == 200).mean(axis=(1, 2, 3)), abs=1e-6)
        rows, columns = np.nonzero(mixed[0, ..., 0])
        assert len(rows) == 0 or len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        areas.add(len(rows))
    assert len(areas) > 8


def test_both_mixtures_take_turns() -> None:
    images = np.broadcast_to(np.array([0, 200], np.uint8)[:, None, None, None], (2, 16, 16, 1))
    both = dataclasses.replace(PLAIN, mixup=4.0, cutmix=4.0)
    kinds = []
    for seed in range(60):
        mixed, shares = mix(images, np.eye(2, dtype=np.float32), both, np.random.default_rng(seed))
        if 0.05 < shares[0, 0] < 0.95:
            kinds.append(len(np.unique(mixed[0])))
    assert set(kinds) == {1, 2} and 0.25 < np.mean(np.array(kinds) == 1) < 0.75


# --- weights and teachers -------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_classes_weigh_alike_together_and_pictures_one_on_average(labels: list[int]) -> None:
    found = np.array(labels, np.int64)
    weights = class_weights(found, 7)
    together = weights * np.bincount(found, minlength=7)
    assert together[together > 0] == pytest.approx(len(labels) / len(set(labels)), rel=1e-5)
    assert weights[found].mean() == pytest.approx(1, rel=1e-5)


def test_weights_go_into_the_targets_and_leave_the_larger_share_the_larger() -> None:
    labels = np.array([0] * 30 + [1] * 2, np.int64)
    split = Split(photographs(32, 4, 4, 3).images, labels)
    weighted = dataclasses.replace(PLAIN, batch=32, class_weights=True)
    targets = Batches(split, 2, weighted, 0).batch(0, 0)[1]
    assert sorted(set(targets.sum(axis=1).round(4))) == [pytest.approx(32 / 60, abs=1e-3), pytest.approx(8)]
    for epoch in range(20):
        with_mixup = Batches(split, 2, dataclasses.replace(weighted, mixup=1.0), 0).batch(epoch, 0)[1]
        without = Batches(split, 2, dataclasses.replace(PLAIN, batch=32, mixup=1.0), 0).batch(epoch, 0)[1]
        assert (with_mixup.argmax(axis=1) == without.argmax(axis=1)).all()


def test_the_teacher_sees_what_the_student_sees() -> None:
    class Echo:
        def scores(self, images: np.ndarray) -> np.ndarray:
            means = images.reshape(len(images), -1).mean(axis=1)
            return np.stack([means, 255 - means, means, means], axis=1).astype(np.float32)

    split = photographs(20, 5, 5, 3)
    taught = Batches(split, 4, ALL, seed=3, teacher=Echo())
    alone = Batches(split, 4, ALL, seed=3)
    for (images, targets), (images2, targets2) in zip(taught.stream(1), alone.stream(1), strict=True):
        assert (images == images2).all() and (targets[:, :4] == targets2).all()
        assert targets.dtype == np.float32 and (targets[:, 4:] == Echo().scores(images)).all()
