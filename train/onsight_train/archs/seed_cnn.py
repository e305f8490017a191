"""The network of many a tutorial."""

from __future__ import annotations

from typing import Any

from onsight_train.archs.architecture import Shape
from onsight_train.frameworks import load_keras


def seed_cnn(input_shape: Shape, classes: int, dropout: float) -> Any:
    """Two convolutions with max pooling and a hidden layer of 128; most of its parameters stand in that layer."""
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
