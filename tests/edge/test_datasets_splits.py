"""Splits: disjoint, complete, stratified, and a function of the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.datasets import Split, calibration_images
from onsight_edge.datasets.duplicates import across, same_picture
from onsight_edge.datasets.splits import balanced, draws, limited, split_off
from onsight_edge.errors import DataError

labels_of = st.lists(st.integers(0, 4), min_size=1, max_size=120).map(lambda x: np.array(x, np.int64))
fractions = st.floats(0, 0.99)
seeds = st.integers(0, 2**40)
PINNED = {
    "validation": [0, 3, 4, 14, 19, 23],
    "test": [4, 7, 10, 11, 15, 18],
    "test, seed 1": [5, 6, 12, 14, 15, 21],
    "limit": [4, 8, 9, 13, 17, 20],
    "draws": [757, 548, 490],
}


@settings(max_examples=150, deadline=None)
@given(labels_of, fractions, seeds)
def test_split_is_disjoint_complete_and_stratified(labels: np.ndarray, fraction: float, seed: int) -> None:
    stays, goes = split_off(labels, fraction, seed, "validation")
    assert sorted([*stays, *goes]) == list(range(len(labels)))
    assert (np.diff(stays) > 0).all() and (np.diff(goes) > 0).all()
    for label in np.unique(labels):
        there, gone = int((labels == label).sum()), int((labels[goes] == label).sum())
        assert abs(gone - there * fraction) <= 1
        assert gone < there, "a class must keep a picture to train on"
        assert gone == 0 if fraction == 0 else gone >= min(1, there - 1)
    again = split_off(labels.copy(), fraction, seed, "validation")
    assert np.array_equal(again[0], stays) and np.array_equal(again[1], goes)


@settings(max_examples=100, deadline=None)
@given(labels_of, fractions, seeds, st.data())
def test_copies_stay_together(labels: np.ndarray, fraction: float, seed: int, data: st.DataObject) -> None:
    count = len(labels)
    groups = np.array(data.draw(st.lists(st.integers(0, count), min_size=count, max_size=count)))
    stays, goes = split_off(labels, fraction, seed, "test", groups)
    assert sorted([*stays, *goes]) == list(range(count))
    assert not set(groups[stays]) & set(groups[goes])
    renumbered = split_off(labels, fraction, seed, "test", groups * 7 % 1009 + 3)
    assert np.array_equal(renumbered[1], goes), "only which are equal counts, not their numbers"


def test_the_same_split_on_every_machine() -> None:
    """Pinned: a change here silently changes everybody's test set."""
    labels = np.arange(24) % 2
    assert split_off(labels, 0.25, 0, "validation")[1].tolist() == PINNED["validation"]
    assert split_off(labels, 0.25, 0, "test")[1].tolist() == PINNED["test"]
    assert split_off(labels, 0.25, 1, "test")[1].tolist() == PINNED["test, seed 1"]
    assert limited(labels, 6, 0).tolist() == PINNED["limit"]
    assert [int(value) % 1000 for value in draws(3, 7, "test")] == PINNED["draws"]


@settings(max_examples=150, deadline=None)
@given(labels_of, st.integers(1, 150), seeds)
def test_limit_keeps_the_shares(labels: np.ndarray, limit: int, seed: int) -> None:
    chosen = limited(labels, limit, seed)
    assert len(chosen) == len(set(chosen.tolist())) == min(limit, len(labels))
    assert (np.diff(chosen) > 0).all()
    if limit >= len(np.unique(labels)):
        assert set(labels[chosen]) == set(labels)
    rare = np.bincount(labels)[np.unique(labels)] * min(1, limit / len(labels)) < 1
    if not rare.any():  # a rare class is given one picture at the cost of the others
        for label in np.unique(labels):
            share = (labels == label).sum() * min(1, limit / len(labels))
            assert abs((labels[chosen] == label).sum() - share) <= 1


@settings(max_examples=100, deadline=None)
@given(labels_of, st.integers(1, 150), seeds)
def test_calibration_is_balanced(labels: np.ndarray, count: int, seed: int) -> None:
    chosen = balanced(labels, 5, count, seed)
    assert len(chosen) == len(set(chosen.tolist())) == min(count, len(labels))
    got, there = np.bincount(labels[chosen], minlength=5), np.bincount(labels, minlength=5)
    for label in range(5):  # none has two fewer than another, unless it has run out
        assert got[label] >= got.max() - 1 or got[label] == there[label]


def test_calibration_images_come_from_the_split() -> None:
    labels = np.repeat(np.arange(3), 4)
    images = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    split = Split(images, labels)
    taken = calibration_images(split, ("a", "b", "c"), 6, 5)
    assert taken.shape == (6, 2, 2, 3)
    assert labels[taken[:, 0, 0, 0]].tolist() == [0, 1, 2, 0, 1, 2]
    assert np.array_equal(taken, calibration_images(split, 3, 6, 5))
    assert not np.array_equal(taken, calibration_images(split, 3, 6, 6))
    with pytest.raises(DataError, match="empty"):
        calibration_images(Split(images[:0], labels[:0]), 3, 6, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y: split_off(y, 1.0, 0, "test"), "test part must be"),
        (lambda y: split_off(y, -0.1, 0, "validation"), "validation part must be"),
        (lambda y: split_off(y, 0.1, -1, "test"), "seed"),
        (lambda y: limited(y, 0, 0), "limit"),
        (lambda y: balanced(y, 1, 0, 0), "at least 1"),
    ],
)
def test_bad_arguments(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=message):
        call(np.zeros(4, np.int64))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30), st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_same_picture_against_a_plain_search(one: list[int], other: list[int]) -> None:
    size = (3, 5, 1)  # 15 bytes: not a multiple of the word that is hashed
    parts = [np.array(values, np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, *size), np.uint8) for values in (one, other)]
    values = one + other
    assert same_picture(parts).tolist() == [values.index(value) for value in values]


def test_one_pixel_makes_another_picture() -> None:
    images = np.full((3, 9, 9, 3), 7, np.uint8)
    images[1, 8, 8, 2] = 8
    assert same_picture([images]).tolist() == [0, 1, 0]


def test_across_names_each_copy_in_another_split() -> None:
    groups, splits = np.array([0, 1, 0, 0, 4, 1]), np.array([2, 0, 0, 1, 0, 0])
    assert across(groups, splits, list("abcdef")) == (("c", "a"), ("c", "d"))
