from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_edge.bundle import DEFAULT_MODEL, Bundle
from onsight_edge.classifier import Classifier
from onsight_edge.errors import ModelError
from onsight_edge.golden import Golden, golden_bytes, load_golden, replay
from onsight_export.golden import TOLERANCE, make_golden
from onsight_export.variants import VARIANTS

FILES = {VARIANTS["tflite-int8"]: DEFAULT_MODEL / "tflite-int8.tflite"}
SPEC = Bundle.open(DEFAULT_MODEL).spec


@pytest.fixture(scope="module")
def drawn() -> Golden:
    return make_golden(FILES, SPEC)


def test_drawn_frames_are_small_diverse_and_the_same_every_time(drawn: Golden) -> None:
    assert drawn.frames.shape == (16, 40, 48, 3) and drawn.frames.dtype == np.uint8
    assert len(golden_bytes(drawn)) < 20_000
    assert golden_bytes(make_golden(FILES, SPEC)) == golden_bytes(drawn)
    scores = drawn.scores["tflite-int8"]
    assert len(set(scores.argmax(axis=1))) >= 4
    best = np.sort(scores, axis=1)
    assert np.median(best[:, -1] - best[:, -2]) > 0.2  # few near a tie
    assert TOLERANCE["int8"] <= drawn.tolerance["tflite-int8"] < 0.3


def test_they_need_every_step_of_preprocessing(drawn: Golden) -> None:
    """Larger than the input and of other proportions; red is not blue, left is not right."""
    with Classifier.open(DEFAULT_MODEL) as classifier:
        replay(classifier, drawn)
        for other in (drawn.frames[..., ::-1], drawn.frames[:, :, ::-1], drawn.frames[:, ::-1], drawn.frames // 2):
            with pytest.raises(ModelError, match=r"answers ([4-9]|1.) of 16 golden samples otherwise"):
                replay(classifier, replace(drawn, frames=np.ascontiguousarray(other)))


def test_no_network_is_so_unsteady_that_any_answer_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    def chaotic(path: Path, frames: np.ndarray) -> np.ndarray:
        return np.eye(10, dtype=np.float32)[frames.sum(axis=(1, 2, 3)) % 10]

    monkeypatch.setattr("onsight_export.golden._scores", chaotic)
    assert make_golden(FILES, SPEC).tolerance == {"tflite-int8": 0.5}


def test_pictures_of_a_data_set_are_turned_into_frames(drawn: Golden) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    golden = make_golden(FILES, SPEC, pictures)
    assert golden.frames.shape == (9, 32, 32, 3)
    back = {frame[..., ::-1].tobytes() for frame in golden.frames}
    assert back == {picture.tobytes() for picture in pictures}
    with Classifier.open(DEFAULT_MODEL) as classifier:
        replay(classifier, golden)
        asked = classifier.scores(np.ascontiguousarray(golden.frames[..., ::-1]))
    assert (asked == golden.scores["tflite-int8"]).all()


def test_an_exported_bundle_answers_its_own_samples(exported: tuple[Path, Any]) -> None:
    bundle = Bundle.open(exported[0])
    assert bundle.golden is not None
    golden = load_golden(bundle.read(bundle.files[bundle.golden]))
    assert list(golden.scores) == list(bundle.variants)
    for variant in bundle.variants:
        with Classifier.open(exported[0], variant=variant) as classifier:
            replay(classifier, golden)
