"""Test pictures that stood among the pictures learnt from, and the accuracy without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets.dataset import Split
from onsight_edge.datasets.duplicates import LEAST_DETAIL, LEAST_OVERALL, NearCopy, near_copies
from onsight_edge.metrics import wilson


@dataclass(frozen=True, slots=True)
class Leakage:
    """Copies, and what they do to the accuracy.

    Attributes:
        pictures: evaluated ones.
        searched: pictures that were searched for copies of them.
        copies: one for each evaluated picture that has one.
        names: (evaluated picture, its copy) for each of `copies`.
        other_label: how many of `copies` stand under another class than the evaluated picture.
        correct_with: right answers among the pictures that have a copy.
        correct_without: right answers among the others.
    """

    pictures: int
    searched: int
    copies: tuple[NearCopy, ...]
    names: tuple[tuple[str, str], ...]
    other_label: int
    correct_with: int
    correct_without: int

    @property
    def left(self) -> int:
        """Pictures without a copy."""
        return self.pictures - len(self.copies)

    @property
    def accuracy_without(self) -> float | None:
        """Accuracy on pictures that have no copy, 0..1; None where all have one."""
        return self.correct_without / self.left if self.left else None

    @property
    def accuracy_with(self) -> float | None:
        """Accuracy on pictures that have one; None where none has."""
        return self.correct_with / len(self.copies) if self.copies else None

    def to_json(self) -> dict[str, Any]:
        """As JSON values, shares rounded to 6 digits."""
        pairs = [
            {
                "picture": name,
                "copy": other,
                "mirrored": copy.mirrored,
                "exact": copy.exact,
                "likeness": round(copy.likeness, 4),
            }
            for copy, (name, other) in zip(self.copies, self.names, strict=True)
        ]
        return {
            "searched": self.searched,
            "least_overall": LEAST_OVERALL,
            "least_detail": LEAST_DETAIL,
            "with_copy": len(self.copies),
            "exact": sum(copy.exact for copy in self.copies),
            "mirrored": sum(copy.mirrored for copy in self.copies),
            "other_label": self.other_label,
            "accuracy_with_copy": _rounded(self.accuracy_with),
            "accuracy_without_copies": _rounded(self.accuracy_without),
            "accuracy_without_copies_interval_95": [
                round(bound, 6) for bound in wilson(self.correct_without, self.left)
            ],
            "pairs": pairs,
        }


def search(
    part: Split,
    name: str,
    learnt: dict[str, Split],
    right: NDArray[np.bool_],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Leakage:
    """Look for the copies of a split's pictures in others.

    Args:
        part: the evaluated pictures.
        name: what its split is called.
        learnt: split name -> pictures that the training saw, in the same size and colour and with the same classes.
        right: (N,) whether the model was right on each of `part`.
        on_progress: called with pictures done and in all.
    """
    others = np.concatenate([split.images for split in learnt.values()])
    labels = np.concatenate([split.labels for split in learnt.values()])
    titles = [title for key, split in learnt.items() for title in picture_names(split, key)]
    own = picture_names(part, name)
    copies = near_copies(part.images, others, on_progress)
    has_copy = np.zeros(len(part), np.bool_)
    has_copy[[copy.picture for copy in copies]] = True
    return Leakage(
        pictures=len(part),
        searched=len(others),
        copies=copies,
        names=tuple((own[copy.picture], titles[copy.copy]) for copy in copies),
        other_label=sum(int(part.labels[copy.picture] != labels[copy.copy]) for copy in copies),
        correct_with=int(right[has_copy].sum()),
        correct_without=int(right[~has_copy].sum()),
    )


def picture_names(part: Split, name: str) -> tuple[str, ...]:
    """File names, or `test[17]` where the set has none."""
    return part.names or tuple(f"{name}[{place}]" for place in range(len(part)))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
