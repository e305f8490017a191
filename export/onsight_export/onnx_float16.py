"""From a float32 ONNX graph to one that stores and computes float16, with ONNX Runtime's converter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onsight_edge.errors import MissingExtraError, ModelError
from onsight_export.onnx_graph import rename, replace_reads, sort_nodes
from onsight_export.quiet import quiet

if TYPE_CHECKING:
    import onnx


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the graph with weights and activations in float16; softmax and output stay float32.

    Args:
        model: takes uint8, gives float32, as `onnx_files.convert` makes it. Not changed.

    Raises:
        MissingExtraError: onnxruntime is not installed. ModelError: its converter refused.
    """
    import onnx

    with quiet():
        try:
            from onnxruntime.transformers import float16
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "onnxruntime", "export", "exporting to ONNX float16") from error
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    # eleven bits would leave sums of scores that are off by a thousandth
    softmax = [node.name for node in copy.graph.node if node.op_type == "Softmax"]
    try:
        with quiet():
            result: onnx.ModelProto = float16.convert_float_to_float16(
                copy, keep_io_types=True, node_block_list=softmax
            )
            _drop_there_and_back(result.graph)
            sort_nodes(result.graph)
            rename(result.graph)
    except Exception as error:  # the converter raises whatever its shape inference raises
        raise ModelError(
            f"onnx-float16: ONNX Runtime's converter failed: {' '.join(str(error).split())[:300]}"
        ) from error
    return result


def _drop_there_and_back(graph: onnx.GraphProto) -> None:
    """Take out casts float32 -> float16 -> float32, which only round: the converter leaves them at its seams."""
    import onnx

    def casts(to: int) -> list[onnx.NodeProto]:
        return [n for n in graph.node if n.op_type == "Cast" and next(a.i for a in n.attribute if a.name == "to") == to]

    outputs = {value.name for value in graph.output}
    halves = {node.output[0]: node for node in casts(onnx.TensorProto.FLOAT16)}
    makers = {name: node for node in graph.node for name in node.output}
    kept_float = {node.output[0] for node in graph.node if node.op_type == "Softmax"}
    for back in casts(onnx.TensorProto.FLOAT):
        half = halves.get(back.input[0])
        if half is None or half.input[0] not in kept_float:
            continue
        source, target = half.input[0], back.output[0]
        if target in outputs:
            makers[source].output[0] = target
            replace_reads(graph, source, target)
        else:
            replace_reads(graph, target, source)
        graph.node.remove(back)
    read = {name for node in graph.node for name in node.input} | outputs
    for half in halves.values():
        if half.output[0] not in read:
            graph.node.remove(half)
