"""The networks that onsight trains, by name: plain Keras 3 layers, raw RGB pixels 0..255 in, probabilities out.

Every network begins with `Rescaling(1/255)`, so that whoever runs it feeds pixels as they are (contract 1 of
docs/architecture.md); the TFLite converter folds it away. No layer is of our own making: a saved `model.keras`
loads anywhere without custom objects.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from onsight_edge.errors import DataError, ModelError
from onsight_train.frameworks import load_keras

Build = Callable[[tuple[int, int, int], int, float], Any]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network that can be built for any picture size and number of classes.

    Attributes:
        name: what `--arch` takes.
        description: one line for people.
        recipe: name of the recipe it is trained by unless another is asked for.
        smallest: the shortest picture side in pixels that its poolings and strides leave anything of.
        construct: (height, width, channels), classes, dropout -> keras.Model.
    """

    name: str
    description: str
    recipe: str
    smallest: int
    construct: Build

    def build(self, input_shape: tuple[int, int, int], classes: int, dropout: float = 0.0) -> Any:
        """A fresh, uncompiled `keras.Model`; its weights follow `keras.utils.set_random_seed`.

        Args:
            input_shape: (height, width, channels) of the pictures.
            classes: how many probabilities come out.
            dropout: share of the last hidden features left out while training, 0..1; 0 adds no layer.

        Raises:
            DataError: the pictures are smaller than `smallest`.
            MissingExtraError: Keras is not installed.
        """
        height, width, _ = input_shape
        if min(height, width) < self.smallest:
            raise DataError(
                f"{self.name} needs pictures of at least {self.smallest}x{self.smallest} pixels, "
                f"these are {width}x{height}: pass a larger --imgsz"
            )
        return self.construct(input_shape, classes, dropout)


def find_arch(name: str) -> Architecture:
    """The architecture called `name`.

    Raises:
        ModelError: there is none; the message lists the known ones and the closest.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    close = difflib.get_close_matches(name.lower(), ARCHITECTURES, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ModelError(f"unknown arch {name!r}: {hint}known are {', '.join(ARCHITECTURES)}")


def _seed_cnn(input_shape: tuple[int, int, int], classes: int, dropout: float) -> Any:
    layers = load_keras().layers
    stack = [
        layers.Input(input_shape, name="pixels"),
        layers.Rescaling(1 / 255, name="rescale"),
        layers.Conv2D(32, 3, activation="relu", name="conv1"),
        layers.MaxPooling2D(2, name="pool1"),
        layers.Conv2D(64, 3, activation="relu", name="conv2"),
        layers.MaxPooling2D(2, name="pool2"),
        layers.Flatten(name="flatten"),
        layers.Dense(128, activation="relu", name="hidden"),
    ]
    if dropout:
        stack.append(layers.Dropout(dropout, name="dropout"))
    stack.append(layers.Dense(classes, activation="softmax", name="scores"))
    return load_keras().Sequential(stack, name="seed-cnn")


def _resnet8(input_shape: tuple[int, int, int], classes: int, dropout: float) -> Any:
    keras = load_keras()
    layers = keras.layers

    def conv(x: Any, filters: int, name: str, *, size: int = 3, stride: int = 1) -> Any:
        # MLPerf Tiny's L2 penalty on kernels is the recipe's weight decay here: it belongs to the training
        return layers.Conv2D(filters, size, stride, padding="same", kernel_initializer="he_normal", name=name)(x)

    def normalized(x: Any, name: str, *, relu: bool) -> Any:
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x) if relu else x

    pixels = layers.Input(input_shape, name="pixels")
    x = layers.Rescaling(1 / 255, name="rescale")(pixels)
    x = normalized(conv(x, 16, "stem"), "stem", relu=True)
    for stack, filters in enumerate((16, 32, 64), start=1):
        stride = 1 if stack == 1 else 2
        y = normalized(conv(x, filters, f"stack{stack}_a", stride=stride), f"stack{stack}_a", relu=True)
        y = normalized(conv(y, filters, f"stack{stack}_b"), f"stack{stack}_b", relu=False)
        if stride != 1:
            x = conv(x, filters, f"stack{stack}_shortcut", size=1, stride=stride)
        x = layers.Add(name=f"stack{stack}_add")([x, y])
        x = layers.ReLU(name=f"stack{stack}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    scores = layers.Dense(classes, activation="softmax", kernel_initializer="he_normal", name="scores")(x)
    return keras.Model(pixels, scores, name="resnet8")


# (filters, blocks) of each stage: 3x3 convolutions of few channels, many of them at half size, where a channel's
# parameters see 256 positions and a CPU's convolutions still run at full speed
_NANO_STAGES = ((16, 1), (32, 3), (32, 2))


def _onsight_nano(input_shape: tuple[int, int, int], classes: int, dropout: float) -> Any:
    keras = load_keras()
    layers = keras.layers

    def conv_norm(x: Any, filters: int, name: str, *, size: int = 3, stride: int = 1, relu: bool = True) -> Any:
        x = layers.Conv2D(
            filters, size, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
        )(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x) if relu else x

    pixels = layers.Input(input_shape, name="pixels")
    x = layers.Rescaling(1 / 255, name="rescale")(pixels)
    x = conv_norm(x, _NANO_STAGES[0][0], "stem")
    for stage, (filters, blocks) in enumerate(_NANO_STAGES, start=1):
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
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    scores = layers.Dense(classes, activation="softmax", name="scores")(x)
    return keras.Model(pixels, scores, name="onsight-nano")


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        arch.name: arch
        for arch in (
            Architecture(
                "seed-cnn",
                "two convolutions and a hidden layer, as tutorials have it; trains in minutes, overfits",
                recipe="tutorial",
                smallest=10,
                construct=_seed_cnn,
            ),
            Architecture(
                "resnet8",
                "MLPerf Tiny's ResNet-8: 77.7 thousand parameters, fast on a microprocessor",
                recipe="standard",
                smallest=4,
                construct=_resnet8,
            ),
            Architecture(
                "onsight-nano",
                "our own residual network: fewer than 100 thousand parameters, plain 3x3 convolutions and ReLU",
                recipe="standard",
                smallest=4,
                construct=_onsight_nano,
            ),
        )
    }
)
