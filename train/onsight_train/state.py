"""Everything a training step changes in a model, taken out as arrays and put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import ModelError
from onsight_train.frameworks import load_keras

Weights = list[NDArray[Any]]


def variables(model: Any) -> list[Any]:
    """The Keras variables that a step changes, each once, in an order that the network alone decides.

    Weights, batch norm's averages, the random states of dropout layers, and all that the optimizer keeps, its step
    count included. The compiled metrics are not among them: the loop empties them before every batch.

    Args:
        model: compiled, its optimizer built.
    """
    every = {id(variable): variable for variable in (*model.variables, *model.optimizer.variables)}
    return list(every.values())


def take(model: Any) -> Weights:
    """Their values; see `variables`."""
    ops = load_keras().ops
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables(model)]


def put(model: Any, values: Weights) -> None:
    """Give `model` what `take` got from another one that was built alike.

    Raises:
        ModelError: they do not fit; nothing was changed.
    """
    own = variables(model)
    shapes, given = [tuple(v.shape) for v in own], [v.shape for v in values]
    if shapes != given:
        raise ModelError("the checkpoint is of another network: the code that builds this one has changed since")
    for variable, value in zip(own, values, strict=True):
        variable.assign(value)


def numbered(prefix: str, values: Weights) -> dict[str, NDArray[Any]]:
    """A list of arrays as named ones, for a checkpoint."""
    return {f"{prefix}/{place:04d}": value for place, value in enumerate(values)}


def unnumbered(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Weights:
    """What `numbered` was given."""
    return [arrays[name] for name in sorted(arrays) if name.startswith(f"{prefix}/")]


def under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The named arrays of a checkpoint's part, without the part's name."""
    return {name.removeprefix(f"{prefix}/"): value for name, value in arrays.items() if name.startswith(f"{prefix}/")}
