from __future__ import annotations

import tracemalloc
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onsight_edge.errors import DataError, UnsupportedModelError
from onsight_edge.frame import TensorInfo
from onsight_edge.preprocess import Preprocessor
from onsight_edge.resize import _ROWS_APART, rows_apart
from onsight_edge.spec import ModelSpec

RNG = np.random.default_rng(7)


def spec(**change: Any) -> ModelSpec:
    return ModelSpec(**{"name": "t", "classes": ("a", "b"), "input_size_wh": (32, 32), **change})


def picture(height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    noise = RNG.integers(0, 256, (9, 11, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def test_a_picture_of_the_right_size_is_only_recoloured() -> None:
    image = picture(32, 32)
    np.testing.assert_array_equal(Preprocessor(spec()).pixels(image), image[..., ::-1])
    np.testing.assert_array_equal(Preprocessor(spec(colour="bgr")).pixels(image), image)
    grey = Preprocessor(spec(colour="grey")).pixels(image)
    np.testing.assert_array_equal(grey[..., 0], cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def test_red_stays_red() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[..., 2] = 200
    assert Preprocessor(spec()).pixels(image)[5, 5].tolist() == [200, 0, 0]


@pytest.mark.parametrize("size_wh", [(640, 480), (1920, 1080), (40, 50), (8, 8), (128, 64)])
@pytest.mark.parametrize("resize", ["squash", "fit-shortest", "fit-longest"])
def test_every_size_and_policy_gives_the_model_its_shape(size_wh: tuple[int, int], resize: str) -> None:
    pixels = Preprocessor(spec(resize=resize, input_size_wh=(24, 32))).pixels(picture(size_wh[1], size_wh[0]))
    assert pixels.shape == (32, 24, 3)
    assert pixels.dtype == np.uint8
    assert pixels.any()


def test_a_smooth_picture_comes_close_to_the_mean_over_every_pixel() -> None:
    image = picture(480, 640)
    reference = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)[..., ::-1]
    difference = np.abs(Preprocessor(spec()).pixels(image).astype(int) - reference)
    assert difference.mean() < 1.5


def test_magnified_by_repetition_a_picture_comes_back_exactly() -> None:
    """What the `dataset://` camera relies on."""
    small = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    frame = cv2.resize(small, (640, 480), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(Preprocessor(spec(colour="bgr")).pixels(frame), small)


@given(st.integers(1, 3000), st.integers(1, 300))
def test_the_rows_that_are_sampled_lie_evenly_in_the_picture(source: int, target: int) -> None:
    rows = np.arange(source)[rows_apart(source, target)]
    above, below = rows[0], source - 1 - rows[-1]
    assert 0 <= below - above <= 1
    assert len(rows) >= min(source, _ROWS_APART * target)
    assert len(set(np.diff(rows))) <= 1


@pytest.mark.parametrize("change", [{}, {"mean": (127.0,)}, {"resize": "fit-longest", "rotate": 90, "flip": "both"}])
@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (1, 3, 32, 32)])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_no_picture_is_allocated_for_a_frame_of_the_size_of_the_last(
    change: dict[str, Any], shape: tuple[int, ...], channels: tuple[int, ...]
) -> None:
    preprocess = Preprocessor(spec(roi=(0.1, 0.1, 0.8, 0.8), **change), TensorInfo("x", shape, "float32"))
    frame = np.full((480, 640, *channels), 7, np.uint8)
    preprocess(frame)
    tracemalloc.start()
    preprocess(frame)
    _, peak = tracemalloc.get_traced_memory()  # NumPy and OpenCV report their arrays there
    tracemalloc.stop()
    assert peak < 32 * 32  # one channel of the smallest picture


def test_fit_longest_pads_and_fit_shortest_cuts() -> None:
    image = np.full((100, 200, 3), 255, np.uint8)
    padded = Preprocessor(spec(resize="fit-longest")).pixels(image)
    assert not padded[:8].any() and not padded[-8:].any()
    assert (padded[8:-8] == 255).all()
    image[:, :50] = image[:, 150:] = 0
    assert (Preprocessor(spec(resize="fit-shortest")).pixels(image) == 255).all()


@pytest.mark.parametrize("channels", [(), (1,), (4,)])
def test_grey_and_alpha_are_taken(channels: tuple[int, ...]) -> None:
    image = RNG.integers(0, 256, (48, 48, *channels), np.uint8)
    assert Preprocessor(spec()).pixels(image).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((4, 4, 3), np.float32), "must be uint8"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
        (np.zeros((4, 4, 2), np.uint8), r"must be \(height, width, 3\)"),
    ],
)
def test_what_is_no_picture_is_refused(image: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Preprocessor(spec()).pixels(image)


PIXELS = hnp.arrays(np.uint8, (4, 5, 3))
MEANS = st.lists(st.floats(-200, 200), min_size=3, max_size=3)
STDS = st.lists(st.floats(0.5, 300), min_size=3, max_size=3)


@given(PIXELS, MEANS, STDS)
def test_float_encoding_is_the_formula(pixels: Any, mean: list[float], std: list[float]) -> None:
    model = spec(input_size_wh=(5, 4), mean=tuple(mean), std=tuple(std))
    tensor = Preprocessor(model, TensorInfo("x", (-1, 4, 5, 3), "float32")).encode(pixels)
    np.testing.assert_allclose(tensor[0], (pixels - np.array(mean)) / np.array(std), rtol=1e-6, atol=1e-5)


@settings(max_examples=50)
@given(PIXELS, MEANS, STDS, st.sampled_from(["int8", "uint8"]), st.floats(0.01, 3), st.integers(0, 100))
def test_integer_encoding_is_the_formula(
    pixels: Any, mean: list[float], std: list[float], dtype: str, scale: float, zero: int
) -> None:
    model = spec(input_size_wh=(5, 4), mean=tuple(mean), std=tuple(std))
    tensor = Preprocessor(model, TensorInfo("x", (1, 4, 5, 3), dtype, scale, zero)).encode(pixels)
    limits = np.iinfo(dtype)
    real = (pixels - np.array(mean)) / np.array(std)
    np.testing.assert_array_equal(tensor[0], np.clip(np.rint(real / scale) + zero, limits.min, limits.max))


def test_raw_uint8_is_passed_through_and_int8_is_shifted() -> None:
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    model = spec(input_size_wh=(5, 4))
    raw = Preprocessor(model, TensorInfo("x", (1, 4, 5, 3), "uint8", 1.0, 0)).encode(pixels)
    assert np.shares_memory(raw, pixels)
    shifted = Preprocessor(model, TensorInfo("x", (1, 4, 5, 3), "int8", 1.0, -128)).encode(pixels)
    np.testing.assert_array_equal(shifted[0].view(np.uint8), pixels ^ 0x80)


def test_nchw_is_transposed() -> None:
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    tensor = Preprocessor(spec(input_size_wh=(5, 4)), TensorInfo("x", (-1, 3, 4, 5), "float32")).encode(pixels)
    np.testing.assert_array_equal(tensor[0], pixels.transpose(2, 0, 1))
    assert tensor.flags.c_contiguous


def test_a_tensor_of_another_size_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"32x32 rgb picture needs"):
        Preprocessor(spec(), TensorInfo("x", (1, 64, 64, 3), "float32"))
    with pytest.raises(UnsupportedModelError, match="without a scale"):
        Preprocessor(spec(mean=(127.0,)), TensorInfo("x", (1, 32, 32, 3), "uint8"))


@pytest.mark.parametrize("size_wh", [(1, 5), (5, 1)])
def test_a_picture_of_one_pixel_survives_every_policy(size_wh: tuple[int, int]) -> None:
    for resize in ("squash", "fit-shortest", "fit-longest"):
        pixels = Preprocessor(spec(input_size_wh=size_wh, resize=resize)).pixels(np.full((1, 1, 3), 7, np.uint8))
        assert pixels.shape == (size_wh[1], size_wh[0], 3)
