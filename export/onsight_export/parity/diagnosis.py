"""Why a step is broken: the first layer that is off, and what the file may have expected instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import BackendError, ModelError
from onsight_export.parity.files import Opened
from onsight_export.parity.hypotheses import PICTURES as HYPOTHESIS_PICTURES
from onsight_export.parity.hypotheses import Hypothesis, try_hypotheses
from onsight_export.parity.locate import PICTURES as LAYER_PICTURES
from onsight_export.parity.locate import LayerError, first_off, layer_errors
from onsight_export.parity.network import Network
from onsight_export.parity.waterfall import Pictures, Step
from onsight_export.pictures import evenly


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found out about one step.

    Attributes:
        step: its name.
        sentence: for people; empty for a sound step whose layers were merely listed.
        first: the first layer that leaves its tolerance, or None.
        hypotheses: tried where the first layer with kernels, or one before it, is off, or none could be compared.
        layers: every layer that could be compared.
        not_compared: why there are no layers, or None.
    """

    step: str
    sentence: str
    first: LayerError | None
    hypotheses: tuple[Hypothesis, ...]
    layers: tuple[LayerError, ...]
    not_compared: str | None

    @property
    def explanation(self) -> Hypothesis | None:
        """The simplest hypothesis that explains the step, or None."""
        return next((one for one in self.hypotheses if one.explains), None)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; docs/cli/parity.md describes every key."""
        return {
            "sentence": self.sentence,
            "first_layer": None if self.first is None else self.first.to_json(),
            "explanation": None if self.explanation is None else self.explanation.what,
            "hypotheses": [one.to_json() for one in self.hypotheses],
            "layers": [one.to_json() for one in self.layers],
            "not_compared": self.not_compared,
        }


def diagnose(
    file: Opened,
    step: Step,
    network: Network | None,
    pictures: Pictures,
    reference: NDArray[np.float32],
    *,
    max_drop_points: float,
    min_agreement: float,
) -> Diagnosis:
    """Look into one file.

    Args:
        file, step: opened and measured.
        network: Keras's; None where the reference is a file itself.
        pictures, reference: see `measure_steps`.
        max_drop_points, min_agreement: see `objections`.
    """
    layers: tuple[LayerError, ...] = ()
    reason = None
    if network is None:
        reason = "the reference is a file: give --run to compare layers with Keras's"
    else:
        try:
            layers = layer_errors(file, network, pictures.pixels[evenly(len(pictures.labels), LAYER_PICTURES)])
        except (ModelError, BackendError) as error:
            reason = str(error)
        if not layers and reason is None:
            reason = "no value in the file bears the name and the shape of one of the network's layers"
    first = first_off(layers)
    hypotheses: tuple[Hypothesis, ...] = ()
    if step.broken and _may_be_fed_wrongly(layers, first):
        some = evenly(len(pictures.labels), HYPOTHESIS_PICTURES)  # of one class any constant answer looks right
        hypotheses = try_hypotheses(
            file,
            pictures.pixels[some],
            pictures.labels[some],
            reference[some],
            max_drop_points=max_drop_points,
            min_agreement=min_agreement,
        )
    found = Diagnosis(step.name, "", first, hypotheses, layers, reason)
    sentence = _sentence(found) if step.broken else ""
    return Diagnosis(step.name, sentence, first, hypotheses, layers, reason)


def _may_be_fed_wrongly(layers: Sequence[LayerError], first: LayerError | None) -> bool:
    """Whether no layer with kernels is sound before the first that is off: swapped channels show in the first one."""
    if not layers:
        return True
    return first is not None and not any(error.kernels for error in layers[: layers.index(first)])


def _sentence(found: Diagnosis) -> str:
    first, explanation = found.first, found.explanation
    if explanation is not None:
        return (
            f"{explanation.what}: fed so, it names the reference's class on {explanation.agreement:.1%} of the "
            f"pictures, not on {explanation.before:.1%}"
        )
    if first is not None:
        beside = [name for name in first.fused if name != first.layer]
        inside = f" (fused with {', '.join(beside)})" if beside else ""
        return (
            f"the first layer off is {first.layer}, a {first.kind}{inside}: relative error {first.own:.3g}, "
            f"{first.tolerance:g} is tolerated"
        )
    if found.not_compared is not None:
        return f"layers were not compared: {found.not_compared}"
    worst = max(found.layers, key=lambda error: error.own)
    return (
        f"no single layer leaves its tolerance: the error adds up; {worst.layer} adds most "
        f"({worst.own:.3g} of {worst.tolerance:g})"
    )
