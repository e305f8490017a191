"""Which Keras layer an operator of an exported file came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onsight_export.parity.matching import resolve

if TYPE_CHECKING:
    import keras

_SAME = 0.999


def meanings(texts: Iterable[str], layers: Sequence[str]) -> dict[str, str]:
    """Which layer each part of a file's names means: Keras numbers the layers of a network that it exports anew.

    So `add_1` is the layer `add` as well as the layer `add_1` may be: see `onsight_export.parity.matching.resolve`.

    Args:
        texts: all names of the file, in the order of computing.
        layers: the network's.
    """
    return resolve([part for text in texts for part in _parts(text)], layers)


def layer_of(texts: Iterable[str], meant: Mapping[str, str]) -> str | None:
    """The first Keras layer that names from a file name, or None.

    Args:
        texts: of an operator and its tensors, the most telling first. A tensor of fused operators has all their
            names: `net/conv1_1/BiasAdd;net/relu1_1/Relu`.
        meant: see `meanings`.
    """
    return next((meant[part] for text in texts for part in _parts(text) if part in meant), None)


def _parts(text: str) -> list[str]:
    return re.split("[/;]", text)


def kernels(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Every layer's kernel as (outputs, the rest), each output's weights of length 1.

    A batch normalization that is folded into a convolution scales each output, which this takes out again: a
    quantizer's graph is known by it where the converter lost the names.
    """
    import keras

    found: dict[str, NDArray[np.float32]] = {}
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None and len(kernel.shape) in (2, 4):
            value = np.asarray(keras.ops.convert_to_numpy(kernel), np.float32)
            if type(layer).__name__ == "DepthwiseConv2D":  # (rows, columns, channels, multiplier)
                value = np.moveaxis(value, (2, 3), (0, 1)).reshape(-1, value.shape[0] * value.shape[1])
            else:  # outputs last
                value = np.moveaxis(value, -1, 0)
                value = np.moveaxis(value, -1, 1) if value.ndim == 4 else value  # ONNX: inputs before rows, columns
            found[layer.name] = unit(value.reshape(len(value), -1))
    return found


def unit(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; rows of zeros stay."""
    length = np.linalg.norm(kernel, axis=1, keepdims=True)
    return (kernel / np.where(length > 0, length, 1)).astype(np.float32)


def layer_with(kernel: NDArray[np.float32], known: Mapping[str, NDArray[np.float32]]) -> str | None:
    """The layer whose kernel this is but for each output's scale, or None.

    Args:
        kernel: (outputs, inputs, rows, columns) or (outputs, inputs), as ONNX stores it.
        known: see `kernels`.
    """
    mine = unit(kernel.reshape(len(kernel), -1))
    for name, theirs in known.items():
        if theirs.shape == mine.shape and float(np.median(np.abs((mine * theirs).sum(axis=1)))) > _SAME:
            return name
    return None
