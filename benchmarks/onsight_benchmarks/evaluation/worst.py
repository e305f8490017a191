"""The pictures to look at first: those that a model gets wrong most surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the model said of one picture.

    Attributes:
        index: the picture's position in its split.
        name: its file name, or `test[17]` where it has none.
        truth, predicted: class names.
        score: of the predicted class.
        true_score: of the true class.
    """

    index: int
    name: str
    truth: str
    predicted: str
    score: float
    true_score: float

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, scores rounded to 6 digits."""
        return {
            "index": self.index,
            "name": self.name,
            "truth": self.truth,
            "predicted": self.predicted,
            "score": round(self.score, 6),
            "true_score": round(self.true_score, 6),
        }


def worst(
    scores: NDArray[np.floating],
    labels: NDArray[np.integer],
    classes: Sequence[str],
    names: Sequence[str],
    count: int,
) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...]]:
    """The most confident mistakes, and the pictures whose true class got the lowest score.

    Args:
        scores: (N, classes) probabilities.
        labels: (N,) class positions.
        classes: names in label order.
        names: (N,) of the pictures.
        count: at most so many of each kind.

    Returns:
        Mistakes by falling score; then, of the pictures not among those, all by rising score of the true class, right
        answers included. Of equal ones the earlier picture comes first.
    """
    predicted, best = scores.argmax(axis=1), scores.max(axis=1)
    true = scores[np.arange(len(labels)), labels]

    def verdicts(places: Sequence[int]) -> tuple[Verdict, ...]:
        return tuple(
            Verdict(i, names[i], classes[labels[i]], classes[predicted[i]], float(best[i]), float(true[i]))
            for i in places
        )

    wrong = np.flatnonzero(predicted != labels)
    mistakes = wrong[np.lexsort((wrong, true[wrong], -best[wrong]))][:count].tolist()
    besides = np.setdiff1d(np.arange(len(labels)), mistakes)
    least = besides[np.lexsort((besides, -best[besides], true[besides]))][:count].tolist()
    return verdicts(mistakes), verdicts(least)
