"""Small operations on ONNX graphs that several steps of an export need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

_COUNTER = re.compile(r"__\d+$")


def has_subgraphs(graph: onnx.GraphProto) -> bool:
    """Whether a node holds a graph of its own, as branches and loops do: those name values of the outer one."""
    return any(attribute.HasField("g") or attribute.graphs for node in graph.node for attribute in node.attribute)


def rename(graph: onnx.GraphProto) -> None:
    """Name nodes and values by their order, in place: tf2onnx numbers them by chance of hashing, run by run."""
    if has_subgraphs(graph):
        return  # not worth the risk for equal bytes
    kept = {value.name for value in (*graph.input, *graph.output)}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    values: dict[str, str] = {}
    taken: dict[str, int] = {}
    for node in graph.node:
        base = _COUNTER.sub("", node.name) or node.op_type
        taken[base] = taken.get(base, 0) + 1
        node.name = base if taken[base] == 1 else f"{base}__{taken[base]}"
        for position, name in enumerate(node.input):
            if name in constants:  # named after its first reader
                values.setdefault(name, f"{node.name}/{position}")
            node.input[position] = values.get(name, name)
        for position, name in enumerate(node.output):
            if name not in kept:
                values[name] = f"{node.name}:{position}"
            node.output[position] = values.get(name, name)
    used = [(constants[old], new) for old, new in values.items() if old in constants]
    del graph.initializer[:]
    for tensor, new in used:
        tensor.name = new
        graph.initializer.append(tensor)


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Bring the nodes into an order in which every value is made before it is read, in place and stable.

    Raises:
        ValueError: there is none: a value is read that nothing makes.
    """
    made = {""} | {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    waiting = list(graph.node)
    ordered = []
    while waiting:
        later = []
        for node in waiting:
            if made.issuperset(node.input):
                ordered.append(node)
                made.update(node.output)
            else:
                later.append(node)
        if len(later) == len(waiting):
            raise ValueError(f"nothing makes an input of the node {later[0].name!r}")
        waiting = later
    copies = [type(node).FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def replace_reads(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Let every node that reads the value `old` read `new`, in place."""
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name == old:
                node.input[position] = new
