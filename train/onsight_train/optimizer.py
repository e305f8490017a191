"""The optimizer of a recipe, its learning rate at every step, and the precision it computes in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from onsight_edge.errors import UsageError
from onsight_train.frameworks import load_keras
from onsight_train.recipes import Recipe


def make_optimizer(recipe: Recipe, steps_per_epoch: int) -> Any:
    """The `keras.optimizers.Optimizer` of a recipe, unbuilt.

    Args:
        recipe: kind, learning rate and its course, weight decay, clipping.
        steps_per_epoch: batches in one epoch.

    Raises:
        MissingExtraError: Keras is not installed.
    """
    keras = load_keras()
    rate: Any = recipe.lr
    if recipe.cosine:
        warmup, total = _steps(recipe, steps_per_epoch)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else recipe.lr,
            decay_steps=max(1, total - warmup),
            warmup_target=recipe.lr if warmup else None,
            warmup_steps=warmup,
        )
    shared = {"weight_decay": recipe.weight_decay or None, "global_clipnorm": recipe.clip_norm or None}
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **shared)
    else:
        optimizer = keras.optimizers.Adam(rate, **shared)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of step `step`, counted from 0: what the optimizer of `make_optimizer` uses.

    Linear warm-up (Goyal 2017), then half a cosine down to 0 (Loshchilov and Hutter 2016). The warm-up takes a fifth
    of the training at most.
    """
    if not recipe.cosine:
        return recipe.lr
    warmup, total = _steps(recipe, steps_per_epoch)
    if step < warmup:
        return recipe.lr * step / warmup
    fall = max(1, total - warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(step - warmup, fall) / fall))


def _steps(recipe: Recipe, steps_per_epoch: int) -> tuple[int, int]:
    total = recipe.epochs * steps_per_epoch
    return min(int(recipe.warmup_epochs * steps_per_epoch), total // 5), total


@contextmanager
def precision(recipe: Recipe) -> Iterator[None]:
    """Networks built inside compute as the recipe says: in 16 bits with `mixed_precision`, else in 32.

    Micikevicius 2017: weights stay float32, and Keras scales the loss by itself. A network built outside, to be
    saved, takes the same weights.

    Raises:
        UsageError: 16 bits were asked for and the backend has no GPU.
    """
    if not recipe.mixed_precision:
        yield
        return
    require_gpu()
    keras = load_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def require_gpu() -> None:
    """Refuse what only pays on a GPU.

    Raises:
        UsageError: Keras's backend sees none.
    """
    backend = load_keras().backend.backend()
    if not _gpus(backend):
        raise UsageError(
            f"--mixed-precision needs a GPU, and {backend} sees none: leave it out, or choose the backend that sees "
            "one with KERAS_BACKEND"
        )


def _gpus(backend: str) -> int:
    if backend == "tensorflow":
        return len(import_module("tensorflow").config.list_physical_devices("GPU"))
    if backend == "jax":
        return sum(device.platform in ("gpu", "cuda", "rocm") for device in import_module("jax").devices())
    if backend == "torch":
        return int(import_module("torch").cuda.device_count())
    return 0
