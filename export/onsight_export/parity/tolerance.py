"""What each number format explains: by how much a sound file's answers and layers may differ from the network's.

Measured on sound exports of the networks trained here; docs/parity.md has the figures and the margins.
"""

from __future__ import annotations

from dataclasses import dataclass

from onsight_edge.errors import ModelError
from onsight_export.options import DEFAULT_MAX_DROP, DEFAULT_MIN_AGREEMENT
from onsight_export.parity.step import Answers
from onsight_export.variants import VARIANTS


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number format may be off.

    Attributes:
        largest_difference: of a score; None where rounding to 8 bits sets no useful limit.
        least_agreement: share of pictures with the same class; None where the caller says.
        layer: relative error of one layer fed with what the file's own layers before it answered: the root mean
            square of the differences by that of the values.
    """

    largest_difference: float | None
    least_agreement: float | None
    layer: float


# about five times the largest own error of a sound layer that was measured (docs/parity.md)
_LAYERS = {"float32": 1e-5, "float16": 0.005, "dynamic": 0.07, "int8": 0.2, "int16x8": 0.13}
_EXAMPLES = {variant.quantization: variant for variant in VARIANTS.values()}
TOLERANCES = {
    number_format: Tolerance(
        _EXAMPLES[number_format].largest_difference, _EXAMPLES[number_format].least_agreement, layer
    )
    for number_format, layer in _LAYERS.items()
}


def tolerance_of(number_format: str) -> Tolerance:
    """The tolerance of a number format, such as `int8`.

    Raises:
        ModelError: there is no such format.
    """
    if number_format not in TOLERANCES:
        raise ModelError(f"unknown number format {number_format!r}; known are {', '.join(TOLERANCES)}")
    return TOLERANCES[number_format]


def objections(
    answers: Answers,
    number_format: str,
    *,
    max_drop_points: float = DEFAULT_MAX_DROP,
    min_agreement: float = DEFAULT_MIN_AGREEMENT,
) -> tuple[str, ...]:
    """Every reason why a step is broken; empty where its number format explains what it lost.

    A drop counts where its interval lies above 0: of few pictures, one more wrong answer is no finding. One picture
    may always get another class: two of its scores can be equal.

    Args:
        answers: of the step.
        number_format: of its file.
        max_drop_points: percentage points of accuracy that may be lost.
        min_agreement: share of pictures on which an 8-bit file must name the reference's class.
    """
    tolerance = tolerance_of(number_format)
    found = [answers.unusable] if answers.unusable else []
    limit = tolerance.largest_difference
    if limit is not None and answers.largest_difference > limit:
        found.append(f"a score is {answers.largest_difference:.2g} away, {number_format} explains {limit:g}")
    least = min_agreement if tolerance.least_agreement is None else tolerance.least_agreement
    differ = round((1 - answers.agreement) * answers.pictures)
    if differ > max(1, int((1 - least) * answers.pictures + 1e-9)):
        found.append(f"it names the same class on {answers.agreement:.2%} of the pictures, not {least:.1%}")
    if answers.drop_points > max_drop_points and answers.drop_interval[0] > 0:
        found.append(f"it loses {answers.drop_points:.2f} points of accuracy, more than {max_drop_points:g}")
    return tuple(found)
