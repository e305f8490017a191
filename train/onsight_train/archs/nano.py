"""onsight-nano, our own: as right as fewer than 100 thousand parameters get, and at ease in eight bits."""

from __future__ import annotations

from typing import Any

from onsight_train.archs.architecture import Shape
from onsight_train.archs.parts import conv_norm, pixels_in, scores_out
from onsight_train.frameworks import load_keras

# (filters, blocks) of each stage: 3x3 convolutions of few channels, many of them at half size, where a channel's
# parameters see 256 positions and a CPU's convolutions still run at full speed
_STAGES = ((16, 1), (32, 3), (32, 2))


def onsight_nano(input_shape: Shape, classes: int, dropout: float) -> Any:
    """A residual network whose shortcuts average, then mix, where the picture is halved (Tong He et al. 2019)."""
    layers = load_keras().layers
    pixels, x = pixels_in(input_shape)
    x = conv_norm(x, _STAGES[0][0], "stem")
    for stage, (filters, blocks) in enumerate(_STAGES, start=1):
        for block in range(1, blocks + 1):
            name = f"stage{stage}_block{block}"
            halves = stage > 1 and block == 1
            y = conv_norm(x, filters, f"{name}_a", stride=2 if halves else 1)
            y = conv_norm(y, filters, f"{name}_b", relu=False)
            if halves:
                # averaged, then mixed: a strided 1x1 would drop three pixels of four
                x = layers.AveragePooling2D(2, padding="same", name=f"{name}_shortcut_pool")(x)
                x = conv_norm(x, filters, f"{name}_shortcut", size=1, relu=False)
            x = layers.Add(name=f"{name}_add")([x, y])
            x = layers.ReLU(name=f"{name}_relu")(x)
    return scores_out(pixels, x, classes, dropout, "onsight-nano")
