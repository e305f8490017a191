from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from onsight_edge.backends import BACKENDS, FOR_COMPARING, backends_for, open_backend
from onsight_edge.backends.fake import FakeBackend
from onsight_edge.bundle import open_model
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BackendError, DataError, MissingExtraError, UsageError
from onsight_edge.spec import ModelSpec

RED_BGR = np.full((480, 640, 3), (10, 20, 200), np.uint8)


def test_five_lines_classify(colours_bundle: Path) -> None:
    with Classifier.open(colours_bundle) as classifier:
        assert classifier.classify(RED_BGR).label == "red"
        assert classifier.classify(RED_BGR[..., ::-1].copy()).label == "blue"


def test_timed_and_untimed_agree(shipped: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    with Classifier.open(shipped) as classifier:
        plain = classifier.classify(image)
        timed, timings = classifier.classify_timed(image)
        np.testing.assert_array_equal(plain.scores, timed.scores)
        assert timings.total_ns > timings.inference_ns > 0
        assert plain.scores.sum() == pytest.approx(1, abs=0.05)


def test_scores_of_a_data_set_are_those_of_the_camera_path(shipped: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8)
    with Classifier.open(shipped) as classifier:
        scores = classifier.scores(pixels)
        for row, picture in zip(scores, pixels, strict=True):
            np.testing.assert_array_equal(row, classifier.classify(picture[..., ::-1].copy()).scores)
        with pytest.raises(DataError, match=r"expected pictures of shape \(N, 32, 32, 3\)"):
            classifier.scores(pixels[:, :16])


def test_the_integer_file_takes_raw_pixels(shipped: Path) -> None:
    backend = open_backend(open_model(shipped).path)
    assert (backend.input.dtype, backend.input.scale, backend.input.zero_point) == ("uint8", 1.0, 0)


def test_backends_say_what_they_are(colours_bundle: Path, shipped: Path) -> None:
    with Classifier.open(colours_bundle, threads=2) as classifier:
        assert classifier.backend.name == "onnxruntime"
        assert classifier.backend.detail.endswith("ExecutionProvider")
        assert classifier.backend.threads == 2
        assert classifier.backend.metadata["other"] == "x"
    with Classifier.open(shipped) as classifier:
        assert classifier.backend.name in ("litert", "tflite-runtime")
        assert classifier.backend.version


def test_the_backend_chooses_the_format(shipped: Path, colours_bundle: Path) -> None:
    with pytest.raises(Exception, match="no onnx variant"):
        Classifier.open(shipped, backend="onnxruntime")
    with pytest.raises(UsageError, match="litert executes tflite files, this one is onnx"):
        Classifier.open(colours_bundle, backend="litert", variant="onnx-float32")
    with pytest.raises(UsageError, match="unknown backend 'tpu'"):
        Classifier.open(shipped, backend="tpu")
    assert set(BACKENDS) == {*backends_for("tflite"), *backends_for("onnx"), *FOR_COMPARING}


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_truncated_tflite_gives_one_line(shipped: Path, tmp_path: Path, keep: float) -> None:
    data = (shipped / "tflite-int8.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(data[: int(len(data) * keep)])
    open_model(shipped).spec.save(tmp_path / "spec.json")
    with pytest.raises(BackendError) as caught:
        Classifier.open(path, spec=tmp_path / "spec.json")
    assert "\n" not in str(caught.value)


def test_a_damaged_onnx_gives_one_line(tmp_path: Path, write_colours_onnx: Callable[..., Path]) -> None:
    path = write_colours_onnx(tmp_path / "m.onnx")
    ModelSpec("x", ("1", "2", "3"), (8, 8)).save(tmp_path / "spec.json")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BackendError) as caught:
        Classifier.open(path, spec=tmp_path / "spec.json")
    assert "\n" not in str(caught.value)


def test_a_runtime_that_is_not_there_names_the_command() -> None:
    script = """
import sys
sys.modules["onnxruntime"] = None
from onsight_edge.backends import open_backend
try:
    open_backend(b"", model_format="onnx")
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingExtraError")
    assert "pip install 'onsight[onnx]'" in done.stdout


def test_tflite_runtime_is_either_usable_or_explained(shipped: Path) -> None:
    try:
        Classifier.open(shipped, backend="tflite-runtime").close()
    except MissingExtraError as error:
        assert "pip install 'onsight[tflite-runtime]'" in str(error)
    except BackendError as error:
        assert "numpy<2" in str(error)


def test_the_fake_answers_what_it_is_told() -> None:
    spec = ModelSpec("fake", ("dark", "bright"), (4, 4))

    def brightness(batch: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        bright = batch.mean() / 255
        return np.array([[1 - bright, bright]], np.float32)

    classifier = Classifier(spec, FakeBackend(spec, brightness))
    assert classifier.classify(np.full((9, 9, 3), 250, np.uint8)).label == "bright"
    assert classifier.classify(np.full((9, 9, 3), 5, np.uint8)).label == "dark"
