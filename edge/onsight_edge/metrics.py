"""How right a classifier is: pure functions of labels and scores; NumPy only, so that a device has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError

Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one class fares.

    Attributes:
        support: pictures that show it.
        predicted: pictures that were taken for it.
        precision: of those predicted, the share that shows it; None where none was predicted.
        recall: of those that show it, the share that was found; None where there are none.
    """

    support: int
    predicted: int
    precision: float | None
    recall: float | None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None where either is."""
        if self.precision is None or self.recall is None:
            return None
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def accuracy(scores: NDArray[np.floating], labels: NDArray[np.integer], top: int = 1) -> float:
    """The share of pictures whose true class is among the `top` highest scores.

    Args:
        scores: (N, classes). Of equal scores the lower index counts as higher, as in `Prediction.top`.
        labels: (N,) class positions.
        top: 1 for plain accuracy; more than there are classes counts as all of them.

    Raises:
        DataError: no pictures, or the shapes do not fit.
    """
    return correct(scores, labels, top) / len(labels)


def correct(scores: NDArray[np.floating], labels: NDArray[np.integer], top: int = 1) -> int:
    """How many pictures' true class is among the `top` highest scores; see `accuracy`."""
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise DataError(f"scores {scores.shape} and labels {labels.shape} must be (N, classes) and (N,)")
    if not len(labels):
        raise DataError("accuracy of no pictures at all is not defined")
    if top == 1:
        return int(np.count_nonzero(scores.argmax(axis=1) == labels))
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return int(np.count_nonzero((best == labels[:, np.newaxis]).any(axis=1)))


def confusion(labels: NDArray[np.integer], predicted: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """How often each class was taken for each.

    Args:
        labels: (N,) true class positions, 0..count-1.
        predicted: (N,) predicted class positions.
        count: number of classes.

    Returns:
        (count, count) int64; row = true class, column = predicted class.

    Raises:
        DataError: the lengths differ or a position is out of range.
    """
    if labels.shape != predicted.shape or labels.ndim != 1:
        raise DataError(f"labels {labels.shape} and predictions {predicted.shape} must be (N,) both")
    for name, values in (("label", labels), ("prediction", predicted)):
        if len(values) and not (values.min() >= 0 and values.max() < count):
            raise DataError(f"a {name} lies outside 0..{count - 1}")
    cells = np.bincount(labels.astype(np.int64) * count + predicted, minlength=count * count)
    return cells.reshape(count, count).astype(np.int64)


def per_class(matrix: NDArray[np.integer]) -> tuple[ClassScore, ...]:
    """Precision and recall of every class, from what `confusion` returns."""
    rows, columns, hits = matrix.sum(axis=1), matrix.sum(axis=0), np.diagonal(matrix)
    return tuple(
        ClassScore(
            support=int(row),
            predicted=int(column),
            precision=float(hit / column) if column else None,
            recall=float(hit / row) if row else None,
        )
        for row, column, hit in zip(rows, columns, hits, strict=True)
    )


def macro_f1(matrix: NDArray[np.integer]) -> float:
    """The mean F1 of the classes that are shown, each counted alike; a class that is never found has 0.

    Args:
        matrix: what `confusion` returns.

    Raises:
        DataError: it counts no pictures.
    """
    rows, columns = matrix.sum(axis=1), matrix.sum(axis=0)
    shown = rows > 0
    if not shown.any():
        raise DataError("F1 of no pictures at all is not defined")
    return float((2 * np.diagonal(matrix)[shown] / (rows + columns)[shown]).mean())


def picture_losses(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """(N,) the cross-entropy of each picture in nats; see `evaluate` for the arguments.

    A quantized 0 would be infinitely wrong: scores are floored at 1e-7, where float32 training floors them too.
    """
    true_scores = scores[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(-np.log(np.clip(true_scores, 1e-7, 1.0)), np.float64)


def wilson(correct: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval for a share, 95 % by default: honest for few pictures and near 0 and 1.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927).

    Returns:
        (low, high), both within 0..1; (0, 1) where `total` is 0: nothing is known.

    Raises:
        DataError: `correct` is negative or above `total`.
    """
    if not 0 <= correct <= total:
        raise DataError(f"{correct} correct of {total} is not a share")
    if total == 0:
        return (0.0, 1.0)
    share = correct / total
    denominator = 1 + z * z / total
    centre = (share + z * z / (2 * total)) / denominator
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / denominator
    # exact at the ends, where rounding would step outside the share itself
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == total else min(1.0, centre + half)
    return (low, high)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How a classifier fares on one split.

    Attributes:
        classes: names, in label order.
        total: pictures.
        correct: pictures whose highest score is the true class.
        correct_top5: pictures whose true class is among the five highest scores.
        loss: mean cross-entropy of the probabilities, in nats.
        matrix: what `confusion` returns.
    """

    classes: tuple[str, ...]
    total: int
    correct: int
    correct_top5: int
    loss: float
    matrix: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """The share of right answers, 0..1."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % interval (Wilson): what other pictures of the same kind could give."""
        return wilson(self.correct, self.total)

    @property
    def per_class(self) -> tuple[ClassScore, ...]:
        """Precision and recall in the order of `classes`."""
        return per_class(self.matrix)

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that are shown, 0..1."""
        return macro_f1(self.matrix)

    def to_json(self) -> dict[str, Any]:
        """The evaluation as JSON values, shares as they are (0..1), rounded to 6 digits."""
        per = {
            name: {
                "support": score.support,
                "predicted": score.predicted,
                "precision": _rounded(score.precision),
                "recall": _rounded(score.recall),
                "f1": _rounded(score.f1),
            }
            for name, score in zip(self.classes, self.per_class, strict=True)
        }
        return {
            "pictures": self.total,
            "correct": self.correct,
            "accuracy": _rounded(self.accuracy),
            "accuracy_interval_95": [_rounded(bound) for bound in self.interval],
            "top5_accuracy": _rounded(self.correct_top5 / self.total),
            "macro_f1": _rounded(self.macro_f1),
            "loss": _rounded(self.loss),
            "per_class": per,
            "confusion": self.matrix.tolist(),
        }


def evaluate(scores: NDArray[np.floating], labels: NDArray[np.integer], classes: tuple[str, ...]) -> Evaluation:
    """Everything about a classifier's answers at once.

    Args:
        scores: (N, classes) probabilities.
        labels: (N,) class positions.
        classes: names, in label order.

    Raises:
        DataError: no pictures, the shapes do not fit, or scores are not numbers.
    """
    if scores.shape[1:] != (len(classes),):
        raise DataError(f"scores {scores.shape} do not fit {len(classes)} classes")
    hits = correct(scores, labels)
    if not np.isfinite(scores).all():
        raise DataError("the model answers NaN or infinity: its weights are damaged")
    matrix = confusion(labels, scores.argmax(axis=1), len(classes))  # refuses labels out of range
    return Evaluation(
        classes=classes,
        total=len(labels),
        correct=hits,
        correct_top5=correct(scores, labels, top=5),
        loss=float(picture_losses(scores, labels).mean()),
        matrix=matrix,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
