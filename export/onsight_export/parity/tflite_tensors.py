"""A TFLite graph's intermediate tensors: which there are, and what they are for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import BackendError, ModelError
from onsight_export.parity.matching import Value
from onsight_export.quiet import quiet


def values_of(data: bytes) -> list[Value]:
    """What the first subgraph's operators make, in the order they make it; constants made of constants left out.

    Raises:
        ModelError: the file cannot be read.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        graph = schema.ModelT.InitFromPackedBuf(data, 0).subgraphs[0]
        found, constant = [], _constants(graph)
        for operator in graph.operators:
            made = [int(at) for at in operator.outputs]
            if all(int(at) in constant for at in operator.inputs if at >= 0):  # a float16 weight, made float32
                constant.update(made)
                continue
            found += [_value(graph, at) for at in made]
    except Exception as error:  # the reader follows offsets wherever they lead
        raise ModelError(f"the TFLite file cannot be read: {error!r}") from error
    return found


def run(data: bytes, feeds: Sequence[NDArray[np.generic]], keys: Sequence[int]) -> dict[int, NDArray[np.float32]]:
    """Tensors for some pictures, as real numbers; by LiteRT's own kernels, which keep every tensor.

    Args:
        data: the file.
        feeds: one input tensor a picture, a batch of one each.
        keys: tensors' indices.

    Returns:
        Index -> (pictures, ...) float32.

    Raises:
        BackendError: LiteRT refuses.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        with quiet():
            interpreter = Interpreter(
                model_content=data,
                num_threads=1,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=True,
            )
            interpreter.allocate_tensors()
        entry = interpreter.get_input_details()[0]["index"]
        details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
        rows: dict[int, list[NDArray[np.float32]]] = {key: [] for key in keys}
        for feed in feeds:
            interpreter.set_tensor(entry, feed)
            interpreter.invoke()
            for key in keys:
                rows[key].append(_real(interpreter.get_tensor(key), details[key]))
    except (RuntimeError, ValueError, KeyError) as error:
        raise BackendError(f"litert failed on the layers: {' '.join(str(error).split())[:200]}") from error
    return {key: np.concatenate(parts) for key, parts in rows.items()}


def _constants(graph: Any) -> set[int]:
    made = {int(at) for operator in graph.operators for at in operator.outputs}
    return {at for at in range(len(graph.tensors)) if at not in made} - {int(at) for at in graph.inputs}


def _value(graph: Any, at: int) -> Value:
    tensor = graph.tensors[at]
    shape = tuple(int(size) for size in (tensor.shape if tensor.shape is not None else ()))
    return Value(at, shape[1:], tensor.name.decode(errors="replace"), at in {int(out) for out in graph.outputs})


def _real(stored: NDArray[Any], detail: dict[str, Any]) -> NDArray[np.float32]:
    scales, zeros = detail["quantization_parameters"]["scales"], detail["quantization_parameters"]["zero_points"]
    if len(scales) != 1:
        return stored.astype(np.float32)
    return np.asarray((stored.astype(np.float64) - zeros[0]) * scales[0], np.float32)
