"""From the flags of `onsight run` to what decides and what watches the pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import click

from onsight.options import FiniteRange, gathered

if TYPE_CHECKING:
    from onsight_edge.classifier import Classifier
    from onsight_edge.judge import Judge

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


def make_judge(classifier: Classifier, wanted: Deciding, *, continuous: bool) -> Judge:
    """What judges frames as the flags want it: with the usual decider for frames that follow each other.

    Args:
        classifier: open, with the threshold that holds.
        wanted: what the flags say.
        continuous: whether the frames follow each other in time; else nothing is decided unless a flag asks for it.
    """
    from onsight_edge import judge
    from onsight_edge.decide import SMOOTH_S

    settings = judge.Settings(classifier.spec.threshold, wanted.smooth, wanted.agree, wanted.hysteresis)
    if continuous and not settings.decides:
        settings = replace(settings, smooth=SMOOTH_S)
    return judge.make_judge(classifier, settings, sentinel=not wanted.no_sentinel)
