"""Batches of training pictures, shuffled and changed at random, every draw a pure function of (seed, epoch, batch).

Not layers of the model: there they would travel into the saved file, and on a CPU they cost more. Not the
framework's random state either: TensorFlow repeats the same shuffle order every epoch, and a training that stops
could not be continued as if it had not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets.dataset import Split
from onsight_train.recipes import Recipe

Pictures = NDArray[np.uint8]
_SHUFFLE, _CHANGE = 0, 1  # streams that never meet


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """The training pictures as an endless, repeatable sequence of batches.

    Attributes:
        split: pictures and labels.
        classes: number of classes, the width of the targets.
        recipe: batch size and changes.
        seed: of the whole training.
    """

    split: Split
    classes: int
    recipe: Recipe
    seed: int

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return max(1, -(-len(self.split) // self.recipe.batch))

    def batch(self, epoch: int, index: int) -> tuple[Pictures, NDArray[np.float32]]:
        """One batch.

        Args:
            epoch: counted from 0.
            index: 0..per_epoch-1.

        Returns:
            (N, height, width, channels) uint8 pictures, (N, classes) float32 one-hot targets.
        """
        return self._make(self._parts(epoch)[index], epoch, index)

    def stream(self, epochs: int) -> Iterator[tuple[Pictures, NDArray[np.float32]]]:
        """All batches of `epochs` epochs, one after the other."""
        for epoch in range(epochs):
            for index, rows in enumerate(self._parts(epoch)):
                yield self._make(rows, epoch, index)

    def _make(self, rows: NDArray[np.int64], epoch: int, index: int) -> tuple[Pictures, NDArray[np.float32]]:
        random = np.random.default_rng((self.seed, _CHANGE, epoch, index))
        images = change(self.split.images[rows], self.recipe, random)
        return images, one_hot(self.split.labels[rows], self.classes)

    def _parts(self, epoch: int) -> list[NDArray[np.int64]]:
        order = np.random.default_rng((self.seed, _SHUFFLE, epoch)).permutation(len(self.split))
        return list(np.array_split(order, self.per_epoch))


def one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """(N,) class positions as (N, classes) float32, 1 at the true class and 0 elsewhere."""
    targets: NDArray[np.float32] = np.eye(classes, dtype=np.float32)[labels]
    return targets


def change(images: Pictures, recipe: Recipe, random: np.random.Generator) -> Pictures:
    """Pictures mirrored, shifted and partly covered as `recipe` says.

    Args:
        images: (N, height, width, channels) uint8; left as they are.
        recipe: which changes.
        random: where the draws come from; the same state gives the same pictures.

    Returns:
        A fresh array of the same shape.
    """
    count, height, width, _ = images.shape
    if not recipe.augments:
        same: Pictures = images.copy()
        return same
    flips = random.random((count,)) if recipe.flip else np.ones(count)
    # never wider than a mirrored border can be
    pad_y, pad_x = min(recipe.pad, height - 1), min(recipe.pad, width - 1)
    tops = random.integers(0, 2 * pad_y + 1, count)
    lefts = random.integers(0, 2 * pad_x + 1, count)
    padded = np.pad(images, ((0, 0), (pad_y, pad_y), (pad_x, pad_x), (0, 0)), mode="reflect")
    changed = np.empty_like(images)
    # a loop over slices is several times faster here than one gather with index arrays
    for i, (top, left, flip) in enumerate(zip(tops, lefts, flips, strict=True)):
        cut = padded[i, top : top + height, left : left + width]
        changed[i] = cut[:, ::-1] if flip < 0.5 else cut
    if recipe.cutout:
        _cover(changed, recipe.cutout, random)
    return changed


def _cover(images: Pictures, side: int, random: np.random.Generator) -> None:
    count, height, width, _ = images.shape
    centres = random.integers(0, (height, width), (count, 2))
    for image, (y, x) in zip(images, centres, strict=True):
        top, left = max(0, y - side // 2), max(0, x - side // 2)
        image[top : y - side // 2 + side, left : x - side // 2 + side] = 128
