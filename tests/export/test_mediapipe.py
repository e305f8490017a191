"""MediaPipe 1.2.2, which knows nothing of onsight, opens exported files as they are and names the same classes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_edge.classifier import Classifier
from onsight_edge.datasets import load_dataset
from onsight_edge.errors import OnsightError
from onsight_edge.files import cache_folder
from onsight_edge.spec import ModelSpec

MEDIAPIPE = "mediapipe==1.2.2"
PICTURES, LEAST_AGREEMENT = 1000, 0.99
ANSWERS = Path(__file__).with_name("mediapipe_answers.py")


@pytest.fixture(scope="module")
def mediapipe_python() -> Path:
    """An environment of its own, made once: MediaPipe asks for other versions of what onsight uses."""
    folder = cache_folder() / "environments" / MEDIAPIPE
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", MEDIAPIPE], check=True)
        ready.touch()
    return python


@pytest.fixture(scope="module")
def seed_cnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a seed-cnn that has seen some of CIFAR-10: float32 and int8."""
    folder = tmp_path_factory.mktemp("mediapipe")
    run, bundle = folder / "run", folder / "seed-cnn.bundle"
    train = ["train", "cifar10", "--arch", "seed-cnn", "--epochs", "2", "--limit", "8000", "--out", str(run)]
    export = ["export", str(run), "--quant", "tflite-float32,tflite-int8", "--out", str(bundle), "--max-drop", "5"]
    try:
        load_dataset("cifar10")
    except OnsightError as error:
        pytest.skip(f"CIFAR-10 is not in the cache: {error}")
    for arguments in (train, export):
        subprocess.run([sys.executable, "-m", "onsight", *arguments, "--json"], check=True, stdout=subprocess.DEVNULL)
    return bundle


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return load_dataset("cifar10").test.images[:PICTURES]


@pytest.fixture(scope="module")
def answers(
    mediapipe_python: Path, seed_cnn: Path, pictures: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("pictures") / "pictures.npz"
    np.savez(file, pictures=pictures)
    models = [str(seed_cnn / f"{variant}.tflite") for variant in ("tflite-float32", "tflite-int8")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(mediapipe_python), str(ANSWERS), str(file), *models], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {Path(model).stem: answer for model, answer in json.loads(done.stdout).items()}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("variant", ["tflite-float32", "tflite-int8"])
def test_mediapipe_names_the_classes_that_onsight_names(
    answers: dict[str, Any], seed_cnn: Path, pictures: np.ndarray, variant: str
) -> None:
    with Classifier.open(seed_cnn, variant=variant) as classifier:
        seen = [classifier.classify(np.ascontiguousarray(picture[..., ::-1])) for picture in pictures]
    names = [prediction.top(1)[0][0] for prediction in seen]  # of those that are `unknown`, too
    same = np.mean([a == b for a, b in zip(names, answers[variant]["names"], strict=True)])
    assert len(set(names)) == 10  # a network that names one class would agree with anything
    assert same >= LEAST_AGREEMENT, f"{same:.1%} of {len(names)} pictures"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("variant", ["tflite-float32", "tflite-int8"])
def test_mediapipes_own_reader_finds_all_that_the_schema_asks_for(
    answers: dict[str, Any], seed_cnn: Path, variant: str
) -> None:
    spec = ModelSpec.from_json(json.loads((seed_cnn / "manifest.json").read_text())["spec"])
    found = {key: value for key, value in answers[variant].items() if key not in ("names", "version")}
    assert found == {
        "name": spec.name,
        "description": "Image classifier, 10 classes",
        "min_parser_version": "1.0.0",
        "input": "ImagePropertiesT",
        "colour": 1,  # RGB
        "size_wh": [32, 32],
        "unit": "NormalizationOptionsT",
        "mean": [0.0],
        "std": [1.0],
        "input_range": [0.0, 255.0],
        "output": "FeaturePropertiesT",
        "output_range": [0.0, 1.0],
        "labels_are": 2,  # TENSOR_AXIS_LABELS
        "labels": list(spec.classes),
    }
    assert len(answers[variant]["version"]) == 12
