"""An ONNX graph's intermediate values: which there are, and what they are for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import BackendError, MissingExtraError, ModelError
from onsight_export.parity.matching import Value
from onsight_export.quiet import quiet

if TYPE_CHECKING:
    import onnx


def read_graph(data: bytes) -> onnx.ModelProto:
    """The file as a protobuf message.

    Raises:
        ModelError: it is none. MissingExtraError: onnx is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError("onnx", "export", "looking into ONNX files") from error
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError, which has no stable place to import it from
        raise ModelError(f"the ONNX file cannot be read: {' '.join(str(error).split())[:200]}") from error


def values_of(data: bytes) -> list[Value]:
    """What the graph's nodes make, in the order they make it, with shapes as far as shape inference knows them.

    Raises:
        ModelError: the file cannot be read. MissingExtraError: onnx is not installed.
    """
    import onnx

    model = read_graph(data)
    with quiet():
        inferred = onnx.shape_inference.infer_shapes(model)
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*inferred.graph.value_info, *inferred.graph.output)
    }
    constant = {tensor.name for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        if all(name in constant or not name for name in node.input):  # a weight, taken out of its 8 bits
            constant.update(node.output)
            continue
        # a QuantizeLinear's own output is stored integers; the DequantizeLinear that follows gives the values
        if node.op_type == "QuantizeLinear":
            continue
        found += [Value(name, shapes.get(name, ())[1:], name) for name in node.output if shapes.get(name)]
    outputs = {value.name for value in model.graph.output}
    return [Value(v.key, v.shape, v.name, v.name in outputs) for v in found]


def run(data: bytes, feeds: Sequence[NDArray[np.generic]], names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Values for some pictures, computed as the file says: without any of ONNX Runtime's rewriting.

    Args:
        data: the file.
        feeds: one input tensor a picture, a batch of one each.
        names: of the values.

    Returns:
        Name -> (pictures, ...) float32.

    Raises:
        BackendError: ONNX Runtime refuses.
    """
    import onnx
    import onnxruntime

    model = read_graph(data)
    given = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in given)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0].name
        rows = [session.run(list(names), {entry: feed}) for feed in feeds]
    except Exception as error:  # the binding has exception classes of its own for every status
        raise BackendError(f"onnxruntime failed on the layers: {' '.join(str(error).split())[:200]}") from error
    return {
        name: np.concatenate([np.asarray(row[place], np.float32) for row in rows]) for place, name in enumerate(names)
    }
