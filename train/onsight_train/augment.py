"""Batches of training pictures, shuffled and changed at random, every draw a pure function of (seed, epoch, batch).

Not layers of the model: there they would travel into the saved file, and on a CPU they cost more. Not the
framework's random state either: TensorFlow repeats the same shuffle order every epoch, and a training that stops
could not be continued as if it had not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets.dataset import Split
from onsight_train.recipes import Recipe

Pictures = NDArray[np.uint8]
Targets = NDArray[np.float32]
# streams that never meet; a change that is switched on leaves the draws of the others as they were
_SHUFFLE, _CHANGE, _COLOUR, _MIX = range(4)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as OpenCV makes grey


class Answers(Protocol):
    """What can be asked for probabilities; a `Teacher`."""

    def scores(self, images: Pictures) -> Targets:
        """(N, classes) float32 probabilities of (N, height, width, channels) uint8 pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """The training pictures as an endless, repeatable sequence of batches.

    Attributes:
        split: pictures and labels.
        classes: number of classes.
        recipe: batch size and changes.
        seed: of the whole training.
        teacher: asked about every batch as it is after all changes; None asks nobody.
    """

    split: Split
    classes: int
    recipe: Recipe
    seed: int
    teacher: Answers | None = None

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return max(1, -(-len(self.split) // self.recipe.batch))

    def batch(self, epoch: int, index: int) -> tuple[Pictures, Targets]:
        """One batch.

        Args:
            epoch: counted from 0.
            index: 0..per_epoch-1.

        Returns:
            (N, height, width, channels) uint8 pictures; (N, classes) float32 targets, each row summing to 1, or to
            the picture's weight with class weights. With a teacher (N, 2*classes): its probabilities follow.
        """
        return self._make(self._parts(epoch)[index], epoch, index)

    def stream(self, epochs: int, start: tuple[int, int] = (0, 0)) -> Iterator[tuple[Pictures, Targets]]:
        """All batches of `epochs` epochs one after the other, from `start` on: (epoch, batch), both from 0."""
        first, skip = start
        for epoch in range(first, epochs):
            for index, rows in enumerate(self._parts(epoch)):
                if epoch > first or index >= skip:
                    yield self._make(rows, epoch, index)

    def _make(self, rows: NDArray[np.int64], epoch: int, index: int) -> tuple[Pictures, Targets]:
        recipe, labels = self.recipe, self.split.labels

        def random(stream: int) -> np.random.Generator:
            return np.random.default_rng((self.seed, stream, epoch, index))

        images = self.split.images[rows]
        targets = one_hot(labels[rows], self.classes)
        if recipe.colour:
            images = recolour(images, recipe.colour, random(_COLOUR))
        images = change(images, recipe, random(_CHANGE))
        if recipe.mixup or recipe.cutmix:
            images, targets = mix(images, targets, recipe, random(_MIX))
        if recipe.class_weights:
            # of the whole picture, not of each class in its mixture: the larger share stays the larger one
            targets *= (targets @ class_weights(labels, self.classes))[:, None]
        if self.teacher is not None:
            targets = np.concatenate([targets, self.teacher.scores(images)], axis=1)
        return images, targets

    def _parts(self, epoch: int) -> list[NDArray[np.int64]]:
        order = np.random.default_rng((self.seed, _SHUFFLE, epoch)).permutation(len(self.split))
        return list(np.array_split(order, self.per_epoch))


def one_hot(labels: NDArray[np.int64], classes: int) -> Targets:
    """(N,) class positions as (N, classes) float32, 1 at the true class and 0 elsewhere."""
    targets: Targets = np.eye(classes, dtype=np.float32)[labels]
    return targets


def class_weights(labels: NDArray[np.int64], classes: int) -> Targets:
    """What a picture of each class counts: (classes,) float32, inversely as the class is frequent.

    All classes that have pictures count the same together, and a picture counts 1 on the average.
    """
    counts = np.bincount(labels, minlength=classes)
    present = counts > 0
    weights = np.zeros(classes, np.float32)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return weights


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
    if not (recipe.flip or recipe.pad or recipe.cutout):
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


def recolour(images: Pictures, strength: float, random: np.random.Generator) -> Pictures:
    """Pictures of other brightness, contrast and saturation, each by a factor within 1 - strength and 1 + strength.

    Brightness multiplies, contrast pulls towards the picture's mean grey or away from it, saturation towards each
    pixel's own grey. Rounded once, at the end. Grey pictures have no saturation to change.

    Args:
        images: (N, height, width, 1 or 3) uint8; left as they are.
        strength: 0..1.
        random: where the factors come from.

    Returns:
        A fresh array of the same shape.
    """
    count, *_, channels = images.shape
    drawn = random.uniform(1 - strength, 1 + strength, (3, count, 1, 1, 1)).astype(np.float32)
    brightness, contrast, saturation = drawn
    pixels = images.astype(np.float32)
    grey = (pixels @ _LUMA)[..., None] if channels == 3 else pixels
    offset = (1 - contrast) * brightness * grey.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float32)
    if channels == 3:
        offset = offset + grey * (brightness * contrast * (1 - saturation))
        pixels *= brightness * contrast * saturation
    else:
        pixels *= brightness * contrast
    pixels += offset
    return _to_uint8(pixels)


def mix(images: Pictures, targets: Targets, recipe: Recipe, random: np.random.Generator) -> tuple[Pictures, Targets]:
    """Every picture joined with another of the batch: blended (mixup) or with a rectangle of it (CutMix).

    The share of the first picture is drawn from Beta(alpha, alpha) once a batch, as in the code of both papers
    (Zhang 2018, Yun 2019). Where the recipe has both, a coin decides for each batch.

    Args:
        images: (N, height, width, channels) uint8; left as they are.
        targets: (N, classes) float32; left as they are.
        recipe: the alphas.
        random: where the draws come from.

    Returns:
        Fresh arrays of the same shapes; each target is the mean of two by their shares of the picture.
    """
    count, height, width, _ = images.shape
    blend = random.random() < 0.5 if recipe.mixup and recipe.cutmix else recipe.mixup > 0
    alpha = recipe.mixup if blend else recipe.cutmix
    share = float(random.beta(alpha, alpha))
    partner = random.permutation(count)
    if blend:
        pixels = images.astype(np.float32)
        pixels *= share
        pixels += images[partner].astype(np.float32) * np.float32(1 - share)
        mixed = _to_uint8(pixels)
    else:
        side = np.sqrt(1 - share)
        y, x = random.integers(0, (height, width))
        half_y, half_x = round(height * side) / 2, round(width * side) / 2
        rows = slice(max(0, int(y - half_y)), min(height, int(y + half_y)))
        columns = slice(max(0, int(x - half_x)), min(width, int(x + half_x)))
        mixed = images.copy()
        mixed[:, rows, columns] = images[partner, rows, columns]
        # what the border cut off counts no more
        share = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    return mixed, targets * np.float32(share) + targets[partner] * np.float32(1 - share)


def _to_uint8(pixels: NDArray[np.float32]) -> Pictures:
    np.rint(pixels, out=pixels)
    return np.clip(pixels, 0, 255, out=pixels).astype(np.uint8)
