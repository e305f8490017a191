"""MobileNets: V1 (Howard et al. 2017) and V2 (Sandler et al. 2018), with a width multiplier.

Both were made for 224x224, which they shrink 32 times. Where the shorter side of the pictures is at most 64 pixels,
early strides of 2 become 1, as the networks are commonly adapted to CIFAR-10 (the repository kuangliu/pytorch-cifar):
the first convolution's in both, in V2 also that of the stage of 24 channels. V1 then shrinks 16 times, V2 8 times.

Widths other than 1 round every number of channels as V2's authors do: to a multiple of 8, and never down by more than a
tenth. For V1's published widths 0.75, 0.5 and 0.25 nothing is left to round.
"""

from __future__ import annotations

import math
from typing import Any

from onsight_train.archs.architecture import Build, Shape
from onsight_train.archs.parts import conv_norm, norm, pixels_in, scores_out
from onsight_train.frameworks import load_keras

SMALL = 64  # the longest shorter side that counts as small, in pixels
SIX = 6.0  # ReLU6: what a few bits hold well (Howard et al.)
NARROWEST, WIDEST = 0.1, 2.0

# (filters, stride of the depthwise convolution) of each pair
_V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
# table 2 of V2's paper: (expansion, filters, blocks, stride of the first block, the same for small pictures)
_V2 = (
    (1, 16, 1, 1, 1),
    (6, 24, 2, 2, 1),
    (6, 32, 3, 2, 2),
    (6, 64, 4, 2, 2),
    (6, 96, 3, 1, 1),
    (6, 160, 3, 2, 2),
    (6, 320, 1, 1, 1),
)


def channels_at(filters: int, width: float) -> int:
    """`filters` times `width`, rounded to the nearest multiple of 8, 8 at least, and to no less than 90 % of it."""
    exact = filters * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def mobilenetv1(width: float) -> Build:
    """V1: pairs of a 3x3 convolution within each channel and a 1x1 convolution across them."""

    def build(input_shape: Shape, classes: int, dropout: float) -> Any:
        pixels, x = pixels_in(input_shape)
        x = conv_norm(x, channels_at(32, width), "stem", stride=_stem_stride(input_shape), most=SIX)
        for number, (filters, stride) in enumerate(_V1, start=1):
            x = norm(_depthwise(x, f"pair{number}_depth", stride), f"pair{number}_depth", most=SIX)
            x = conv_norm(x, channels_at(filters, width), f"pair{number}_point", size=1, most=SIX)
        return scores_out(pixels, x, classes, dropout, _name("mobilenetv1", width))

    return build


def mobilenetv2(width: float) -> Build:
    """V2: inverted residuals, wide inside and narrow between, with no ReLU where they are narrow."""

    def build(input_shape: Shape, classes: int, dropout: float) -> Any:
        pixels, x = pixels_in(input_shape)
        x = conv_norm(x, channels_at(32, width), "stem", stride=_stem_stride(input_shape), most=SIX)
        for stage, (expansion, filters, blocks, stride, small_stride) in enumerate(_V2, start=1):
            first = small_stride if _small(input_shape) else stride
            for block in range(1, blocks + 1):
                name = f"stage{stage}_block{block}"
                x = _inverted(x, expansion, channels_at(filters, width), first if block == 1 else 1, name)
        # narrow networks keep the wide end: it is what the classes are told apart by (section 5 of the paper)
        x = conv_norm(x, channels_at(1280, max(width, 1.0)), "head", size=1, most=SIX)
        return scores_out(pixels, x, classes, dropout, _name("mobilenetv2", width))

    return build


def _inverted(x: Any, expansion: int, filters: int, stride: int, name: str) -> Any:
    y = x
    if expansion > 1:
        y = conv_norm(y, x.shape[-1] * expansion, f"{name}_widen", size=1, most=SIX)
    y = norm(_depthwise(y, f"{name}_depth", stride), f"{name}_depth", most=SIX)
    y = conv_norm(y, filters, f"{name}_narrow", size=1, relu=False)
    if stride == 1 and x.shape[-1] == filters:
        return load_keras().layers.Add(name=f"{name}_add")([x, y])
    return y


def _depthwise(x: Any, name: str, stride: int) -> Any:
    keras = load_keras()
    # he_normal for the 9 values that a filter sees: Keras would count those of all channels, and with hundreds of
    # them begin with signals so faint that batch norm's epsilon swallows them
    initializer = keras.initializers.TruncatedNormal(stddev=math.sqrt(2 / 9))
    return keras.layers.DepthwiseConv2D(
        3, stride, padding="same", use_bias=False, depthwise_initializer=initializer, name=name
    )(x)


def _small(input_shape: Shape) -> bool:
    return min(input_shape[:2]) <= SMALL


def _stem_stride(input_shape: Shape) -> int:
    return 1 if _small(input_shape) else 2


def _name(name: str, width: float) -> str:
    return name if width == 1 else f"{name}-{width:g}"
