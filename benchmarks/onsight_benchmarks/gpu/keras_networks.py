"""Keras networks as a worker executes them: in the precision asked for, raw uint8 pictures in, float32 scores out.

Imported in a worker alone, under the framework that $KERAS_BACKEND names.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from onsight_benchmarks.gpu.job import Job
from onsight_edge.errors import IntegrityError, ModelError
from onsight_edge.files import sha256_bytes
from onsight_edge.spec import ModelSpec


def load_network(job: Job) -> Any:
    """The `keras.Model` of a job, in its precision; loaded once for all batch sizes.

    Raises:
        IntegrityError: the file is not the one that was found. ModelError: Keras cannot load it, or it is no
            classifier of the spec's pictures.
    """
    return _load(job.path, job.sha256, job.spec, job.precision)


@functools.lru_cache(maxsize=2)
def _load(name: str, sha256: str, spec: str, precision: str) -> Any:
    import keras

    path = Path(name)
    if sha256_bytes(path.read_bytes()) != sha256:
        raise IntegrityError(f"{path.name} has changed meanwhile")
    with _on_host():
        try:
            model = keras.models.load_model(path, compile=False)
        except Exception as error:  # Keras raises whatever its zip, JSON and HDF5 readers raise
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(f"cannot load {path.name}: {reason[:200]}") from error
        _check(model, ModelSpec.from_json(json.loads(spec), path.name), path.name)
        return in_bfloat16(model) if precision == "bfloat16" else model


def _on_host() -> AbstractContextManager[Any]:
    """Where JAX draws the weights that the file's then replace: on a GPU it compiles an operation for every shape."""
    import keras

    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    return jax.default_device(jax.devices("cpu")[0])  # type: ignore[no-any-return]


def in_bfloat16(model: Any) -> Any:
    """The same network, computing in bfloat16.

    Weights are rounded once, so that no call casts them. Two kinds of layers keep float32 weights, as Keras's guide to
    mixed precision has it: the last one, so that scores are not rounded to 8 bits, and batch norm, whose statistics
    would lose most. Source: https://keras.io/api/mixed_precision/

    Raises:
        ModelError: the network cannot be built anew from its layers' configurations.
    """
    import keras

    last = model.layers[-1]

    def rebuilt(layer: Any) -> Any:
        config = layer.get_config()
        if layer is last:
            config["dtype"] = "float32"
        elif isinstance(layer, keras.layers.BatchNormalization):
            config["dtype"] = "mixed_bfloat16"
        else:
            config["dtype"] = "bfloat16"
        return layer.__class__.from_config(config)

    try:
        clone = keras.models.clone_model(model, clone_function=rebuilt)
        clone.set_weights(model.get_weights())
    except Exception as error:  # a subclassed model, a layer that takes no dtype
        raise ModelError(f"cannot be built anew in bfloat16: {' '.join(str(error).split())[:200]}") from error
    return clone


def scores_function(model: Any, spec: ModelSpec) -> Callable[[Any], Any]:
    """From (batch, height, width, channels) uint8 to (batch, classes) float32, both tensors of the framework."""
    from keras import ops

    mean = np.asarray(spec.mean, np.float32)
    std = np.asarray(spec.std, np.float32)

    def scores(pixels: Any) -> Any:
        values = ops.cast(pixels, "float32")
        if not spec.raw_pixels:
            values = ops.divide(ops.subtract(values, mean), std)
        return ops.cast(model(values, training=False), "float32")

    return scores


def _check(model: Any, spec: ModelSpec, name: str) -> None:
    width, height = spec.input_size_wh
    wanted = ((height, width, spec.channels), (len(spec.classes),))
    inputs: list[Any] = list(getattr(model, "inputs", None) or [])
    outputs: list[Any] = list(getattr(model, "outputs", None) or [])
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(f"{name} must have one input and one output, not {len(inputs)} and {len(outputs)}")
    found = (tuple(inputs[0].shape[1:]), tuple(outputs[0].shape[1:]))
    if any(
        len(shape) != len(sizes) or any(a not in (None, b) for a, b in zip(shape, sizes, strict=True))
        for shape, sizes in zip(found, wanted, strict=True)
    ):
        raise ModelError(f"{name} takes {found[0]} and gives {found[1]}; its spec says {wanted[0]} and {wanted[1]}")
