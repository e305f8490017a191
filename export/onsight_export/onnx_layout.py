"""Channels first: an ONNX graph whose input is (batch, channels, height, width).

Convolutions of ONNX take channels first, so a graph made of a Keras network transposes its input. Here the input
itself is turned: a transpose back is put behind it and moved down through operators that work on each number alone,
until it meets the graph's own transpose, and both vanish. Where it meets something else it stays there: the file is
right all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onsight_export.onnx_graph import has_subgraphs, replace_reads, sort_nodes

if TYPE_CHECKING:
    import onnx

_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
# of these the first input is the picture and the others, if any, are constants that apply to all of it or by channel
_ELEMENTWISE = ("Cast", "Mul", "Add", "Sub", "Div", "QuantizeLinear", "DequantizeLinear")
_BROADCASTS = ("Mul", "Add", "Sub", "Div")


def to_channels_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose one input has its channels before height and width.

    Args:
        model: its input is (batch, height, width, channels). Not changed.
    """
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    value = graph.input[0]
    sizes = value.type.tensor_type.shape.dim
    height, width, channels = (sizes[at].dim_value for at in (1, 2, 3))
    for at, size in zip((1, 2, 3), (channels, height, width), strict=True):
        sizes[at].dim_value = size
    del graph.value_info[:]  # shapes of what is moved
    turned = f"{value.name}/channels_last"
    replace_reads(graph, value.name, turned)
    graph.node.insert(0, onnx.helper.make_node("Transpose", [value.name], [turned], name=turned, perm=_TO_LAST))
    turn = graph.node[0]  # inserting copies
    if not has_subgraphs(graph):
        while _sink(graph, turn, int(channels)):
            pass
    sort_nodes(graph)
    return result


def _sink(graph: onnx.GraphProto, turn: onnx.NodeProto, channels: int) -> bool:
    """Move `turn` behind the operator that reads it; False where it can go no further, or is gone."""
    readers = [node for node in graph.node if turn.output[0] in node.input]
    made = {turn.output[0], *(name for node in readers for name in node.output)}
    if not readers or made & {value.name for value in graph.output}:
        return False
    if all(_permutation(node) == _TO_FIRST for node in readers):
        for node in readers:
            replace_reads(graph, node.output[0], turn.input[0])
            graph.node.remove(node)
        graph.node.remove(turn)
        return False
    if len(readers) != 1 or not _moves_through(graph, readers[0], turn.output[0], channels):
        return False
    reader = readers[0]
    before, between, after = turn.input[0], turn.output[0], reader.output[0]
    reader.input[list(reader.input).index(between)] = before
    reader.output[0], turn.input[0], turn.output[0] = between, between, after
    return True


def _permutation(node: onnx.NodeProto) -> list[int]:
    if node.op_type != "Transpose":
        return []
    return [size for attribute in node.attribute if attribute.name == "perm" for size in attribute.ints]


def _moves_through(graph: onnx.GraphProto, node: onnx.NodeProto, picture: str, channels: int) -> bool:
    """Whether an operator gives the same before and after the transpose; a constant by channel is turned with it."""
    import onnx

    if node.op_type not in _ELEMENTWISE or list(node.input).count(picture) != 1:
        return False
    constants = {tensor.name: tensor for tensor in graph.initializer}
    # in a quantized graph a constant stands behind an operator that gives it its real value
    behind = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    wide = []
    for name in (name for name in node.input if name not in (picture, "")):
        tensor = constants.get(behind.get(name, name))
        if tensor is None:
            return False
        if np.prod(tensor.dims) != 1:
            wide.append((name, tensor))
    for name, tensor in wide:
        by_channel = np.prod(tensor.dims) == channels == tensor.dims[-1]
        if not by_channel or node.op_type not in _BROADCASTS or name in behind:
            return False
    for name, tensor in wide:
        values = onnx.numpy_helper.to_array(tensor).reshape(channels, 1, 1)
        turned = onnx.numpy_helper.from_array(np.ascontiguousarray(values), f"{name}/channels_first")
        graph.initializer.append(turned)
        node.input[list(node.input).index(name)] = turned.name
    return True
