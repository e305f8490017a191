"""In which numbers an ONNX graph calculates.

Quantized by a DequantizeLinear before and a QuantizeLinear behind each operator (QDQ), by operators that take 8 bits
themselves (QOperator), or not at all: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from onsight_export.inspect.facts import CONVERSION, OTHER, UNKNOWN, Quantization, Tensor

if TYPE_CHECKING:
    import onnx

_CONVERSIONS = frozenset(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "CastLike"))
# what decides and measures, whatever numbers it is given
_NO_ARITHMETIC = frozenset(("If", "Loop", "Scan", "SequenceMap", "Shape", "Size"))
_UNPACK_WEIGHTS = frozenset(("MatMulNBits", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"))
# runtimes do these within the operator before them
_ACTIVATIONS = frozenset(("Relu", "Clip", "LeakyRelu", "HardSigmoid", "HardSwish", "Sigmoid"))
_FLOATS = frozenset(("float16", "bfloat16", "float32", "float64"))
_MOST_SCALES = 1 << 20


class Numbers:
    """Who writes and who reads each value of the main graph."""

    def __init__(self, graph: onnx.GraphProto, constants: Mapping[str, onnx.TensorProto]) -> None:
        self._constants = constants
        self._writers = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self._readers[name].append(node)
        self._answers = {value.name for value in graph.output}

    def arithmetic(self, node: onnx.NodeProto, tensor: Callable[[str], Tensor]) -> str:
        """What a node calculates in, see Operator.arithmetic; `tensor` tells a value's dtype."""
        if node.op_type in _CONVERSIONS:
            return CONVERSION
        if node.op_type in _NO_ARITHMETIC:
            return OTHER
        computed = [name for name in node.input if name and not self._is_constant(name)]
        dtypes = [tensor(name).dtype for name in (*computed, *node.output) if name]
        if node.op_type.startswith("QLinear") or node.op_type in ("ConvInteger", "MatMulInteger", "QGemm"):
            return next((dtype for dtype in dtypes if dtype.endswith("int8")), "int8")
        floats = [dtype for dtype in dtypes if dtype in _FLOATS]
        if not floats:
            return UNKNOWN if UNKNOWN in dtypes else OTHER
        if node.op_type in _UNPACK_WEIGHTS:
            return f"{floats[0]}, 8-bit weights"
        sources = [self._writers.get(name) for name in computed if tensor(name).dtype in _FLOATS]
        from_8_bits = [one is not None and self._within_8_bits(one) for one in sources]
        if from_8_bits and all(from_8_bits) and (to := self._quantized_to(node)):
            return to
        if any(self._is_unpacked_weight(name) for name in node.input):
            return f"{floats[0]}, 8-bit weights"
        return floats[0]

    def quantization(self, name: str) -> Quantization | None:
        """The scale of a value that a QuantizeLinear writes or a DequantizeLinear reads; None for others."""
        writer = self._writers.get(name)
        around = [writer] if writer is not None and writer.op_type == "QuantizeLinear" else []
        around += [node for node in self._readers.get(name, ()) if node.op_type == "DequantizeLinear"]
        for node in around:
            if node.op_type == "DequantizeLinear" and node.input[0] != name:
                continue
            scales = self._values(node.input[1])
            if scales is None:
                continue
            zero_points = self._values(node.input[2]) if len(node.input) > 2 else np.zeros(len(scales))
            axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
            found = () if zero_points is None else tuple(int(zero) for zero in zero_points)
            one = Quantization(tuple(float(s) for s in scales), found, axis if len(scales) > 1 else None)
            return one if one.sound else None
        return None

    def _within_8_bits(self, node: onnx.NodeProto) -> bool:
        """Whether a value comes out of a DequantizeLinear, or of an operator that a runtime fuses with this one."""
        if node.op_type == "DequantizeLinear":
            return True
        fused = [reader.op_type in _ACTIVATIONS for reader in self._readers.get(node.output[0], ())]
        sources = [self._writers.get(name) for name in node.input if not self._is_constant(name)]
        return fused == [True] and all(one is not None and one.op_type == "DequantizeLinear" for one in sources)

    def _quantized_to(self, node: onnx.NodeProto) -> str | None:
        """The dtype to which all that a node gives is quantized at once, or behind one activation."""
        found: set[str] = set()
        for name in node.output:
            readers = self._readers.get(name, [])
            if name in self._answers or not readers:
                return None
            for reader in readers:
                if reader.op_type == "QuantizeLinear":
                    found.add(self._dtype_of_zero_point(reader))
                elif reader.op_type in _ACTIVATIONS and node.op_type not in _ACTIVATIONS and len(readers) == 1:
                    found.add(self._quantized_to(reader) or "")
                else:
                    return None
        return None if "" in found else min(found)

    def _dtype_of_zero_point(self, quantizer: onnx.NodeProto) -> str:
        zero = self._constants.get(quantizer.input[2]) if len(quantizer.input) > 2 else None
        names = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16"}
        return names.get(zero.data_type, "8 bits") if zero is not None else "uint8"

    def _is_constant(self, name: str) -> bool:
        return name in self._constants or self._is_unpacked_weight(name)

    def _is_unpacked_weight(self, name: str) -> bool:
        writer = self._writers.get(name)
        return writer is not None and writer.op_type == "DequantizeLinear" and writer.input[0] in self._constants

    def _values(self, name: str) -> np.ndarray | None:
        from onnx import numpy_helper

        tensor = self._constants.get(name)
        if tensor is None or tensor.data_location == 1 or len(tensor.raw_data) > _MOST_SCALES:
            return None
        return np.atleast_1d(numpy_helper.to_array(tensor)).ravel()
