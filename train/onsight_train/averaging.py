"""The average of a network's weights over its last steps, which answers better than the weights of any one step.

Polyak and Juditsky 1992; with the exponential weights and the warm-up of TensorFlow's ExponentialMovingAverage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import OnsightError
from onsight_train.frameworks import load_keras

Weights = list[NDArray[np.float32]]
_STEPS = "steps"


class WeightAverage:
    """An exponential average of all weights, batch norm's averages included.

    Step n (from 0) counts 1 - min(decay, (1 + n) / (10 + n)): the random weights of the beginning are soon forgotten
    however long the decay.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._steps = 0
        self._weights: Weights = []
        self._model: Any = None
        self._read: Callable[[], Weights] = list

    def update(self, model: Any) -> None:
        """Take in the weights of a `keras.Model` after a step."""
        if model is not self._model:
            self._model, self._read = model, reader(model)
        self.take(self._read())

    def take(self, weights: Weights) -> None:
        """Take in the weights after a step; their number and shapes are always the same."""
        if not self._weights:
            self._weights = [np.array(weight) for weight in weights]
        else:
            share = 1 - min(self._decay, (1 + self._steps) / (10 + self._steps))
            for mean, weight in zip(self._weights, weights, strict=True):
                mean += (weight - mean) * mean.dtype.type(share)
        self._steps += 1

    def weights(self) -> Weights:
        """The averages, as `set_weights` takes them; copies.

        Raises:
            ValueError: nothing was averaged yet.
        """
        if not self._weights:
            raise ValueError("no weights were averaged yet")
        return [weight.copy() for weight in self._weights]

    def state(self) -> dict[str, NDArray[Any]]:
        """All that `restore` needs to go on bit for bit: copies, by name, as an .npz takes them."""
        arrays: dict[str, NDArray[Any]] = {f"w{i:04d}": weight.copy() for i, weight in enumerate(self._weights)}
        return {_STEPS: np.array(self._steps, np.int64), **arrays}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from where `state()` was taken.

        Raises:
            OnsightError: it is no such state.
        """
        names = sorted(name for name in state if name != _STEPS)
        if _STEPS not in state or names != [f"w{i:04d}" for i in range(len(names))]:
            raise OnsightError(f"not the state of averaged weights: it holds {', '.join(sorted(state)) or 'nothing'}")
        self._steps = int(state[_STEPS])
        self._weights = [np.array(state[name]) for name in names]


def reader(model: Any) -> Callable[[], Weights]:
    """A function that gives the weights of a `keras.Model` as they are when it is called: like `get_weights`, faster.

    Raises:
        MissingExtraError: Keras is not installed.
    """
    if load_keras().backend.backend() == "tensorflow":
        # reading one by one costs several times what the averaging does
        values = [weight.value for weight in model.weights]
        read = import_module("tensorflow").function(lambda: [value.read_value() for value in values], autograph=False)
        return lambda: [tensor.numpy() for tensor in read()]

    def one_by_one() -> Weights:
        # on JAX a training keeps the weights to itself until it is asked
        if hasattr(model, "jax_state_sync"):
            model.jax_state_sync()
        weights: Weights = model.get_weights()
        return weights

    return one_by_one
