"""Accuracy on pictures as cameras spoil them: every corruption at five strengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from onsight_edge.metrics import correct, wilson
from onsight_edge.spec import Colour

PASSES = len(CORRUPTIONS) * len(STRENGTHS)
Scores = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Robustness:
    """Right answers by corruption.

    Attributes:
        pictures: of each pass.
        clean: right answers without a corruption.
        correct: corruption -> right answers at each of `STRENGTHS`.
        seed: of the corruptions' draws.
    """

    pictures: int
    clean: int
    correct: dict[str, tuple[int, ...]]
    seed: int

    @property
    def mean(self) -> float:
        """Mean accuracy over all corruptions and strengths, 0..1."""
        return float(np.mean(list(self.correct.values()))) / self.pictures

    @property
    def relative(self) -> float | None:
        """That mean as a share of the accuracy without corruption; None where that is 0."""
        return self.mean * self.pictures / self.clean if self.clean else None

    def accuracy(self, name: str) -> tuple[float, ...]:
        """One corruption's accuracy at each strength, 0..1."""
        return tuple(right / self.pictures for right in self.correct[name])

    def to_json(self) -> dict[str, Any]:
        """As JSON values, shares rounded to 6 digits."""
        each = {
            name: {
                "accuracy": [round(share, 6) for share in self.accuracy(name)],
                "accuracy_interval_95": [
                    [round(bound, 6) for bound in wilson(right, self.pictures)] for right in self.correct[name]
                ],
                "mean": round(float(np.mean(self.accuracy(name))), 6),
            }
            for name in self.correct
        }
        return {
            "pictures": self.pictures,
            "seed": self.seed,
            "strengths": list(STRENGTHS),
            "clean_accuracy": round(self.clean / self.pictures, 6),
            "mean_accuracy": round(self.mean, 6),
            "relative_accuracy": None if self.relative is None else round(self.relative, 6),
            "by_corruption": each,
        }


def measure(
    scores: Scores,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    *,
    clean: int,
    colour: Colour = "rgb",
    seed: int = 0,
    chunk: int = 250,
    advance: Callable[[str, int], None] = lambda name, pictures: None,
) -> Robustness:
    """Corrupt, score, count.

    Args:
        scores: (N, height, width, channels) uint8 -> (N, classes).
        images: (N, height, width, channels) uint8 in the model's colour.
        labels: (N,) class positions.
        clean: right answers on the pictures as they are.
        colour: the channel order of `images`.
        seed: of the corruptions' draws.
        chunk: pictures at a time.
        advance: called with the corruption's name and the pictures done since.
    """
    found: dict[str, tuple[int, ...]] = {}
    for name in CORRUPTIONS:
        counts = []
        for strength in STRENGTHS:
            right = 0
            for first in range(0, len(images), chunk):
                part = images[first : first + chunk]
                spoilt = corrupted(part, name, strength, colour=colour, seed=seed, first=first)
                right += correct(scores(spoilt), labels[first : first + chunk])
                advance(name, len(part))
            counts.append(right)
        found[name] = tuple(counts)
    return Robustness(len(images), clean, found, seed)


def corrupted(
    images: NDArray[np.uint8], name: str, strength: int, *, colour: Colour, seed: int, first: int = 0
) -> NDArray[np.uint8]:
    """`onsight_edge.corruptions.corrupt` for pictures in any channel order; it takes RGB."""
    if colour != "bgr":
        return corrupt(images, name, strength, seed=seed, first=first)
    return np.ascontiguousarray(corrupt(images[..., ::-1], name, strength, seed=seed, first=first)[..., ::-1])
