"""Everything that one pass of scores over a split tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.evaluation import intervals
from onsight_benchmarks.evaluation.intervals import Intervals, bootstrap
from onsight_benchmarks.evaluation.worst import Verdict, worst
from onsight_edge.calibration import ECE_METHOD, Reliability, cross_fitted, fit_temperature, reliability
from onsight_edge.metrics import Evaluation, evaluate, picture_losses
from onsight_edge.spec import MAX_TEMPERATURE, MIN_TEMPERATURE


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """What fitting a temperature anew would give.

    Attributes:
        temperature: for the model's spec, fitted on all pictures: the present one times the one that fits the scores.
        ece: calibration error, cross-fitted: each half of the pictures at the temperature the other half gives.
        loss: mean cross-entropy in nats, cross-fitted likewise.
        reliability: of the cross-fitted scores.
    """

    temperature: float
    ece: float
    loss: float
    reliability: Reliability


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """How a classifier fares on one split, how sure that is, and what to look at.

    Attributes:
        evaluation: accuracy, classes, confusion.
        intervals: 95 %, of the figures that are no simple share.
        reliability: are scores frequencies?
        temperature: already in the scores.
        refit: what another temperature would give; None where there are fewer than two pictures.
        mistakes: the most confident ones.
        least_believed: pictures whose true class got the lowest scores, besides those.
        seed: of the resampling and of the cross-fitting's halves.
    """

    evaluation: Evaluation
    intervals: Intervals
    reliability: Reliability
    temperature: float
    refit: Refit | None
    mistakes: tuple[Verdict, ...]
    least_believed: tuple[Verdict, ...]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """As JSON values; docs/cli/val.md describes every key."""
        refit = self.refit
        return {
            **self.evaluation.to_json(),
            "intervals_95": {
                "method": intervals.METHOD,
                "seed": self.seed,
                "loss": _pair(self.intervals.loss),
                "macro_f1": _pair(self.intervals.macro_f1),
                "ece": _pair(self.intervals.ece),
            },
            "calibration": {
                "method": ECE_METHOD,
                "bins": len(self.reliability.counts),
                "ece": round(self.reliability.ece, 6),
                "overconfidence": round(self.reliability.overconfidence, 6),
                "temperature": self.temperature,
                "reliability": self.reliability.to_json(),
                "refit": None
                if refit is None
                else {
                    "temperature": round(refit.temperature, 6),
                    "ece_cross_fitted": round(refit.ece, 6),
                    "loss_cross_fitted": round(refit.loss, 6),
                },
            },
            "worst": {
                "most_confident_mistakes": [verdict.to_json() for verdict in self.mistakes],
                "least_believed": [verdict.to_json() for verdict in self.least_believed],
            },
        }


def analyse(
    scores: NDArray[np.floating],
    labels: NDArray[np.integer],
    classes: tuple[str, ...],
    names: tuple[str, ...],
    *,
    temperature: float = 1.0,
    count: int = 24,
    seed: int = 0,
) -> Analysis:
    """Analyse a split's scores.

    Args:
        scores: (N, classes) probabilities, the spec's temperature already in them.
        labels: (N,) class positions.
        classes: names in label order.
        names: (N,) of the pictures.
        temperature: the spec's.
        count: at most so many worst pictures of each kind.
        seed: of the resampling and of the cross-fitting's halves.

    Raises:
        DataError: no pictures, the shapes do not fit, or a score is not a number.
    """
    evaluation = evaluate(scores, labels, classes)
    mistakes, least = worst(scores, labels, classes, names, count)
    return Analysis(
        evaluation=evaluation,
        intervals=bootstrap(scores, labels, seed=seed),
        reliability=reliability(scores, labels),
        temperature=temperature,
        refit=_refit(scores, labels, temperature, seed) if len(labels) > 1 else None,
        mistakes=mistakes,
        least_believed=least,
        seed=seed,
    )


def _refit(scores: NDArray[np.floating], labels: NDArray[np.integer], temperature: float, seed: int) -> Refit:
    best = min(max(temperature * fit_temperature(scores, labels), MIN_TEMPERATURE), MAX_TEMPERATURE)
    again, _ = cross_fitted(scores, labels, seed)
    found = reliability(again, labels)
    return Refit(best, found.ece, float(picture_losses(again, labels).mean()), found)


def _pair(bounds: tuple[float, float]) -> list[float]:
    return [round(bound, 6) for bound in bounds]
