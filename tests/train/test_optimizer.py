"""Optimizers: the learning rate at every step, what is decayed and clipped, and 16 bits only where they pay."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.errors import UsageError
from onsight_train import optimizer as module
from onsight_train.optimizer import learning_rate, make_optimizer, precision, require_gpu
from onsight_train.recipes import RECIPES, Recipe

STANDARD = RECIPES["standard"]


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize(("epochs", "warmup"), [(5, 2), (3, 0), (12, 1.5)])
def test_the_schedule_is_the_one_keras_uses(keras: Any, epochs: int, warmup: float, cosine: bool) -> None:
    recipe = dataclasses.replace(STANDARD, epochs=epochs, warmup_epochs=warmup, cosine=cosine)
    used = make_optimizer(recipe, 7)._learning_rate
    for step in range(epochs * 7 + 3):
        rate = float(np.asarray(used(step) if callable(used) else used))
        assert rate == pytest.approx(learning_rate(recipe, step, 7), abs=1e-7)


@given(epochs=st.integers(1, 60), per_epoch=st.integers(1, 50), warmup=st.floats(0, 80))
def test_the_rate_rises_once_and_falls_once_to_nothing(epochs: int, per_epoch: int, warmup: float) -> None:
    recipe = dataclasses.replace(STANDARD, epochs=epochs, warmup_epochs=warmup)
    total = epochs * per_epoch
    rates = np.array([learning_rate(recipe, step, per_epoch) for step in range(total + 1)])
    top = int(rates.argmax())
    assert rates[top] == recipe.lr and top <= total // 5
    assert (np.diff(rates[: top + 1]) > 0).all() and (np.diff(rates[top:]) < 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def stepped(keras: Any, recipe: Recipe, gradients: list[list[float]]) -> list[np.ndarray]:
    """What one step with these gradients makes of two variables that are all 1."""
    names = ("kernel", "bias")
    variables = [keras.Variable(np.ones(len(g), np.float32), name=n) for g, n in zip(gradients, names, strict=True)]
    make_optimizer(recipe, 1).apply([keras.ops.convert_to_tensor(g, "float32") for g in gradients], variables)
    return [np.asarray(variable) for variable in variables]


def test_kernels_decay_and_biases_do_not(keras: Any) -> None:
    for kind in ("sgd", "adam"):
        recipe = Recipe("decays", epochs=1, batch=1, lr=0.5, optimizer=kind, weight_decay=0.1)  # type: ignore[arg-type]
        kernel, bias = stepped(keras, recipe, [[0, 0], [0]])
        assert kernel == pytest.approx(0.95) and bias == pytest.approx(1)


def test_gradients_are_clipped_together(keras: Any) -> None:
    recipe = Recipe("plain", epochs=1, batch=1, lr=0.1, optimizer="sgd")
    free = stepped(keras, recipe, [[3, 0], [4]])
    clipped = stepped(keras, dataclasses.replace(recipe, clip_norm=1.0), [[3, 0], [4]])
    for one, other in zip(free, clipped, strict=True):
        assert other - 1 == pytest.approx((one - 1) / 5), "a norm of 5 becomes one of 1, the direction stays"
    wide = stepped(keras, dataclasses.replace(recipe, clip_norm=50.0), [[3, 0], [4]])
    assert all((one == other).all() for one, other in zip(free, wide, strict=True))


def test_16_bits_without_a_gpu_are_refused_in_one_line(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_gpus", lambda backend: 0)
    half = dataclasses.replace(STANDARD, mixed_precision=True)
    with pytest.raises(UsageError, match=r"--mixed-precision needs a GPU, and \w+ sees none: .*KERAS_BACKEND"):
        require_gpu()
    with pytest.raises(UsageError, match="needs a GPU"), precision(half):
        pass
    with precision(STANDARD):
        assert keras.config.dtype_policy().name == "float32"


def test_16_bits_are_for_what_is_built_inside(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_gpus", lambda backend: 1)
    with precision(dataclasses.replace(STANDARD, mixed_precision=True)):
        inside = keras.layers.Dense(2)
    outside = keras.layers.Dense(2)
    assert (inside.compute_dtype, inside.variable_dtype) == ("float16", "float32")
    assert outside.compute_dtype == "float32"
