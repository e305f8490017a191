"""dataset://: a set played as a camera gives the model the very pixels of the set."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from onsight_edge.datasets import Split
from onsight_edge.errors import SourceError
from onsight_edge.frame import Frame
from onsight_edge.preprocess import Preprocessor
from onsight_edge.sources import open_source
from onsight_edge.sources.dataset import DatasetSource, magnified
from onsight_edge.spec import ModelSpec

CLASSES = ("red", "green", "blue")


def noise(count: int, size: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), np.uint8)


def split(count: int, size: int = 32) -> Split:
    return Split(noise(count, size), np.arange(count, dtype=np.int64) % 3)


def drain(source: DatasetSource) -> list[Frame]:
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    return frames


@settings(deadline=None, max_examples=25)
@given(st.sampled_from([8, 16, 24, 28, 32, 48, 64, 80, 96]), st.integers(0, 2**32 - 1), st.booleans())
def test_preprocessing_a_frame_gives_the_picture_back_exactly(size: int, seed: int, grey: bool) -> None:
    picture = noise(1, size, 1 if grey else 3, seed)[0]
    spec = ModelSpec("any", CLASSES, (size, size), colour="grey" if grey else "rgb")
    np.testing.assert_array_equal(Preprocessor(spec).pixels(magnified(picture, (640, 480))), picture)


def test_every_picture_comes_once_with_its_truth() -> None:
    pictures = split(20)
    source = DatasetSource("dataset://x", pictures, CLASSES, fps=1000, size_wh=(640, 480))
    assert (source.live, source.fps, source.size_wh) == (True, 1000, (640, 480))
    pixels = Preprocessor(ModelSpec("any", CLASSES, (32, 32)))
    frames = drain(source)
    assert sorted(int(frame.name or -1) for frame in frames) == list(range(20))
    assert [frame.index for frame in frames] == list(range(20))
    for frame in frames:
        at = int(frame.name or -1)
        assert frame.truth == CLASSES[int(pictures.labels[at])]
        np.testing.assert_array_equal(pixels.pixels(frame.image_bgr), pictures.images[at])


def test_the_seed_decides_the_order() -> None:
    orders = [[f.name for f in drain(DatasetSource("x", split(30), CLASSES, fps=1000, seed=s))] for s in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_it_loops_and_it_is_paced() -> None:
    source = DatasetSource("x", split(5), CLASSES, fps=100, loop=True)
    started = time.monotonic_ns()
    frames = [source.read() for _ in range(12)]
    names = [frame.name for frame in frames if frame]
    assert names[:5] == names[5:10] and names[:2] == names[10:]
    assert frames[11] is not None
    assert frames[11].captured_ns - started > 0.1e9  # 11 periods of 10 ms
    source.close()
    assert source.read() is None


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(SourceError, match="holds no picture"):
        DatasetSource("x", Split(noise(0, 8), np.zeros(0, np.int64)), CLASSES)


def test_class_folders_play_through_the_uri(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for number, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(6):
                picture = np.full((16, 16, 3), 40 * number + 5 * i + (2 if part == "test" else 0), np.uint8)
                cv2.imwrite(str(tmp_path / part / name / f"{i}.png"), picture)
    source = open_source(f"dataset://{tmp_path}?fps=500&size=64x64&seed=3")
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    assert {frame.truth for frame in frames} == {"cat", "dog"}
    assert len(frames) == 12
    assert frames[0].image_bgr.shape == (64, 64, 3)
