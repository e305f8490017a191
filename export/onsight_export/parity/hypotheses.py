"""What a file that answers wrongly may have expected instead: another channel order, another range of values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.classifier import Classifier
from onsight_edge.errors import BackendError, UnsupportedModelError
from onsight_edge.spec import ModelSpec
from onsight_export.parity.files import Opened
from onsight_export.parity.step import compare
from onsight_export.parity.tolerance import objections

PICTURES = 200
_SWAPPED = "red and blue swapped"
_RANGES = {"it expects 0..1": (0.0, 255.0), "it expects -1..1": (127.5, 127.5), "it expects 0..255": (0.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """An explanation that was tried, and how far it carries.

    Attributes:
        what: such as `red and blue swapped`.
        agreement: share of pictures with the reference's class when the file is fed so.
        before: the same as the file's spec says it is to be fed.
        explains: fed so, nothing speaks against the file any more, and it agrees on more pictures.
    """

    what: str
    agreement: float
    before: float
    explains: bool

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            "what": self.what,
            "agreement": round(self.agreement, 6),
            "agreement_before": round(self.before, 6),
            "explains": self.explains,
        }


def try_hypotheses(
    file: Opened,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.integer],
    reference: NDArray[np.float32],
    *,
    max_drop_points: float,
    min_agreement: float,
) -> tuple[Hypothesis, ...]:
    """Feed a file with swapped channels and other ranges, and see what it then answers.

    Args:
        file: one that is broken from its first layer on.
        pixels: (N, height, width, channels) uint8; PICTURES of them are enough.
        labels: (N,) class positions.
        reference: (N, classes) the reference's scores.
        max_drop_points, min_agreement: see `objections`.

    Returns:
        The ones that explain it first, simple ones before combined ones; then the others by falling agreement.
    """
    before = _agreement(file, pixels, reference, None)
    found = []
    for what, spec, swap in _variations(file.file.spec):
        fed = np.ascontiguousarray(pixels[..., ::-1]) if swap else pixels
        try:
            other = Classifier(spec, file.classifier.backend)
            scores = np.concatenate(list(file.scores(fed, other)))
        except (UnsupportedModelError, BackendError):  # stored integers without a scale have one range only
            continue
        names = [""] * len(labels)
        answers = compare(reference, scores, labels, file.spec.classes, names, count=0)
        why = objections(answers, file.number_format, max_drop_points=max_drop_points, min_agreement=min_agreement)
        found.append(Hypothesis(what, answers.agreement, before, not why and answers.agreement > before))
    return tuple(sorted(found, key=lambda one: (not one.explains, one.what.count(","), -one.agreement)))


def _agreement(
    file: Opened, pixels: NDArray[np.uint8], reference: NDArray[np.float32], classifier: Classifier | None
) -> float:
    scores = np.nan_to_num(np.concatenate(list(file.scores(pixels, classifier))))
    return float((scores.argmax(axis=1) == reference.argmax(axis=1)).mean())


def _variations(spec: ModelSpec) -> list[tuple[str, ModelSpec, bool]]:
    """(what, the spec to feed by, whether red and blue change places), the present way left out."""
    ranges = [
        (what, replace(spec, mean=(mean,), std=(std,)))
        for what, (mean, std) in _RANGES.items()
        if (set(spec.mean), set(spec.std)) != ({mean}, {std})
    ]
    found = [(what, other, False) for what, other in ranges]
    if spec.colour != "grey":
        found.insert(0, (_SWAPPED, spec, True))
        found += [(f"{_SWAPPED}, and {what}", other, True) for what, other in ranges]
    return found
