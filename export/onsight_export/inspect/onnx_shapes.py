"""The shapes of an ONNX graph's values, inferred for a batch of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

# ONNX Runtime's 8-bit operators, which `onnx` knows no shapes of: the float operator that has the same, and where the
# values stand among the scales and zero points (onnxruntime/docs/ContribOperators.md)
_TWINS = {
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QLinearReduceMean": ("ReduceMean", (0,)),
    "QLinearSigmoid": ("Sigmoid", (0,)),
    "QLinearLeakyRelu": ("LeakyRelu", (0,)),
    "QLinearSoftmax": ("Softmax", (0,)),
    "QGemm": ("Gemm", (0, 3)),
    "FusedConv": ("Conv", (0, 1, 2)),
    "FusedMatMul": ("MatMul", (0, 1)),
}
_OPTIONS = frozenset(("kernel_shape", "pads", "strides", "auto_pad", "dilations", "group", "ceil_mode", "axis"))
_OPTIONS |= {"transA", "transB", "axes", "keepdims"}


def infer(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model whose `value_info` and outputs have the shapes that ONNX can infer.

    The first side of an input that is free is taken as 1; shapes that the file claims for other values are not
    believed.

    Raises:
        Exception: what onnx's C++ raises where shapes contradict each other (no common class).
    """
    from onnx import shape_inference

    copy = type(model)()
    copy.CopyFrom(model)
    constants = {tensor.name for tensor in copy.graph.initializer}
    for value in copy.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in constants and dims and dims[0].WhichOneof("value") != "dim_value":
            dims[0].dim_value = 1
    for value in copy.graph.output:
        value.type.tensor_type.ClearField("shape")
    del copy.graph.value_info[:]
    for node in copy.graph.node:
        if node.domain == "com.microsoft" and node.op_type in _TWINS:
            _take_twin(node)
    inferred: onnx.ModelProto = shape_inference.infer_shapes(copy, data_prop=True)
    return inferred


def _take_twin(node: onnx.NodeProto) -> None:
    options = {attribute.name: attribute for attribute in node.attribute}
    if "channels_last" in options and options["channels_last"].i:
        return
    node.op_type, positions = _TWINS[node.op_type]
    node.domain = ""
    kept = [node.input[at] for at in positions if at < len(node.input)]
    del node.input[:]
    node.input.extend(kept)
    known = [attribute for name, attribute in options.items() if name in _OPTIONS]
    del node.attribute[:]
    node.attribute.extend(known)
