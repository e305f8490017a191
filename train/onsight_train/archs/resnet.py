"""Residual networks for small pictures: He et al., Deep Residual Learning for Image Recognition, 2015, section 4.2."""

from __future__ import annotations

from typing import Any

from onsight_train.archs.architecture import Shape
from onsight_train.archs.parts import conv_norm, norm, pixels_in, scores_out
from onsight_train.frameworks import load_keras

_FILTERS = (16, 32, 64)


def resnet8(input_shape: Shape, classes: int, dropout: float) -> Any:
    """MLPerf Tiny's ResNet-8 (Banbury et al. 2021): one block a stack, convolutions with bias, bare shortcuts."""
    layers = load_keras().layers

    def conv(x: Any, filters: int, name: str, *, size: int = 3, stride: int = 1) -> Any:
        # MLPerf Tiny's L2 penalty on kernels is the recipe's weight decay here: it belongs to the training
        return layers.Conv2D(filters, size, stride, padding="same", kernel_initializer="he_normal", name=name)(x)

    pixels, x = pixels_in(input_shape)
    x = norm(conv(x, _FILTERS[0], "stem"), "stem")
    for stack, filters in enumerate(_FILTERS, start=1):
        stride = 1 if stack == 1 else 2
        y = norm(conv(x, filters, f"stack{stack}_a", stride=stride), f"stack{stack}_a")
        y = norm(conv(y, filters, f"stack{stack}_b"), f"stack{stack}_b", relu=False)
        if stride != 1:
            x = conv(x, filters, f"stack{stack}_shortcut", size=1, stride=stride)
        x = layers.Add(name=f"stack{stack}_add")([x, y])
        x = layers.ReLU(name=f"stack{stack}_relu")(x)
    return scores_out(pixels, x, classes, dropout, "resnet8", initializer="he_normal")


def resnet20(input_shape: Shape, classes: int, dropout: float) -> Any:
    """The paper's ResNet-20: three stacks of three blocks.

    Where a stack halves the picture, the shortcut is a strided 1x1 convolution with batch norm (the paper's option B).
    Its option A, every second pixel with zeros for the new channels, has no parameters there, and needs slicing and
    padding that integer runtimes carry out one by one.
    """
    layers = load_keras().layers
    pixels, x = pixels_in(input_shape)
    x = conv_norm(x, _FILTERS[0], "stem")
    for stack, filters in enumerate(_FILTERS, start=1):
        for block in range(1, 4):
            name = f"stack{stack}_block{block}"
            stride = 2 if stack > 1 and block == 1 else 1
            y = conv_norm(x, filters, f"{name}_a", stride=stride)
            y = conv_norm(y, filters, f"{name}_b", relu=False)
            if stride != 1:
                x = conv_norm(x, filters, f"{name}_shortcut", size=1, stride=stride, relu=False)
            x = layers.Add(name=f"{name}_add")([x, y])
            x = layers.ReLU(name=f"{name}_relu")(x)
    return scores_out(pixels, x, classes, dropout, "resnet20")
