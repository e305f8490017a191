"""A Keras network as a graph of layers: models within it are taken apart, and any part can be computed."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    pytest.importorskip("tensorflow")
    from onsight_export.run import import_tensorflow

    import_tensorflow()
    import keras

    return keras


def nested(keras: Any) -> Any:
    """A functional and a Sequential model within a model, and an activation that is used twice."""
    layers = keras.layers
    keras.utils.set_random_seed(3)
    inner = keras.Input((8, 8, 4))
    base = keras.Model(inner, layers.Add(name="sum")([layers.Conv2D(4, 1, name="side")(inner), inner]), name="base")
    head = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="scores")], name="head")
    entry = keras.Input((8, 8, 3), name="pixels")
    twice = layers.ReLU(name="relu")
    x = twice(layers.Conv2D(4, 3, padding="same", name="stem")(entry))
    x = layers.GlobalAveragePooling2D(name="pool")(twice(base(x)))
    return keras.Model(entry, head(x))


def test_models_within_a_model_are_taken_apart(keras: Any) -> None:
    from onsight_export.parity.matching import group
    from onsight_export.parity.network import Network

    model = nested(keras)
    network = Network(model)
    names = [layer.name for layer in network.layers]
    places = {name: place for place, name in enumerate(names)}
    # Keras puts a step that changes nothing where it enters a model within the model
    assert [name for name in names if not name.startswith("convert_to_tensor")] == [
        *("pixels", "stem", "relu", "side", "sum", "relu#2", "pool", "scores")
    ]
    known = [places[name] for name in ("relu", "sum")]
    assert group(network.layers, known, places["sum"])[1] == [places["relu"]]
    assert places["side"] in group(network.layers, known, places["sum"])[0]
    assert network.layers[places["stem"]].weights == 3 * 3 * 3 * 4 and network.layers[places["relu"]].weights == 0
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    found = network.outputs([places["relu"], places["sum"], places["scores"]], pixels)
    wanted = np.asarray(model(pixels.astype(np.float32), training=False))
    np.testing.assert_allclose(found[places["scores"]], wanted, rtol=1e-5, atol=1e-5)
    # from the middle on, and with other values there
    again = network.compute(places["sum"], {places["relu"]: found[places["relu"]]})
    np.testing.assert_allclose(again, found[places["sum"]], rtol=1e-5, atol=1e-4)
    other = network.compute(places["relu#2"], {places["sum"]: -found[places["sum"]]})
    np.testing.assert_allclose(other, np.maximum(-found[places["sum"]], 0), rtol=1e-5, atol=1e-5)
