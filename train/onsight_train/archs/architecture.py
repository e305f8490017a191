"""What a network is to onsight: a name, a few words for people, and the function that builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from onsight_edge.errors import DataError

Shape = tuple[int, int, int]
Build = Callable[[Shape, int, float], Any]
Scaled = Callable[[float], Build]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network that can be built for any picture size and number of classes.

    Attributes:
        name: what `--arch` takes.
        description: one line for people.
        recipe: name of the recipe it is trained by unless another is asked for.
        smallest: the shortest picture side in pixels that its poolings and strides leave anything of.
        construct: (height, width, channels), classes, dropout -> keras.Model.
        scaled: width multiplier -> such a function; None where the network comes in one width.
    """

    name: str
    description: str
    recipe: str
    smallest: int
    construct: Build
    scaled: Scaled | None = None

    def build(self, input_shape: Shape, classes: int, dropout: float = 0.0) -> Any:
        """A fresh, uncompiled `keras.Model`; its weights follow `keras.utils.set_random_seed`.

        Args:
            input_shape: (height, width, channels) of the pictures.
            classes: how many probabilities come out.
            dropout: share of the last hidden features left out while training, 0..1; 0 adds no layer.

        Raises:
            DataError: the pictures are smaller than `smallest`.
            ModelError: it is the user's own, and fails or cannot be trained, exported and loaded again.
            MissingExtraError: Keras is not installed.
        """
        height, width, _ = input_shape
        if min(height, width) < self.smallest:
            raise DataError(
                f"{self.name} needs pictures of at least {self.smallest}x{self.smallest} pixels, "
                f"these are {width}x{height}: pass a larger --imgsz"
            )
        return self.construct(input_shape, classes, dropout)

    def at_width(self, width: float) -> Architecture:
        """The same network with `width` times the channels, called `NAME-WIDTH`; itself at 1."""
        if self.scaled is None or width == 1:
            return self
        name = f"{self.name}-{width:g}"
        return replace(self, name=name, construct=self.scaled(width), scaled=None)
