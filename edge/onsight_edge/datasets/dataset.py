"""What a loaded data set is to the rest of onsight."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Pictures and their labels.

    Attributes:
        images: (N, height, width, channels) uint8 in the colour and size the model takes: RGB, or grey with one
            channel. What `Preprocessor.pixels` yields.
        labels: (N,) int64, positions in `Dataset.classes`.
        names: file names, or empty where the set has none.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DataError(
                f"pictures must be (N, height, width, channels) uint8, not {self.images.shape} {self.images.dtype}"
            )
        if self.labels.shape != (len(self.images),):
            raise DataError(f"{len(self.images)} pictures need as many labels, not {self.labels.shape}")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that was not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A labelled set, split for training.

    Attributes:
        name: for people and file names: `cifar10`, or the folder's name.
        uri: what `load_dataset` was given, absolute where it is a path, so that it can be loaded again.
        classes: in label order; class folders are sorted by name.
        train, validation, test: disjoint. The validation part was taken out of the training part, stratified and
            seeded; never out of test. Their arrays may be read-only: those of cached sets are mapped from the file.
        left_out: files that could not be used.
        duplicates: (name in one split, name in another) of pictures that are equal pixel for pixel.
        sha256: digest of the pixels and labels that were read, of how they were split, and of the size and colour
            they were brought to: equal ones mean equal data.
        source_sizes: (width, height, pictures) of the files as they were found, the most common first.
        notes: what else a person should know, one sentence each.
    """

    name: str
    uri: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    left_out: tuple[LeftOut, ...] = ()
    duplicates: tuple[tuple[str, str], ...] = field(default=())
    sha256: str = ""
    source_sizes: tuple[tuple[int, int, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the pictures, in pixels."""
        return (self.train.images.shape[2], self.train.images.shape[1])
