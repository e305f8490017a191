"""What a person wants to know of a data set before training on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onsight_edge.datasets.dataset import Dataset, LeftOut
from onsight_edge.datasets.duplicates import same_picture

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A data set in figures.

    Attributes:
        name, uri, sha256, classes, left_out, duplicates, notes: as in Dataset.
        size_wh: of the pictures as they are handed on, in pixels.
        channels: 3, or 1 for grey.
        counts: split -> pictures of each class, in the order of `classes`.
        smallest_wh, median_wh, largest_wh: of the files as they were found, by area.
        common_wh: the size that most files have, and how many have it.
        repeated: pictures that are a copy of one before them, pixel for pixel, in any split.
        conflicts: (name, name) of equal pictures that stand in different classes: one of the two is wrong.
    """

    name: str
    uri: str
    sha256: str
    classes: tuple[str, ...]
    size_wh: tuple[int, int]
    channels: int
    counts: dict[str, tuple[int, ...]]
    smallest_wh: tuple[int, int]
    median_wh: tuple[int, int]
    largest_wh: tuple[int, int]
    common_wh: tuple[int, int, int]
    left_out: tuple[LeftOut, ...]
    duplicates: tuple[tuple[str, str], ...]
    repeated: int
    conflicts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def total(self, split: str | None = None) -> int:
        """Pictures in one split, or in all."""
        return sum(sum(self.counts[key]) for key in SPLITS if split in (None, key))

    @property
    def imbalance(self) -> float:
        """How many times the training pictures of the rarest class the most frequent one has."""
        return max(self.counts["train"]) / max(1, min(self.counts["train"]))

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values; docs/cli/data.md describes every key."""
        return {
            "name": self.name,
            "uri": self.uri,
            "sha256": self.sha256,
            "classes": list(self.classes),
            "size_wh": list(self.size_wh),
            "channels": self.channels,
            "counts": {key: dict(zip(self.classes, self.counts[key], strict=True)) for key in SPLITS},
            "totals": {key: self.total(key) for key in SPLITS},
            "imbalance": round(self.imbalance, 3),
            "source_sizes": {
                "smallest_wh": list(self.smallest_wh),
                "median_wh": list(self.median_wh),
                "largest_wh": list(self.largest_wh),
                "most_common_wh": list(self.common_wh[:2]),
                "most_common_count": self.common_wh[2],
            },
            "left_out": [{"name": item.name, "reason": item.reason} for item in self.left_out],
            "duplicates": [list(pair) for pair in self.duplicates],
            "repeated": self.repeated,
            "conflicts": [list(pair) for pair in self.conflicts],
            "notes": list(self.notes),
        }


def describe(dataset: Dataset) -> DatasetSummary:
    """Count what is in a data set."""
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    groups = same_picture([part.images for part in parts.values()])
    labels = np.concatenate([part.labels for part in parts.values()])
    names = [name for key, part in parts.items() for name in (part.names or _numbered(key, len(part)))]
    copies = np.flatnonzero(groups != np.arange(len(groups)))
    by_area = sorted(dataset.source_sizes, key=lambda size: (size[0] * size[1], size))
    return DatasetSummary(
        name=dataset.name,
        uri=dataset.uri,
        sha256=dataset.sha256,
        classes=dataset.classes,
        size_wh=dataset.size_wh,
        channels=dataset.train.images.shape[3],
        counts={
            key: tuple(np.bincount(part.labels, minlength=len(dataset.classes)).tolist()) for key, part in parts.items()
        },
        smallest_wh=by_area[0][:2],
        median_wh=_median(by_area),
        largest_wh=by_area[-1][:2],
        common_wh=dataset.source_sizes[0],
        left_out=dataset.left_out,
        duplicates=dataset.duplicates,
        repeated=len(copies),
        conflicts=tuple((names[groups[i]], names[i]) for i in copies if labels[i] != labels[groups[i]]),
        notes=dataset.notes,
    )


def _numbered(split: str, count: int) -> list[str]:
    return [f"{split}[{place}]" for place in range(count)]


def _median(by_area: list[tuple[int, int, int]]) -> tuple[int, int]:
    half, seen = sum(count for _, _, count in by_area) / 2, 0
    for width, height, count in by_area:
        seen += count
        if seen >= half:
            return (width, height)
    raise AssertionError("a data set has pictures")
