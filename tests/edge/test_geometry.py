from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.backends.fake import FakeBackend
from onsight_edge.classifier import Classifier
from onsight_edge.geometry import COVER, View, fit, reduction, region
from onsight_edge.preprocess import Preprocessor
from onsight_edge.spec import ModelSpec

SIDES = st.integers(1, 3000)
SIZES = st.tuples(SIDES, SIDES)
INPUTS = st.tuples(st.integers(1, 256), st.integers(1, 256))
RESIZES = st.sampled_from(["squash", "fit-shortest", "fit-longest"])
ROIS = st.tuples(st.floats(0, 0.99), st.floats(0, 0.99), st.floats(0.001, 1), st.floats(0.001, 1)).map(
    lambda roi: (roi[0], roi[1], min(roi[2], 1 - roi[0]), min(roi[3], 1 - roi[1]))
)
VIEWS = st.builds(
    View,
    st.none() | ROIS,
    st.sampled_from([0, 90, 180, 270]),
    st.sampled_from(["none", "horizontal", "vertical", "both"]),
)


def spec(**change: Any) -> ModelSpec:
    return ModelSpec(**{"name": "t", "classes": ("a", "b"), "input_size_wh": (32, 32), "colour": "bgr", **change})


@given(SIZES, INPUTS, RESIZES, VIEWS)
def test_what_is_cut_lies_in_the_frame_and_what_is_placed_in_the_input(
    frame_wh: Any, input_wh: Any, resize: Any, view: View
) -> None:
    found = fit(frame_wh, input_wh, resize, view)
    for box, outer in ((found.cut, frame_wh), (found.place, input_wh)):
        assert box.left >= 0 and box.top >= 0 and box.width >= 1 and box.height >= 1
        assert box.left + box.width <= outer[0] and box.top + box.height <= outer[1]
    turned = found.inner_wh[::-1] if found.transpose else found.inner_wh
    assert turned == (found.place.width, found.place.height)
    if resize != "fit-longest":
        assert turned == input_wh


@given(SIZES, INPUTS, RESIZES, VIEWS)
def test_a_reduced_picture_still_covers_the_input(frame_wh: Any, input_wh: Any, resize: Any, view: View) -> None:
    by = reduction(frame_wh, input_wh, resize, view)
    assert by in (1, 2, 4, 8)
    if by > 1:
        found = fit((frame_wh[0] // by, frame_wh[1] // by), input_wh, resize, view)
        assert found.cut.width >= COVER * found.inner_wh[0] and found.cut.height >= COVER * found.inner_wh[1]


def test_a_reduction_by_more_would_not() -> None:
    squash = ("squash", View())
    assert reduction((640, 480), (32, 32), *squash) == 8
    assert reduction((640, 480), (80, 80), *squash) == 4
    assert reduction((640, 480), (96, 96), *squash) == 2
    assert reduction((640, 480), (224, 224), *squash) == 1
    assert reduction((640, 480), (320, 320), *squash) == 1
    assert reduction((640, 480), (96, 96), "squash", View((0.25, 0.25, 0.5, 0.5))) == 1
    # turned, 480 rows are what has to cover a width
    assert reduction((640, 480), (200, 150), *squash) == 2
    assert reduction((640, 480), (200, 150), "squash", View(rotate=90)) == 1
    assert reduction((640, 480), (208, 120), "squash", View(rotate=90)) == 1
    assert reduction((640, 480), (208, 120), *squash) == 2
    assert Preprocessor(spec()).reduction((1280, 720)) == 8


def test_a_reduced_picture_is_as_near_to_the_average_over_every_pixel_as_the_whole_one() -> None:
    rng = np.random.default_rng(1)
    octaves = [rng.normal(0, 16, (480 // 2**step, 640 // 2**step, 3)) for step in range(7)]  # as photographs have them
    picture = 128 + sum(cv2.resize(one, (640, 480), interpolation=cv2.INTER_CUBIC) for one in octaves)
    data = cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    whole = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert whole is not None
    modes = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
    for side in (32, 64, 80, 96):
        preprocess = Preprocessor(spec(input_size_wh=(side, side)))
        reduced = cv2.imdecode(data, modes[preprocess.reduction((640, 480))])
        assert reduced is not None
        reference = cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA).astype(int)
        away = [np.abs(preprocess.pixels(image) - reference).mean() for image in (reduced, whole)]
        assert away[0] < away[1]


def test_a_region_is_rounded_to_whole_pixels() -> None:
    assert region((640, 480), (0.25, 0.5, 0.5, 0.5)) == (160, 240, 320, 240)
    assert region((640, 480), None) == (0, 0, 640, 480)
    assert region((3, 3), (0.99, 0.99, 0.01, 0.01)) == (2, 2, 1, 1)


TURNED = {0: 0, 90: -1, 180: 2, 270: 1}  # np.rot90 turns counter-clockwise
FLIPPED = {"none": (1, 1), "horizontal": (1, -1), "vertical": (-1, 1), "both": (-1, -1)}


@pytest.mark.parametrize("rotate", TURNED)
@pytest.mark.parametrize("flip", FLIPPED)
@pytest.mark.parametrize("resize", ["squash", "fit-shortest", "fit-longest"])
def test_cut_turned_clockwise_mirrored_and_then_resized(rotate: Any, flip: Any, resize: Any) -> None:
    """On a picture of flat blocks, where every order of these steps has the same outcome to the bit."""
    rng = np.random.default_rng(5)
    blocks = rng.integers(0, 256, (8, 12, 3), np.uint8)
    frame = blocks.repeat(20, 0).repeat(20, 1)
    cut = frame[40:120, 60:220] if resize != "fit-shortest" else frame[40:120, 60:140]
    roi = (60 / 240, 40 / 160, cut.shape[1] / 240, 80 / 160)
    vertical, horizontal = FLIPPED[flip]
    wanted = np.rot90(cut, TURNED[rotate])[::vertical, ::horizontal]
    size_wh = (wanted.shape[1] // 5, wanted.shape[0] // 5)
    pixels = Preprocessor(spec(input_size_wh=size_wh, roi=roi, rotate=rotate, flip=flip, resize=resize)).pixels(frame)
    np.testing.assert_array_equal(pixels, wanted[2::5, 2::5])


@given(st.sampled_from([(), (1,), (3,), (4,)]), VIEWS, RESIZES, st.sampled_from(["rgb", "bgr", "grey"]))
def test_every_view_and_kind_of_picture_gives_the_model_its_shape(
    channels: Any, view: View, resize: Any, colour: Any
) -> None:
    preprocess = Preprocessor(spec(input_size_wh=(7, 5), colour=colour, resize=resize, **view._asdict()))
    for size in ((40, 30), (5, 7), (3, 11)):
        pixels = preprocess.pixels(np.full((*size, *channels), 255, np.uint8))
        assert pixels.shape == (5, 7, preprocess.spec.channels)
        assert pixels.max() == 255
        assert (pixels.min() == 255) or resize == "fit-longest"


def test_margins_stay_black_when_the_size_of_frames_changes() -> None:
    preprocess = Preprocessor(spec(resize="fit-longest"))
    preprocess.pixels(np.full((100, 50, 3), 255, np.uint8))
    pixels = preprocess.pixels(np.full((50, 100, 3), 255, np.uint8))
    assert not pixels[:8].any() and (pixels[8:24] == 255).all() and not pixels[24:].any()


def test_the_classifier_shows_what_the_model_saw_and_takes_another_spec() -> None:
    model = spec(colour="rgb")
    answer = np.array([[0.25, 0.75]], np.float32)
    classifier = Classifier(model, FakeBackend(model, lambda batch: answer))
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[:, 320:] = (10, 20, 30)
    classifier.classify(frame)
    assert classifier.seen[0, 0].tolist() == [0, 0, 0] and classifier.seen[0, -1].tolist() == [30, 20, 10]
    assert classifier.reduction((640, 480)) == 8
    mirrored = classifier.with_spec(spec(colour="rgb", flip="horizontal", threshold=0.8))
    assert mirrored.classify(frame).rejected
    assert mirrored.backend is classifier.backend
    assert mirrored.seen[0, 0].tolist() == [30, 20, 10] and classifier.seen[0, 0].tolist() == [0, 0, 0]
