"""What each layer costs in 8 bits, and which to leave in float where too much is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from onsight_export.quantize.choose import Measured, measure
from onsight_export.quantize.network import Network
from onsight_export.quantize.ranges import Range
from onsight_export.quantize.types import Labelled, LayerSensitivity

Step = Callable[[int, int], None]
_ROUNDING = 1e-9  # of accuracies, which are shares of whole pictures


def layer_sensitivity(
    network: Network,
    ranges: Mapping[str, Range],
    kept: frozenset[str],
    validation: Labelled,
    progress: Step = lambda done, total: None,
) -> tuple[LayerSensitivity, ...]:
    """Quantize one layer at a time, everything else in float, and see what that costs.

    Args:
        network: see Network.
        ranges: those of the chosen candidate.
        kept: layers that are in float in any case, and are not measured.
        validation: to measure on.
        progress: called with layers done and in all.

    Returns:
        The costliest first. They are ordered by how far the scores move from Keras's: on some thousand pictures most
        layers cost less accuracy than chance alone moves it, and scores still tell them apart.
    """
    everything = frozenset(network.layers)
    asked = [layer for layer in network.layers if layer not in kept]
    reference = validation.accuracy
    found = []
    for done, layer in enumerate(asked):
        progress(done, len(asked))
        alone = measure(network, network.quantize(ranges, everything - {layer}), validation)
        found.append(
            LayerSensitivity(
                layer,
                alone.accuracy,
                round(100 * (reference - alone.accuracy), 6),
                alone.agreement,
                alone.mean_difference,
            )
        )
    progress(len(asked), len(asked))
    return tuple(sorted(found, key=lambda layer: -layer.mean_difference))


def leave_in_float(
    network: Network,
    ranges: Mapping[str, Range],
    kept: frozenset[str],
    sensitivity: tuple[LayerSensitivity, ...],
    validation: Labelled,
    max_drop_points: float,
    progress: Step = lambda done, total: None,
) -> tuple[Measured, frozenset[str]]:
    """Leave one layer after the other in float, the costliest first, until no more is lost than allowed.

    Args:
        network, ranges, kept, validation, progress: see `layer_sensitivity`.
        sensitivity: what it answered; at least one layer.
        max_drop_points: percentage points of validation accuracy that may be lost against Keras.

    Returns:
        The first file that keeps enough, and its layers in float; with none the last, which has no layer in 8 bits.
    """
    left = set(kept)
    for done, layer in enumerate(sensitivity):
        progress(done, len(sensitivity))
        left.add(layer.layer)
        found = measure(network, network.quantize(ranges, frozenset(left)), validation)
        if 100 * (validation.accuracy - found.accuracy) <= max_drop_points + _ROUNDING:
            break
    progress(len(sensitivity), len(sensitivity))
    return found, frozenset(left)
