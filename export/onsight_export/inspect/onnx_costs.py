"""What an ONNX operator costs, and in which numbers it calculates; the convention is that of tflite_costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

Shape = Sequence[int]

# where an operator keeps its weights, and whether it is a convolution
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "FusedConv": 1, "NhwcConv": 1, "NhwcFusedConv": 1}
_TRANSPOSED = {"ConvTranspose": 1}
_PRODUCTS = {"MatMul": 0, "MatMulInteger": 0, "QLinearMatMul": 0, "FusedMatMul": 0, "Gemm": 0, "QGemm": 0}
_PRODUCTS |= {"DynamicQuantizeMatMul": 0, "MatMulIntegerToFloat": 0}
_UNKNOWN = frozenset(
    (
        *("LSTM", "GRU", "RNN", "Einsum", "DeformConv", "DFT", "STFT", "Attention", "LinearAttention"),
        *("If", "Loop", "Scan", "SequenceMap"),
    )
)
_STANDARD = frozenset(("", "ai.onnx", "ai.onnx.ml"))
# operators of ONNX Runtime that multiply by no weights
_FREE_ELSEWHERE = (
    "QLinear",
    "Quantize",
    "Dequantize",
    "Dynamic",
    "Bias",
    "Gelu",
    "FastGelu",
    "Nhwc",
    "Reorder",
    "Skip",
)


def macs(
    kind: str, domain: str, inputs: Sequence[Shape | None], output: Shape | None, transposed: tuple[bool, bool]
) -> int | None:
    """Multiply-accumulates of one execution; None where they cannot be told.

    Args:
        kind, domain: of the operator.
        inputs: shapes of its inputs, None for one that is left out or not known.
        output: shape of its first output.
        transposed: whether a matrix product reads its first, its second matrix transposed.
    """
    if kind in _CONVOLUTIONS or kind in _TRANSPOSED:
        return _convolution(kind, inputs, output)
    if kind in _PRODUCTS:
        first = inputs[0] if inputs else None
        if not first or output is None:
            return None
        depth = first[-2] if transposed[0] and len(first) > 1 else first[-1]
        return math.prod(output) * depth
    if domain in _STANDARD:
        # the trees and vector machines of ai.onnx.ml have no such weights
        return None if kind in _UNKNOWN else 0
    return 0 if domain == "com.microsoft" and kind.startswith(_FREE_ELSEWHERE) else None


def _convolution(kind: str, inputs: Sequence[Shape | None], output: Shape | None) -> int | None:
    at = {**_CONVOLUTIONS, **_TRANSPOSED}[kind]
    weights = inputs[at] if at < len(inputs) else None
    if not weights or len(weights) < 3:
        return None
    if kind in _TRANSPOSED:  # each value that goes in meets every weight of its group
        data = inputs[0]
        return None if not data else data[0] * math.prod(data[2:]) * math.prod(weights)
    if output is None or len(output) != len(weights):
        return None
    places = output[1:-1] if kind.startswith("Nhwc") else output[2:]
    return output[0] * math.prod(places) * math.prod(weights)


# operand positions that hold scales, zero points, sizes and limits rather than weights
NO_WEIGHTS = {
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
    "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "QGemm": (1, 2, 4, 5, 7, 8),
    "ConvInteger": (2, 3),
    "MatMulInteger": (2, 3),
    "MatMulIntegerToFloat": (2, 3, 4, 5),
    "DynamicQuantizeMatMul": (2, 3),
    "QLinearAdd": (1, 2, 4, 5, 6, 7),
    "QLinearMul": (1, 2, 4, 5, 6, 7),
    "QLinearGlobalAveragePool": (1, 2, 3, 4),
    "QLinearAveragePool": (1, 2, 3, 4),
    "QLinearSigmoid": (1, 2, 3, 4),
    "QLinearLeakyRelu": (1, 2, 3, 4),
    "QLinearSoftmax": (1, 2, 3, 4),
    "QLinearConcat": (0, 1),
    "Resize": (1, 2, 3),
    "Upsample": (1,),
    "Clip": (1, 2),
    "Pad": (1, 2),
}
# where whole numbers are weights
INTEGER_WEIGHTS = {
    "DequantizeLinear": (0,),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    "QGemm": (0, 3, 6),
    "ConvInteger": (1,),
    "MatMulInteger": (0, 1),
    "MatMulIntegerToFloat": (0, 1),
    "DynamicQuantizeMatMul": (1,),
    "MatMulNBits": (1,),
    "QLinearAdd": (0, 3),
    "QLinearMul": (0, 3),
}
