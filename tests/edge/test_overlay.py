"""The overlay: a copy, readable on any background, at any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from onsight_edge.frame import Frame, Prediction, Result, Timings
from onsight_edge.overlay import draw


def result(
    score: float = 0.9, *, classes: tuple[str, ...] = ("cat", "dog", "bird"), truth: str | None = None
) -> Result:
    scores = np.full(len(classes), (1 - score) / (len(classes) - 1), np.float32)
    scores[0] = score
    frame = Frame(np.zeros((1, 1, 3), np.uint8), 7, 0, truth)
    return Result(frame, Prediction(0, score, scores, classes), Timings(1, 1, 1), 20_000_000, 3, 29.9)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 700),
    st.integers(1, 500),
    st.floats(0, 1),
    st.lists(st.text(min_size=1, max_size=40), min_size=2, max_size=5, unique=True),
    st.sampled_from([None, "cat", "x" * 60]),
)
def test_any_picture_and_any_names_are_drawn_on_a_copy(
    width: int, height: int, score: float, classes: list[str], truth: str | None
) -> None:
    image = np.full((height, width, 3), 77, np.uint8)
    before = image.copy()
    drawn = draw(image, result(score, classes=tuple(classes), truth=truth))
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    assert not np.shares_memory(drawn, image)
    np.testing.assert_array_equal(image, before)


def luminance(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(image.astype(np.float64) @ [0.114, 0.587, 0.299])


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("size_wh", [(320, 240), (640, 480), (1280, 720)])
def test_text_stands_out_on_black_grey_and_white(grey: int, size_wh: tuple[int, int]) -> None:
    image = np.full((size_wh[1], size_wh[0], 3), grey, np.uint8)
    panel = luminance(draw(image, result())[-size_wh[1] // 8 :])
    assert panel.max() - np.median(panel) > 100
    assert np.median(panel) < 110


def test_the_upper_part_of_the_picture_stays_as_it_was() -> None:
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    np.testing.assert_array_equal(draw(image, result())[:320], image[:320])


def test_score_threshold_and_truth_can_be_seen() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    pictures = [
        draw(image, result(0.9)),
        draw(image, result(0.4)),
        draw(image, result(0.9, truth="cat")),
        draw(image, result(0.9, truth="dog")),
    ]
    for one in range(len(pictures)):
        for other in range(one):
            assert not np.array_equal(pictures[one], pictures[other])
