"""A tiny run made by hand, and every variant exported of it once for the whole session."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_edge.spec import ModelSpec

CLASSES = ("red", "green", "blue", "grey")
SIZE = 16


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures with a soft blob of their class's colour: learnable, and varied as photographs are."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    images = random.normal(110, 35, (count, SIZE, SIZE, 3))
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for image, label in zip(images, labels, strict=True):
        at = random.uniform(4, SIZE - 4, 2)
        blob = 120 * np.exp(-((rows - at[0]) ** 2 + (columns - at[1]) ** 2) / 18)
        if label < 3:
            image[..., label] += blob
        else:
            image += blob[..., np.newaxis] / 2
    return images.clip(0, 255).astype(np.uint8), labels


@dataclass(frozen=True)
class Tiny:
    """A run folder, its network, its test pictures, and what Keras says of them."""

    run: Path
    model: Any
    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    pytest.importorskip("tensorflow")
    from onsight_edge.datasets import load_dataset
    from onsight_export.run import import_tensorflow, keras_scores

    import_tensorflow()
    import keras
    from keras import layers

    folder = tmp_path_factory.mktemp("tiny")
    x_train, y_train = pictures(800, seed=1)
    x_test, y_test = pictures(200, seed=2)
    np.savez(
        folder / "blobs.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, classes=np.array(CLASSES)
    )
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(len(CLASSES), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(x_train, y_train, epochs=4, batch_size=50, verbose=0)
    spec = ModelSpec("tiny", CLASSES, (SIZE, SIZE))
    run = folder / "runs" / "tiny"
    run.mkdir(parents=True)
    model.save(run / "model.keras")
    spec.save(run / "spec.json")
    dataset = load_dataset(str(folder / "blobs.npz"))
    assert dataset.classes == CLASSES
    data = {
        "uri": str(folder / "blobs.npz"),
        "name": dataset.name,
        "seed": 0,
        "validation": 0.1,
        "size_wh": None,
        "colour": "rgb",
        "resize": "squash",
        "sha256": dataset.sha256,
        "classes": list(CLASSES),
    }
    (run / "data.json").write_text(json.dumps(data))
    return Tiny(run, model, x_test, y_test, keras_scores(model, spec, x_test))


@pytest.fixture(scope="session")
def exported(tiny: Tiny) -> tuple[Path, Any]:
    """The bundle with all variants, and the report."""
    from onsight_export.export import export_run
    from onsight_export.options import ExportOptions, default_out

    out = default_out(tiny.run)
    options = ExportOptions(max_drop_points=3.0, calibration=100, command="onsight export")
    return out, export_run(tiny.run, out, options)


@pytest.fixture
def spoiled(tiny: Tiny, tmp_path: Path) -> Path:
    """A copy of the run that a test may spoil."""
    import shutil

    return Path(shutil.copytree(tiny.run, tmp_path / "run"))
