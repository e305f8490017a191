"""What a TFLite operator costs, and in which numbers it calculates.

The convention of onsight_train.macs: one multiply-accumulate (MAC) for each weight of a convolution or dense layer at
each place where it is applied, padding included; products of two computed matrices count likewise. Biases,
activations, poolings and additions count nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from onsight_export.inspect.facts import CONVERSION, OTHER

Shape = Sequence[int]

_CONVERSIONS = frozenset(("QUANTIZE", "DEQUANTIZE", "DENSIFY", "CAST", "FAKE_QUANT", "STABLEHLO_CONVERT"))
# what multiplies inside without saying by how much, or runs other graphs, or is not known at all
_UNKNOWN = frozenset(
    (
        *("LSTM", "RNN", "SVDF", "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN"),
        *("UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "RFFT2D", "DELEGATE", "CALL", "IF", "WHILE"),
        *("STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL", "STABLEHLO_CUSTOM_CALL", "STABLEHLO_WHILE"),
        *("STABLEHLO_COMPOSITE", "STABLEHLO_CASE"),
    )
)
# what decides and measures, whatever numbers it is given
_NO_ARITHMETIC = frozenset(("IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_CASE", "SHAPE", "RANK"))
_FLOATS = frozenset(("float16", "bfloat16", "float32", "float64"))


def macs(kind: str, inputs: Sequence[Shape | None], output: Shape | None, adjoint: bool = False) -> int | None:
    """Multiply-accumulates of one execution; None where they cannot be told.

    Args:
        kind: the builtin operator's name, or `custom NAME`.
        inputs: shapes of its inputs, None for one that is left out or has a free side.
        output: shape of its first output.
        adjoint: BATCH_MATMUL reads its first matrix transposed.
    """
    if kind in _UNKNOWN or kind.startswith("custom ") or kind.isdigit():
        return None
    if kind not in _WEIGHTS_AT:
        return 0
    at = _WEIGHTS_AT[kind]
    weights = inputs[at] if at < len(inputs) else None
    if weights is None or output is None or not weights or not output:
        return None
    if kind == "DEPTHWISE_CONV_2D":  # (1, height, width, channels): each output channel has its own kernel
        return math.prod(output[:-1]) * math.prod(weights)
    if kind == "FULLY_CONNECTED":  # (units, inputs)
        return math.prod(output) // max(weights[0], 1) * math.prod(weights)
    if kind == "BATCH_MATMUL":
        first = inputs[0]
        return None if not first or len(first) < 2 else math.prod(output) * first[-2 if adjoint else -1]
    if kind in ("TRANSPOSE_CONV", "CONV_3D_TRANSPOSE"):  # each value that goes in meets every weight
        data = inputs[2] if len(inputs) > 2 else None
        return None if not data else math.prod(data[:-1]) * math.prod(weights)
    return math.prod(output[:-1]) * math.prod(weights)  # CONV_2D, CONV_3D: grouped ones have smaller kernels


_WEIGHTS_AT = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "FULLY_CONNECTED": 1,
    "CONV_3D": 1,
    "TRANSPOSE_CONV": 1,
    "CONV_3D_TRANSPOSE": 1,
    "BATCH_MATMUL": 1,
}


def arithmetic(kind: str, computed: Sequence[tuple[str, bool]], weights: Sequence[tuple[str, bool]]) -> str:
    """What an operator calculates in, see Operator.arithmetic.

    Args:
        kind: the operator's name.
        computed: dtype, and whether it is quantized, of the values that go in and come out.
        weights: the same of the constants that it reads.
    """
    if kind in _CONVERSIONS:
        return CONVERSION
    if kind in _NO_ARITHMETIC:
        return OTHER
    floats = [dtype for dtype, _ in computed if dtype in _FLOATS]
    if floats:
        # integers beside floats are weights that the operator unpacks as it goes: "dynamic range"
        return f"{floats[0]}, 8-bit weights" if any(quantized for _, quantized in weights) else floats[0]
    quantized = [dtype for dtype, is_quantized in computed if is_quantized]
    return quantized[0] if quantized else OTHER
