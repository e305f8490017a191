"""Corruptions on a picture with what photographs have, small and large."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from onsight_edge.errors import DataError

NAMES = tuple(CORRUPTIONS)


def drawn(side: int, grey: bool = False) -> np.ndarray:  # type: ignore[type-arg]
    """Smooth shading, edges and texture, as a camera sees them; drawn, since no photograph is in the repository."""
    high = 256
    random = np.random.default_rng(0)
    down, across = np.mgrid[0:high, 0:high].astype(np.float32) / high
    picture = np.stack([0.2 + 0.5 * across, 0.3 + 0.4 * down, 0.6 - 0.3 * across * down], axis=2)
    for _ in range(12):
        centre, radius = random.integers(0, high, 2), int(random.integers(10, 60))
        cv2.circle(picture, tuple(int(c) for c in centre), radius, random.random(3).tolist(), -1)
    texture = cv2.GaussianBlur(random.standard_normal((high, high, 1)).astype(np.float32), (0, 0), 2)
    picture = np.clip(255 * picture + 60 * texture[:, :, np.newaxis], 0, 255).astype(np.uint8)
    shrunk = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return shrunk[:, :, :1].copy() if grey else shrunk


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("side", [32, 96])
@pytest.mark.parametrize("name", NAMES)
def test_more_strength_changes_more(name: str, side: int, grey: bool) -> None:
    picture = drawn(side, grey)
    before = picture.copy()
    found = [CORRUPTIONS[name](picture, strength, 7) for strength in STRENGTHS]
    assert (picture == before).all()
    distances = [float(np.abs(one.astype(np.float64) - picture).mean()) for one in found]
    for one in found:
        assert one.shape == picture.shape and one.dtype == np.uint8
    # two of the paper's neighbouring strengths may do about the same
    assert all(after > 0.95 * before for before, after in itertools.pairwise(distances))
    assert distances[0] > 0.3 and distances[4] > 1.3 * distances[0]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_function_of_picture_strength_and_seed(name: str) -> None:
    apply, picture = CORRUPTIONS[name], drawn(32)
    assert (apply(picture, 3, 5) == apply(picture, 3, 5)).all()
    random = name in ("motion-blur", "gaussian-noise", "shot-noise")
    assert (apply(picture, 3, 5) != apply(picture, 3, 6)).any() == random


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_in_pieces_is_the_same(name: str) -> None:
    images = np.stack([drawn(32), drawn(32)[::-1], drawn(32)[:, ::-1]])
    whole = corrupt(images, name, 2, seed=3)
    assert (
        np.concatenate([corrupt(images[:1], name, 2, seed=3), corrupt(images[1:], name, 2, seed=3, first=1)]) == whole
    ).all()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(NAMES), st.integers(1, 90), st.integers(1, 90), st.sampled_from([1, 3]), st.integers(1, 5))
def test_any_size(name: str, width: int, height: int, channels: int, strength: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.uint8)
    found = CORRUPTIONS[name](picture, strength, 0)
    assert found.shape == picture.shape and found.dtype == np.uint8


def test_one_stop_halves_the_light() -> None:
    picture = np.full((4, 4, 3), 188, np.uint8)  # half of white's light in sRGB
    assert CORRUPTIONS["dark"](np.full((4, 4, 3), 255, np.uint8), 1, 0).max() == 188
    assert (CORRUPTIONS["dark"](picture, 1, 0) == 137).all()
    assert CORRUPTIONS["dark"](np.zeros((4, 4, 3), np.uint8), 5, 0).max() == 0


def test_noise_has_the_strength_it_names() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    noisy = CORRUPTIONS["gaussian-noise"](grey, 2, 0).astype(np.float64)
    assert noisy.std() == pytest.approx(0.06 * 255, rel=0.05) and noisy.mean() == pytest.approx(128, abs=1)
    shot = CORRUPTIONS["shot-noise"](grey, 3, 0).astype(np.float64)
    assert shot.std() == pytest.approx(255 * np.sqrt(128 / 255 / 100), rel=0.05)


def test_blur_keeps_the_light_and_smears_where_it_should() -> None:
    point = np.zeros((33, 33, 1), np.uint8)
    point[16, 16] = 255
    disk = CORRUPTIONS["defocus-blur"](point, 5, 0)
    assert (disk == disk[::-1]).all() and (disk == disk[:, ::-1]).all()
    smeared = CORRUPTIONS["motion-blur"](np.full((33, 33, 3), 77, np.uint8), 5, 0)
    assert (smeared == 77).all()
    down, across = np.nonzero(CORRUPTIONS["motion-blur"](point, 5, 1)[:, :, 0])
    assert np.ptp(across) >= np.ptp(down)  # within 45 degrees of horizontal


@pytest.mark.parametrize(
    ("picture", "name", "strength", "says"),
    [
        (np.zeros((4, 4), np.uint8), "dark", 1, "expected a picture"),
        (np.zeros((4, 4, 3), np.float32), "jpeg", 1, "expected a picture"),
        (np.zeros((4, 4, 3), np.uint8), "defocus-blur", 6, "strength must be 1..5"),
    ],
)
def test_what_is_refused(picture: np.ndarray, name: str, strength: int, says: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(DataError, match=says):
        CORRUPTIONS[name](picture, strength, 0)
    with pytest.raises(DataError, match="no corruption 'rain'"):
        corrupt(picture[np.newaxis], "rain", 1)
