"""A Keras network as a graph of layers, any part of which can be computed from given inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onsight_export.flat import flat
from onsight_export.parity.matching import Layer
from onsight_export.quiet import quiet

if TYPE_CHECKING:
    import keras


class Network:
    """The layers of a functional or Sequential network, models within it taken apart, in the order of computing.

    Attributes:
        layers: one each; where a layer is used twice, the second use is called `name#2`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = flat(model)
        self._tensors: list[Any] = []
        self.layers: list[Layer] = []
        self._walk()

    def compute(self, place: int, given: Mapping[int, NDArray[np.floating]]) -> NDArray[np.float32]:
        """A layer's output, computed from other layers' outputs.

        Args:
            place: the layer's position.
            given: position -> (pictures, ...) values of layers that cut `place` off from the network's input.

        Returns:
            (pictures, ...) float32.
        """
        import keras

        places = list(given)
        with quiet():
            part = keras.Model([self._tensors[at] for at in places], self._tensors[place])
            made = part([np.asarray(given[at], np.float32) for at in places], training=False)
        return np.asarray(made, np.float32)

    def outputs(self, places: Sequence[int], pixels: NDArray[np.generic]) -> dict[int, NDArray[np.float32]]:
        """Outputs of some layers for pictures, (pictures, ...) float32 each.

        Args:
            places: their positions.
            pixels: (N, height, width, channels) raw pixels.
        """
        import keras

        with quiet():
            part = keras.Model(self._model.inputs, [self._tensors[at] for at in places])
            made = part(np.asarray(pixels, np.float32), training=False)
        made = made if isinstance(made, (list, tuple)) else [made]
        return {at: np.asarray(one, np.float32) for at, one in zip(places, made, strict=True)}

    def _walk(self) -> None:
        # Keras has no public way to ask a network for its graph; KerasTensor's history is what its own plots use
        order: dict[int, int] = {}
        uses: dict[str, int] = {}
        waiting = [(tensor, False) for tensor in reversed(self._model.outputs)]
        while waiting:
            tensor, ready = waiting.pop()
            if id(tensor) in order:
                continue
            operation, node_index, _ = tensor._keras_history
            read = operation._inbound_nodes[node_index].input_tensors
            if not ready:
                waiting.append((tensor, True))
                waiting += [(one, False) for one in reversed(read) if id(one) not in order]
                continue
            order[id(tensor)] = len(self.layers)
            uses[operation.name] = uses.get(operation.name, 0) + 1
            again = uses[operation.name]
            self._tensors.append(tensor)
            self.layers.append(
                Layer(
                    name=operation.name if again == 1 else f"{operation.name}#{again}",
                    kind=type(operation).__name__,
                    shape=tuple(int(size or -1) for size in tensor.shape[1:]),
                    inputs=tuple(order[id(one)] for one in read),
                    weights=sum(int(np.prod(w.shape)) for w in getattr(operation, "weights", ()) if len(w.shape) > 1),
                )
            )
