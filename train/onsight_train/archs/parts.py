"""The few pieces that the networks share.

Layers are called by name in the order in which they are built: both decide which weights a seed draws, so neither may
change for a network that was trained before.
"""

from __future__ import annotations

from typing import Any

from onsight_train.archs.architecture import Shape
from onsight_train.frameworks import load_keras

# Keras's 0.99 averages over more steps than a short training has; MLPerf Tiny and PyTorch have 0.9, too
MOMENTUM = 0.9


def pixels_in(input_shape: Shape) -> tuple[Any, Any]:
    """The input of raw pixels 0..255, and the same as 0..1."""
    layers = load_keras().layers
    pixels = layers.Input(input_shape, name="pixels")
    return pixels, layers.Rescaling(1 / 255, name="rescale")(pixels)


def conv_norm(
    x: Any, filters: int, name: str, *, size: int = 3, stride: int = 1, relu: bool = True, most: float | None = None
) -> Any:
    """A convolution without bias, batch norm, and a ReLU (clipped at `most`, where that is given)."""
    layers = load_keras().layers
    convolution = layers.Conv2D(
        filters, size, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )
    return norm(convolution(x), name, relu=relu, most=most)


def norm(x: Any, name: str, *, relu: bool = True, most: float | None = None) -> Any:
    """Batch norm, and a ReLU (clipped at `most`, where that is given)."""
    layers = load_keras().layers
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
    return layers.ReLU(most, name=f"{name}_relu")(x) if relu else x


def scores_out(pixels: Any, x: Any, classes: int, dropout: float, name: str, *, initializer: str | None = None) -> Any:
    """The model from `pixels` to the average over all places of `x`, dropout, and a dense softmax."""
    keras = load_keras()
    layers = keras.layers
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    dense = layers.Dense(
        classes, activation="softmax", kernel_initializer=initializer or "glorot_uniform", name="scores"
    )
    return keras.Model(pixels, dense(x), name=name)
