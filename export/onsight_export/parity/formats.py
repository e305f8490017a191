"""Which number format a model file computes in, told from the file alone."""

from __future__ import annotations

from onsight_edge.errors import ModelError


def number_format_of(data: bytes, model_format: str) -> str:
    """`float32`, `float16`, `dynamic`, `int8` or `int16x8`.

    Args:
        data: the file.
        model_format: `tflite` or `onnx`.

    Raises:
        ModelError: the file cannot be read. MissingExtraError: onnx is not installed.
    """
    return _tflite(data) if model_format == "tflite" else _onnx(data)


def _tflite(data: bytes) -> str:
    from ai_edge_litert import schema_py_generated as schema

    types = schema.TensorType
    try:
        graph = schema.ModelT.InitFromPackedBuf(data, 0).subgraphs[0]
        made = [graph.tensors[at].type for op in graph.operators for at in op.outputs]
        read = [graph.tensors[at].type for op in graph.operators for at in op.inputs if at >= 0]
    except Exception as error:  # the reader follows offsets wherever they lead
        raise ModelError(f"the TFLite file cannot be read: {error!r}") from error
    if types.INT16 in made:
        return "int16x8"
    if types.INT8 in made or types.UINT8 in made:
        return "int8"
    if types.FLOAT16 in read or types.FLOAT16 in made:
        return "float16"
    return "dynamic" if types.INT8 in read or types.INT4 in read else "float32"


def _onnx(data: bytes) -> str:
    from onsight_export.parity.onnx_tensors import read_graph

    graph = read_graph(data).graph
    operators = {node.op_type for node in graph.node}
    if operators & {"DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"}:
        return "dynamic"
    if operators & {"QuantizeLinear", "QLinearConv", "QLinearMatMul"}:
        return "int8"
    float16 = 10  # TensorProto.DataType
    return "float16" if any(tensor.data_type == float16 for tensor in graph.initializer) else "float32"
