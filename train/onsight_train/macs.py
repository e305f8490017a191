"""Multiply-accumulates (MACs) of a network: what one picture costs, whatever machine it runs on.

The convention is that of the papers: one MAC for each weight of a convolution or dense layer at each place where it is
applied, padding included. Biases, batch norm (which folds into the convolution before it), activations, poolings and
additions count nothing. A layer that is not known here has no number rather than a wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onsight_train.frameworks import load_keras

# Keras's packages of layers that multiply by no kernel ...
_FREE_PACKAGES = frozenset(
    ("activations", "merging", "normalization", "pooling", "preprocessing", "regularization", "reshaping")
)
# ... with these exceptions
_COSTLY = frozenset(("Dot", "SpectralNormalization", "STFTSpectrogram", "MelSpectrogram"))
# what else costs nothing: layers of other packages, and functional operations on each value or on the shape
_FREE = frozenset(
    (
        *("Embedding", "Identity", "Masking"),
        *("Absolute", "Add", "Cast", "Clip", "Divide", "Exp", "Maximum", "Minimum", "Multiply", "Negative", "Power"),
        *("Sqrt", "Square", "Subtract", "TrueDivide", "AveragePool", "Max", "MaxPool", "Mean", "Sum"),
        *("Concatenate", "ExpandDims", "Flip", "GetItem", "Pad", "Reshape", "Split", "Squeeze", "Stack", "Transpose"),
        *("Gelu", "HardSigmoid", "HardSilu", "LeakyRelu", "Relu", "Relu6", "Sigmoid", "Silu", "Softmax", "Tanh"),
    )
)


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One call of a layer.

    Attributes:
        name: the layer's, behind those of the models it is nested in: `backbone/conv1`.
        kind: its class.
        output: shape of what it gives, without the batch; of the first of several.
        parameters: how many numbers it holds; 0 when it is called once more.
        macs: multiply-accumulates for one picture; None where that is not known.
    """

    name: str
    kind: str
    output: tuple[int | None, ...]
    parameters: int
    macs: int | None


def count_macs(model: Any) -> int | None:
    """Multiply-accumulates of one picture through `model`; None where `layer_costs` cannot tell them for a layer."""
    costs = layer_costs(model)
    if costs is None:
        return None
    known = [cost.macs for cost in costs if cost.macs is not None]
    return sum(known) if len(known) == len(costs) else None


def layer_costs(model: Any) -> tuple[LayerCost, ...] | None:
    """What each call of each layer costs, in the order of the calls; nested models are opened.

    Args:
        model: a built `keras.Model`, sequential or functional, of one input.

    Returns:
        None for a model whose layers cannot be followed: a subclass of `keras.Model` with a `call` of its own.
    """
    costs: list[LayerCost] = []
    seen: set[int] = set()
    functional = _functional(model)
    if functional is None or len(model.inputs) != 1:
        return None
    _follow(functional, model.inputs[0], "", costs, seen)
    return tuple(costs)


def _functional(model: Any) -> Any:
    """The graph of a model, None where it has none."""
    keras = load_keras()
    if isinstance(model, keras.Sequential):
        # Sequential holds its layers as a functional model inside
        return getattr(model, "_functional", None)
    return model if hasattr(model, "_run_through_graph") else None


def _follow(graph: Any, inputs: Any, prefix: str, costs: list[LayerCost], seen: set[int]) -> Any:
    """Send shapes through a graph as Keras itself does when a model is called on another size; note every call."""
    keras = load_keras()

    def watched(operation: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            inner = _functional(operation) if isinstance(operation, keras.Model) else None
            if inner is not None and args:
                return _follow(inner, args[0], f"{prefix}{operation.name}/", costs, seen)
            outputs = operation.compute_output_spec(*args, **kwargs)
            if not isinstance(operation, keras.layers.InputLayer):
                taken, given = _shape(args), _shape(outputs)
                parameters = 0 if id(operation) in seen else _parameters(operation)
                seen.add(id(operation))
                macs = _macs(operation, taken, given)
                costs.append(LayerCost(prefix + operation.name, type(operation).__name__, given[1:], parameters, macs))
            return outputs

        return call

    return graph._run_through_graph(inputs, operation_fn=watched)


def _macs(layer: Any, taken: Sequence[int | None], given: Sequence[int | None]) -> int | None:
    """MACs of one call, from the shapes (batch first) that it takes and gives."""
    kind, module = type(layer).__name__, type(layer).__module__.split(".")
    if module[0] != "keras":  # the user's own may do anything
        return None
    if kind == "Dense":
        return _product(given[1:-1], layer.kernel.shape)
    if kind in ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"):
        return _product(_places(layer, taken), layer.kernel.shape)  # each value it takes meets every weight
    if kind in ("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D"):
        # a grouped kernel holds the channels of one group, a depthwise one those of its own: the shape says it all
        return _product(_places(layer, given), layer.kernel.shape)
    if kind in ("SeparableConv1D", "SeparableConv2D"):
        kernels = (layer.depthwise_kernel.shape, layer.pointwise_kernel.shape)
        parts = [_product(_places(layer, given), shape) for shape in kernels]
        return None if None in parts else sum(part for part in parts if part is not None)
    return 0 if kind in _FREE or (kind not in _COSTLY and _FREE_PACKAGES.intersection(module)) else None


def _places(layer: Any, shape: Sequence[int | None]) -> Sequence[int | None]:
    return shape[2:] if layer.data_format == "channels_first" else shape[1:-1]


def _product(*shapes: Sequence[int | None]) -> int | None:
    sides = [side for shape in shapes for side in shape]
    return None if None in sides else math.prod(side for side in sides if side is not None)


def _parameters(operation: Any) -> int:
    return sum(math.prod(weight.shape) for weight in getattr(operation, "weights", ()))


def _shape(tensors: Any) -> tuple[int | None, ...]:
    """The shape of the first tensor in what a layer takes or gives."""
    while isinstance(tensors, list | tuple):
        if not tensors:
            return ()
        tensors = tensors[0]
    return tuple(getattr(tensors, "shape", ()))
