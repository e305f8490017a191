"""What judges frames: a classifier, what makes decisions of its answers, and what watches its pictures.

The settings of all that can be turned while a run goes on; what is built here is new each time, so that a running loop
can go on with the old one until it takes the new (control.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from onsight_edge.classifier import Classifier
from onsight_edge.decide import AGREE, HYSTERESIS, SMOOTH_S, Decider
from onsight_edge.sentinel import Sentinel


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be turned while a run goes on.

    Attributes:
        threshold: scores below it are `unknown`, 0..1.
        smooth: time constant in seconds of the smoothed scores, 0 smooths nothing.
        agree: results in a row that change the decision.
        hysteresis: by how much another class must lead, 0..1.

    The last three are None where nothing is decided, which is so of pictures that do not follow each other.
    """

    threshold: float
    smooth: float | None = None
    agree: int | None = None
    hysteresis: float | None = None

    @property
    def decides(self) -> bool:
        """Whether results become decisions."""
        return (self.smooth, self.agree, self.hysteresis) != (None, None, None)

    def completed(self) -> Settings:
        """The same, with the usual values beside what was given, where anything decides."""
        if not self.decides:
            return self
        return Settings(
            self.threshold,
            SMOOTH_S if self.smooth is None else self.smooth,
            AGREE if self.agree is None else self.agree,
            HYSTERESIS if self.hysteresis is None else self.hysteresis,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """All that a live run does with a frame before its sinks get the result.

    Attributes:
        classifier: says what is on one picture.
        decider: makes something steadier of it; None where the pictures do not follow each other.
        sentinel: watches the pictures; None where nobody knows what the training's were like.
    """

    classifier: Classifier
    decider: Decider | None = None
    sentinel: Sentinel | None = None

    @property
    def settings(self) -> Settings:
        """What it goes by."""
        threshold, decider = self.classifier.spec.threshold, self.decider
        if decider is None:
            return Settings(threshold)
        return Settings(threshold, decider.smooth_s, decider.agree, decider.hysteresis)

    def adjusted(self, settings: Settings) -> Judge:
        """The same model under other settings. It shares the runtime: only one of the two may be used from then on.

        Raises:
            UsageError: a number makes no sense. ModelError: the threshold does not.
        """
        return make_judge(self.classifier, settings, sentinel=self.sentinel)

    def close(self) -> None:
        """Free the model's runtime, which adjusted judges share."""
        self.classifier.close()

    def resume(self, before: Judge) -> None:
        """Go on where another one stands, which will not be used any more. Called between two frames."""
        if self.decider is not None and before.decider is not None:
            self.decider.resume(before.decider)
        if self.sentinel is not None and self.sentinel is before.sentinel:
            self.sentinel.watch(self.classifier)


def make_judge(classifier: Classifier, settings: Settings, *, sentinel: Sentinel | bool | None = True) -> Judge:
    """A judge by settings.

    Args:
        classifier: open; under another threshold where the settings say so.
        settings: those that are None are the usual ones if one of the three for decisions is given, else nothing is
            decided.
        sentinel: one to go on with, or whether there shall be one where the model knows its training pictures.

    Raises:
        UsageError: a number makes no sense. ModelError: the threshold does not.
    """
    settings = settings.completed()
    spec = classifier.spec
    if spec.threshold != settings.threshold:
        classifier = classifier.with_spec(replace(spec, threshold=settings.threshold))
    decider = None
    if settings.smooth is not None and settings.agree is not None and settings.hysteresis is not None:
        decider = Decider(
            spec.classes,
            smooth_s=settings.smooth,
            agree=settings.agree,
            hysteresis=settings.hysteresis,
            threshold=settings.threshold,
        )
    if isinstance(sentinel, bool):
        statistics = spec.input_statistics
        sentinel = Sentinel(classifier, statistics) if sentinel and statistics is not None else None
    return Judge(classifier, decider, sentinel)
