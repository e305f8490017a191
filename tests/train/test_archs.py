"""The networks and their MACs against what was published, against Keras's own, and on another backend."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.errors import ModelError
from onsight_train.archs import ARCHITECTURES, find_arch
from onsight_train.archs.mobilenet import channels_at
from onsight_train.macs import count_macs, layer_costs


@pytest.mark.parametrize(
    ("name", "side", "classes", "parameters", "macs"),
    [
        ("resnet8", 32, 10, 78_666, 12.5e6),
        ("resnet20", 32, 10, 274_042, 40.8e6),  # 0.27 M
        ("mobilenetv1-0.25", 224, 1000, 475_544, 41e6),  # as keras.applications counts them, and the papers
        ("mobilenetv2-0.35", 224, 1000, 1_691_208, 59e6),
        pytest.param("mobilenetv1", 224, 1000, 4_253_864, 569e6, marks=pytest.mark.slow),
        pytest.param("mobilenetv2", 224, 1000, 3_538_984, 300e6, marks=pytest.mark.slow),
    ],
)
def test_published_parameters_and_macs(
    keras: Any, name: str, side: int, classes: int, parameters: int, macs: float
) -> None:
    model = find_arch(name).build((side, side, 3), classes)
    assert model.count_params() == parameters
    assert count_macs(model) == pytest.approx(macs, rel=0.01)


@pytest.mark.parametrize("width", [0.5, pytest.param(1.4, marks=pytest.mark.slow)])
def test_mobilenetv2_has_the_weights_of_keras_s_own(keras: Any, width: float) -> None:
    theirs = keras.applications.MobileNetV2((96, 96, 3), alpha=width, weights=None, classes=7)
    ours = find_arch(f"mobilenetv2-{width}").build((96, 96, 3), 7)
    assert [weight.shape for weight in ours.weights] == [weight.shape for weight in theirs.weights]
    assert count_macs(ours) == count_macs(theirs)


def test_onsight_nano_is_small_and_of_what_integers_do_well(keras: Any) -> None:
    model = find_arch("onsight-nano").build((32, 32, 3), 10)
    assert model.count_params() < 100_000
    kinds = {type(layer).__name__ for layer in model.layers}
    pools = {"AveragePooling2D", "GlobalAveragePooling2D"}
    assert kinds - pools == {"InputLayer", "Rescaling", "Conv2D", "BatchNormalization", "ReLU", "Add", "Dense"}
    assert not any(layer.use_bias for layer in model.layers if isinstance(layer, keras.layers.Conv2D))


@pytest.mark.parametrize(
    ("name", "digest", "first"),
    [
        ("seed-cnn", "b0c4a0ea2910", -0.1332427),
        ("resnet8", "b4069c6bc14d", 0.0146540),
        ("onsight-nano", "cd046f2f7eb7", -0.3628721),
    ],
)
def test_weights_keep_their_names_their_order_and_what_a_seed_draws(
    keras: Any, name: str, digest: str, first: float
) -> None:
    """By these, runs that were saved are loaded and trainings that were cut off go on."""
    keras.utils.set_random_seed(1)
    model = find_arch(name).build((12, 14, 3), 5, dropout=0.5)
    named = " ".join(f"{weight.path}{tuple(weight.shape)}" for weight in model.weights)
    assert hashlib.sha256(named.encode()).hexdigest()[:12] == digest
    last = model.layers[-1].get_weights()[0]  # drawn after all others
    assert float(last[0, 0]) == pytest.approx(first, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "size_wh", "places"),
    [
        ("mobilenetv1-0.25", (32, 32), (2, 2)),
        ("mobilenetv1-0.25", (96, 96), (3, 3)),
        ("mobilenetv2-0.35", (64, 100), (13, 8)),
        ("mobilenetv2-0.35", (65, 65), (3, 3)),
    ],
)
def test_small_pictures_are_shrunk_less(
    keras: Any, name: str, size_wh: tuple[int, int], places: tuple[int, int]
) -> None:
    model = find_arch(name).build((size_wh[1], size_wh[0], 1), 3)
    assert model.get_layer("pool").input.shape[1:3] == places


def test_mobilenets_clip_at_six_but_not_where_they_are_narrow(keras: Any) -> None:
    model = find_arch("mobilenetv2-0.5").build((8, 8, 3), 2)
    clips = [layer for layer in model.layers if isinstance(layer, keras.layers.ReLU)]
    assert len(clips) == 1 + 16 + 17 + 1 and {clip.max_value for clip in clips} == {6.0}
    assert sum(isinstance(layer, keras.layers.Add) for layer in model.layers) == 10


@given(st.integers(8, 1280).map(lambda eighths: eighths * 8), st.floats(0.1, 2.0))
def test_channels_are_a_multiple_of_eight_close_to_the_width(filters: int, width: float) -> None:
    found = channels_at(filters, width)
    assert found % 8 == 0 and found >= 0.9 * filters * width and found <= filters * width + 8
    assert channels_at(filters, 1.0) == filters


def test_a_width_stands_behind_the_name() -> None:
    assert find_arch("mobilenetv2-0.35").name == "mobilenetv2-0.35"
    assert find_arch("mobilenetv1-0.50").name == "mobilenetv1-0.5"
    assert find_arch("mobilenetv2-1.0") is ARCHITECTURES["mobilenetv2"]
    for wrong in (
        "mobilenetv2-",
        "mobilenetv2-0",
        "mobilenetv2-nan",
        "mobilenetv2-9",
        "mobilenetv1-a",
    ):
        with pytest.raises(ModelError, match=r"the width multiplier, 0\.1 to 2"):
            find_arch(wrong)
    with pytest.raises(ModelError, match="did you mean resnet8"):
        find_arch("resnet8-0.5")
    with pytest.raises(ModelError, match="did you mean mobilenetv"):
        find_arch("mobilenet")


def test_macs_of_every_kind_of_layer(keras: Any) -> None:
    layers = keras.layers
    x = layers.Input((10, 8, 6))
    cases = [
        (layers.Conv2D(4, 3, strides=2, padding="same"), 5 * 4 * 9 * 6 * 4),
        (layers.Conv2D(4, 3), 8 * 6 * 9 * 6 * 4),
        (layers.Conv2D(4, (1, 5), groups=2, padding="same"), 10 * 8 * 5 * 3 * 4),
        (layers.Conv2D(4, 3, dilation_rate=2, use_bias=False), 6 * 4 * 9 * 6 * 4),
        (layers.DepthwiseConv2D(3, 2, padding="same", depth_multiplier=2), 5 * 4 * 9 * 6 * 2),
        (layers.SeparableConv2D(4, 3, 2, padding="same"), 5 * 4 * (9 * 6 + 6 * 4)),
        (layers.Conv2DTranspose(4, 3, strides=2, padding="same"), 10 * 8 * 9 * 6 * 4),
        (layers.Dense(5), 10 * 8 * 6 * 5),
        (layers.BatchNormalization(), 0),
        (layers.MaxPooling2D(), 0),
        (layers.PReLU(), 0),
    ]
    for layer, macs in cases:
        assert count_macs(keras.Model(x, layer(x))) == macs, layer.name
    line = layers.Input((9, 6))
    assert count_macs(keras.Model(line, layers.Conv1D(4, 3, padding="same")(line))) == 9 * 3 * 6 * 4


def test_nested_and_shared_layers_count_where_they_are_called(keras: Any) -> None:
    layers = keras.layers
    anywhere = layers.Input((None, None, 3))  # a backbone for any size, as those of keras.applications are
    backbone = keras.Model(anywhere, layers.Conv2D(4, 3, padding="same", name="inner")(anywhere), name="backbone")
    x = layers.Input((10, 8, 3))
    again = layers.Conv2D(3, 1, name="again")
    y = backbone(again(again(x)))
    model = keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(y)))
    costs = layer_costs(model)
    assert costs is not None
    assert sum(cost.parameters for cost in costs) == model.count_params()
    inner = next(cost for cost in costs if cost.name == "backbone/inner")
    assert (inner.output, inner.macs) == ((10, 8, 4), 10 * 8 * 9 * 3 * 4)
    assert [cost.parameters for cost in costs if cost.name == "again"] == [12, 0]
    assert count_macs(model) == 10 * 8 * 9 * 3 * 4 + 2 * 10 * 8 * 9 + 4 * 2
    twice = keras.Sequential([layers.Input((10, 8, 3)), backbone, layers.Conv2D(2, 1)])
    assert count_macs(twice) == 10 * 8 * 9 * 3 * 4 + 10 * 8 * 4 * 2


def test_what_is_not_known_has_no_macs(keras: Any) -> None:
    layers = keras.layers
    x = layers.Input((6, 4))

    class Mine(layers.Dense):  # type: ignore[name-defined,misc]
        pass

    for y in (
        layers.LSTM(3)(x),
        layers.MultiHeadAttention(2, 2)(x, x),
        layers.Dot(2)([x, x]),
        layers.Lambda(lambda value: value * 2)(x),
        keras.ops.matmul(x, keras.ops.transpose(x, (0, 2, 1))),
        layers.TimeDistributed(layers.Dense(2))(x),
        layers.SpectralNormalization(layers.Dense(2))(x),
        Mine(3)(x),
    ):
        assert count_macs(keras.Model(x, y)) is None
    assert count_macs(keras.Model(x, keras.ops.relu(x + 1))) == 0

    class Subclassed(keras.Model):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs)

    model = Subclassed()
    model(np.zeros((1, 4), np.float32))
    assert count_macs(model) is None and layer_costs(model) is None


_ON_ANOTHER_BACKEND = """
import sys, numpy as np
from onsight_train.archs import find_arch
from onsight_train.frameworks import load_keras
keras = load_keras()
for name in sys.argv[2:]:
    given = np.load(f"{sys.argv[1]}/{name}.npz")
    model = find_arch(name).build((16, 17, 1), 3)
    model.set_weights([given[f"arr_{number}"] for number in range(len(model.weights))])
    scores = np.asarray(keras.ops.convert_to_numpy(model(given["pictures"].astype("float32"), training=False)))
    np.testing.assert_allclose(scores, given["scores"], atol=1e-4)
print(keras.backend.backend(), len(sys.argv) - 2)
"""
_NARROW = tuple(f"{name}-0.25" if arch.scaled else name for name, arch in ARCHITECTURES.items())


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_scores_are_the_same_on_another_backend(keras: Any, tmp_path: Path, backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 16, 17, 1), dtype=np.uint8)
    for name in _NARROW:
        model = find_arch(name).build((16, 17, 1), 3)
        scores = model(pictures.astype(np.float32), training=False).numpy()
        np.savez(tmp_path / f"{name}.npz", *model.get_weights(), pictures=pictures, scores=scores)
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", _ON_ANOTHER_BACKEND, str(tmp_path), *_NARROW],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [backend, str(len(_NARROW))]
