"""From the flags of `onsight run` to what decides and what watches the pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click

from onsight.options import FiniteRange, gathered

if TYPE_CHECKING:
    from onsight_edge.classifier import Classifier
    from onsight_edge.decide import Decider
    from onsight_edge.sentinel import Sentinel

SMOOTH_S = 0.25
AGREE = 3
HYSTERESIS = 0.1
_F = TypeVar("_F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Deciding:
    """How results become decisions, and what watches the pictures, as the flags say; None: the usual.

    Attributes:
        smooth: time constant in seconds; 0 smooths nothing.
        agree: results in a row.
        hysteresis: in scores, 0..1.
        no_sentinel: do not watch the pictures.
    """

    smooth: float | None = None
    agree: int | None = None
    hysteresis: float | None = None
    no_sentinel: bool = False


def deciding_options(command: _F) -> _F:
    """`--smooth --agree --hysteresis --no-sentinel`; the command gets a `Deciding` as its parameter `deciding`."""
    return gathered(
        command,
        "deciding",
        Deciding,
        click.option("--smooth", type=FiniteRange(0), metavar="SECONDS", help="Scores are smoothed over; 0.25."),
        click.option("--agree", type=click.IntRange(1), help="Results in a row that change the decision; 3."),
        click.option("--hysteresis", type=FiniteRange(0, 1), help="By how much another class must lead; 0.1."),
        click.option("--no-sentinel", is_flag=True, help="Do not watch whether the pictures are like the training's."),
    )


def make_decider(classifier: Classifier, wanted: Deciding, *, continuous: bool) -> Decider | None:
    """A decider as the flags want it, else the usual one for frames that follow each other, else none.

    Args:
        classifier: whose answers it will see.
        wanted: what the flags say.
        continuous: whether the frames follow each other in time.
    """
    smooth, agree, hysteresis = wanted.smooth, wanted.agree, wanted.hysteresis
    if (smooth, agree, hysteresis) == (None, None, None) and not continuous:
        return None
    from onsight_edge.decide import Decider

    spec = classifier.spec
    return Decider(
        spec.classes,
        smooth_s=SMOOTH_S if smooth is None else smooth,
        agree=AGREE if agree is None else agree,
        hysteresis=HYSTERESIS if hysteresis is None else hysteresis,
        threshold=spec.threshold,
    )


def make_sentinel(classifier: Classifier, wanted: Deciding) -> Sentinel | None:
    """A sentinel for a model that knows what its training pictures were like."""
    if wanted.no_sentinel or classifier.spec.input_statistics is None:
        return None
    from onsight_edge.sentinel import Sentinel

    return Sentinel(classifier, classifier.spec.input_statistics)
