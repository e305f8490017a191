"""Scores of a Keras model, and a saved run opened to make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import ModelError
from onsight_edge.spec import ModelSpec
from onsight_train.frameworks import load_keras


def predict_scores(model: Any, pixels: NDArray[np.uint8], batch: int = 256) -> NDArray[np.float32]:
    """Probabilities for many pictures.

    Args:
        model: a `keras.Model` that takes raw pixels.
        pixels: (N, height, width, channels) uint8 in the model's size and colour.
        batch: pictures at a time; decides memory and speed, not the result.

    Returns:
        (N, classes) float32.
    """
    return np.asarray(model.predict(pixels, batch_size=batch, verbose=0), np.float32)


def open_run(folder: Path) -> tuple[Any, ModelSpec]:
    """The `keras.Model` and the ModelSpec of a run folder.

    Raises:
        ModelError: not a run folder, or its model cannot be loaded or does not fit its spec.
        MissingExtraError: Keras is not installed.
    """
    spec = ModelSpec.load(folder / "spec.json")
    path = folder / "model.keras"
    if not path.is_file():
        raise ModelError(f"{folder} is not a run folder: it has no model.keras")
    keras = load_keras()
    try:
        model = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:  # a damaged zip, or another Keras's config
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot load {path}: {reason}") from error
    width, height = spec.input_size_wh
    expected = ((None, height, width, spec.channels), (None, len(spec.classes)))
    if (tuple(model.input_shape), tuple(model.output_shape)) != expected:
        raise ModelError(
            f"{path} takes {model.input_shape} and gives {model.output_shape}; its spec.json says {expected[0]} "
            f"and {expected[1]}"
        )
    return model, spec
