"""What one step of the waterfall did to the answers: pure functions of scores and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.calibration import ece
from onsight_edge.errors import DataError
from onsight_edge.metrics import wilson

RESAMPLES = 10_000
METHOD = f"paired bootstrap over pictures, {RESAMPLES} resamples, percentiles 2.5 and 97.5"


@dataclass(frozen=True, slots=True)
class Flips:
    """One class's pictures whose answer changed.

    Attributes:
        pictures: that show the class.
        lost: the reference was right, the step is wrong.
        won: the other way round.
        moved: both are wrong, with different classes.
    """

    pictures: int
    lost: int
    won: int
    moved: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A picture on which the step is far from the reference.

    Attributes:
        row: its position among the compared pictures.
        name: its file name, or `test[17]` where it has none.
        truth: the class it shows.
        before, before_score: the reference's class, and its score.
        after, after_score: the step's.
        difference: the largest of the picture's score differences.
    """

    row: int
    name: str
    truth: str
    before: str
    before_score: float
    after: str
    after_score: float
    difference: float


@dataclass(frozen=True, slots=True)
class Answers:
    """How a step answers, beside the reference.

    Attributes:
        pictures, correct: counts.
        interval: Wilson's 95 % interval of `accuracy`.
        only_reference, only_step: pictures that the one got right and the other wrong, and the other way round.
        drop_points: the reference's accuracy minus this one, percentage points.
        drop_interval: its 95 % interval, see METHOD; a point where no picture was lost or won.
        agreement: share of pictures with the same class.
        largest_difference, mean_difference: of scores, absolute, over all pictures and classes.
        ece: expected calibration error, 0..1.
        flips: class -> counts.
        worst: pictures by falling difference, changed classes first.
        unusable: why there are no figures beyond counts, such as scores that are no numbers; else None.
    """

    pictures: int
    correct: int
    interval: tuple[float, float]
    only_reference: int
    only_step: int
    drop_points: float
    drop_interval: tuple[float, float]
    agreement: float
    largest_difference: float
    mean_difference: float
    ece: float
    flips: dict[str, Flips]
    worst: tuple[Changed, ...]
    unusable: str | None = None

    @property
    def accuracy(self) -> float:
        """The share of right answers, 0..1."""
        return self.correct / self.pictures


def compare(
    reference: NDArray[np.floating],
    scores: NDArray[np.floating],
    labels: NDArray[np.integer],
    classes: Sequence[str],
    names: Sequence[str],
    *,
    count: int = 12,
    seed: int = 0,
) -> Answers:
    """Hold a step's scores against the reference's.

    Args:
        reference, scores: (N, classes) probabilities of the same pictures. Scores that are no numbers count as 0.
        labels: (N,) class positions.
        classes: names in label order.
        names: (N,) of the pictures.
        count: at most so many of the worst pictures.
        seed: of the bootstrap.

    Raises:
        DataError: no pictures, or shapes that do not fit.
    """
    if reference.shape != scores.shape or labels.shape != scores.shape[:1] or scores.shape[1:] != (len(classes),):
        raise DataError(
            f"scores {scores.shape}, the reference's {reference.shape}, labels {labels.shape} and {len(classes)} "
            "classes do not fit each other"
        )
    if not len(labels):
        raise DataError("parity on no pictures at all is not defined")
    broken = int((~np.isfinite(scores)).any(axis=1).sum())
    unusable = f"{broken} of {len(labels)} pictures get scores that are no numbers" if broken else None
    scores = np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0)
    before, after = reference.argmax(axis=1), scores.argmax(axis=1)
    right_before, right_after = before == labels, after == labels
    lost, won = int((right_before & ~right_after).sum()), int((right_after & ~right_before).sum())
    difference = np.abs(scores.astype(np.float64) - reference)
    right, total = int(right_after.sum()), len(labels)
    return Answers(
        pictures=total,
        correct=right,
        interval=wilson(right, total),
        only_reference=lost,
        only_step=won,
        drop_points=100 * (lost - won) / total,
        drop_interval=drop_interval(lost, won, total, seed=seed),
        agreement=float((before == after).mean()),
        largest_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        ece=ece(scores, labels),
        flips=_flips(before, after, labels, classes),
        worst=_worst(reference, scores, difference.max(axis=1), labels, classes, names, count),
        unusable=unusable,
    )


def drop_interval(lost: int, won: int, total: int, *, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """The 95 % interval of a drop in percentage points, by paired bootstrap.

    Drawing N pictures again with replacement draws the counts of lost, won and other ones from a multinomial
    distribution; so those counts are drawn, which is the same and takes no time.

    Args:
        lost, won: pictures that only the reference, or only the step, got right.
        total: all pictures, above 0.
        seed: of the draws.
        resamples: how many.

    Raises:
        DataError: the counts do not fit the total.
    """
    if total < 1 or min(lost, won) < 0 or lost + won > total:
        raise DataError(f"{lost} lost and {won} won of {total} pictures are no counts of a comparison")
    shares = np.array([lost, won, total - lost - won]) / total
    drawn = np.random.default_rng(seed).multinomial(total, shares, resamples)
    low, high = np.quantile(100 * (drawn[:, 0] - drawn[:, 1]) / total, (0.025, 0.975))
    return float(low), float(high)


def picture_names(names: Sequence[str], positions: Sequence[int] | NDArray[np.integer]) -> tuple[str, ...]:
    """What to call test pictures: their file names, or `test[17]` where the data set has none."""
    return tuple(names[int(at)] if len(names) else f"test[{int(at)}]" for at in positions)


def answers_json(answers: Answers) -> dict[str, Any]:
    """The figures as JSON values; docs/cli/parity.md describes every key."""
    return {
        "pictures": answers.pictures,
        "correct": answers.correct,
        "accuracy": round(answers.accuracy, 6),
        "accuracy_interval_95": [round(bound, 6) for bound in answers.interval],
        "only_reference": answers.only_reference,
        "only_step": answers.only_step,
        "drop_points": round(answers.drop_points, 4),
        "drop_interval_95_points": [round(bound, 4) for bound in answers.drop_interval],
        "agreement": round(answers.agreement, 6),
        "largest_difference": round(answers.largest_difference, 8),
        "mean_difference": round(answers.mean_difference, 8),
        "ece": round(answers.ece, 6),
        "flips": {
            name: {"pictures": f.pictures, "lost": f.lost, "won": f.won, "moved": f.moved}
            for name, f in answers.flips.items()
        },
        "worst": [
            {
                "row": one.row,
                "name": one.name,
                "truth": one.truth,
                "before": one.before,
                "before_score": round(one.before_score, 6),
                "after": one.after,
                "after_score": round(one.after_score, 6),
                "difference": round(one.difference, 6),
            }
            for one in answers.worst
        ],
    }


def _flips(
    before: NDArray[np.intp], after: NDArray[np.intp], labels: NDArray[np.integer], classes: Sequence[str]
) -> dict[str, Flips]:
    found = {}
    for place, name in enumerate(classes):
        shown = labels == place
        was, now = before[shown], after[shown]
        found[name] = Flips(
            pictures=int(shown.sum()),
            lost=int(((was == place) & (now != place)).sum()),
            won=int(((was != place) & (now == place)).sum()),
            moved=int(((was != place) & (now != place) & (was != now)).sum()),
        )
    return found


def _worst(
    reference: NDArray[np.floating],
    scores: NDArray[np.floating],
    difference: NDArray[np.float64],
    labels: NDArray[np.integer],
    classes: Sequence[str],
    names: Sequence[str],
    count: int,
) -> tuple[Changed, ...]:
    before, after = reference.argmax(axis=1), scores.argmax(axis=1)
    places = np.arange(len(labels))
    order = np.lexsort((places, -difference, before == after))[:count]
    return tuple(
        Changed(
            row=int(i),
            name=names[i],
            truth=classes[labels[i]],
            before=classes[before[i]],
            before_score=float(reference[i, before[i]]),
            after=classes[after[i]],
            after_score=float(scores[i, after[i]]),
            difference=float(difference[i]),
        )
        for i in order
        if difference[i] > 0
    )
