"""Where a file leaves the network: layer by layer, the first that is off, each judged by what it was fed.

A layer of an 8-bit file is fed with values that the layers before it have rounded already, so that its distance from
Keras says little about itself. Each layer is therefore also computed by Keras from what the file's own layers before
it answered: what differs then is that layer's doing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.preprocess import Preprocessor
from onsight_export.parity import matching, onnx_tensors, tflite_tensors
from onsight_export.parity.files import Opened
from onsight_export.parity.matching import Layer
from onsight_export.parity.network import Network
from onsight_export.parity.tolerance import tolerance_of

PICTURES = 8
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class LayerError:
    """One layer of a file beside Keras's.

    Attributes:
        layer: its name; of those fused into one value the last with kernels.
        kind: its class, such as `Conv2D`.
        output_of: the layer whose output was compared.
        fused: all layers that this value stands for.
        shape: of the output, without the batch.
        kernels: numbers in the kernels of all of them.
        own: relative error (see `relative_error`) when fed with the file's own values; what the tolerance is for.
        total: relative error with all that the layers before added.
        tolerance: of `own`.
    """

    layer: str
    kind: str
    output_of: str
    fused: tuple[str, ...]
    shape: tuple[int, ...]
    kernels: int
    own: float
    total: float
    tolerance: float

    @property
    def off(self) -> bool:
        """Whether it leaves its tolerance; a value that is no number does."""
        return not self.own <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; an error that is no number is null."""
        return {
            "layer": self.layer,
            "kind": self.kind,
            "output_of": self.output_of,
            "fused": list(self.fused),
            "shape": list(self.shape),
            "kernels": self.kernels,
            "own_error": _finite(self.own),
            "total_error": _finite(self.total),
            "tolerance": self.tolerance,
            "off": self.off,
        }


def layer_errors(file: Opened, network: Network, pixels: NDArray[np.uint8]) -> tuple[LayerError, ...]:
    """Every layer that a file still has, in the order of computing.

    Args:
        file: opened.
        network: takes raw pixels.
        pixels: (N, height, width, channels) uint8; few are enough.

    Raises:
        ModelError: the file cannot be read. BackendError: its runtime refuses to give its layers.
    """
    data, tflite = file.file.data, file.file.model_format == "tflite"
    encoder = Preprocessor(file.file.spec, file.classifier.backend.input)
    feeds = [np.array(encoder.encode(picture)) for picture in file.pictures(pixels)]
    values = tflite_tensors.values_of(data) if tflite else onnx_tensors.values_of(data)
    found = matching.match(values, network.layers)
    places = sorted(found)
    if not places:
        return ()
    run: Callable[..., dict[Any, NDArray[np.float32]]] = tflite_tensors.run if tflite else onnx_tensors.run
    raw = run(data, feeds, list(dict.fromkeys(found[place].key for place in places)))
    keras = network.outputs(places, pixels)
    order = [file.file.spec.classes.index(name) for name in file.spec.classes]
    made: dict[int, NDArray[np.float32]] = {
        place: channels_last(raw[found[place].key], keras[place]) for place in places
    }
    if found[places[-1]].is_output:
        made[places[-1]] = made[places[-1]][..., order]
    entries = {at: pixels.astype(np.float32) for at, layer in enumerate(network.layers) if not layer.inputs}
    limit = tolerance_of(file.number_format).layer
    errors = []
    for place in places:
        inside, feeding = matching.group(network.layers, places, place)
        given = {at: made[at] if at in made else entries[at] for at in feeding}
        expected = network.compute(place, given) if all(np.isfinite(v).all() for v in given.values()) else None
        own = float("nan") if expected is None else relative_error(made[place], expected)
        total = relative_error(made[place], keras[place])
        errors.append(_error(network.layers, place, inside, own, total, limit))
    return tuple(errors)


def first_off(errors: Sequence[LayerError]) -> LayerError | None:
    """The first layer that leaves its tolerance, or None."""
    return next((error for error in errors if error.off), None)


def relative_error(found: NDArray[np.floating], wanted: NDArray[np.floating]) -> float:
    """The root mean square of the differences, by that of the wanted values; infinite where a value is no number.

    Raises:
        ValueError: the shapes differ.
    """
    if found.shape != wanted.shape:
        raise ValueError(f"values of shape {found.shape} cannot be compared with {wanted.shape}")
    if not np.isfinite(found).all():
        return float("inf")
    wide = wanted.astype(np.float64)
    difference = float(np.sqrt(np.mean((found - wide) ** 2)))
    return difference / max(float(np.sqrt(np.mean(wide**2))), _TINY)


def channels_last(found: NDArray[np.float32], like: NDArray[np.float32]) -> NDArray[np.float32]:
    """A file's values in the shape of Keras's, channels moved to the end where the file has them first.

    Where both orders fit, as of (N, 8, 8, 8), the one whose values are closer.

    Args:
        found: (N, ...), as many values as `like`.
        like: (N, ...) of Keras.
    """
    orders = []
    squeezed = tuple(size for size in found.shape[1:] if size != 1)
    if squeezed == tuple(size for size in like.shape[1:] if size != 1):
        orders.append(found.reshape(like.shape))
    first = (like.shape[0], *matching.channels_first(like.shape[1:]))
    if like.ndim > 2 and squeezed == tuple(size for size in first[1:] if size != 1):
        orders.append(np.moveaxis(found.reshape(first), 1, -1))
    return min(orders, key=lambda order: float(np.abs(np.nan_to_num(order) - like).mean()))


def _error(
    layers: Sequence[Layer], place: int, inside: Sequence[int], own: float, total: float, limit: float
) -> LayerError:
    named = layers[matching.culprit(layers, inside)]
    return LayerError(
        layer=named.name,
        kind=named.kind,
        output_of=layers[place].name,
        fused=tuple(layers[at].name for at in inside),
        shape=layers[place].shape,
        kernels=sum(layers[at].weights for at in inside),
        own=own,
        total=total,
        tolerance=limit,
    )


def _finite(value: float) -> float | None:
    return round(value, 8) if np.isfinite(value) else None
