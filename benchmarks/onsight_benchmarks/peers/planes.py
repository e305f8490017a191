"""An ONNX classifier from its first convolution on: for runtimes that take neither bytes nor channels last."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from onsight_edge.errors import BenchmarkError, MissingExtraError


def cut_planes(source: Path, target: Path) -> float:
    """Write what is left of a graph when Cast, Rescaling and Transpose before its first convolution are taken off.

    ONNX Runtime's basic optimizations come first, for batch normalisation stands apart from its convolution in our
    files: ONNX Runtime folds it while it loads, and ncnn would pay for it.

    Args:
        source: an .onnx file that takes (N, height, width, 3) raw pixels.
        target: takes (1, 3, height, width) float32.

    Returns:
        What pixels must be multiplied by before they are given to it.

    Raises:
        BenchmarkError: something else stands before the first convolution.
        MissingExtraError: onnx or onnxruntime is not installed here.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(error.name or "onnx", "export", "cutting an ONNX graph") from error
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
        basic = Path(folder) / "basic.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(basic)
        options.log_severity_level = 3
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        graph = onnx.load(basic).graph
        weights = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        edge, scale = _before_convolution(graph, weights)
        onnx.utils.extract_model(str(basic), str(target), [edge], [graph.output[0].name])
    model = onnx.load(target)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, target)
    return scale


def _before_convolution(graph: Any, weights: dict[str, Any]) -> tuple[str, float]:
    """The first convolution's input, and the product of what is multiplied before it."""
    edge, scale = graph.input[0].name, 1.0
    for node in graph.node:
        if edge not in node.input:
            continue
        if node.op_type == "Conv":
            return edge, scale
        if node.op_type == "Mul":
            factor = next((weights[name] for name in node.input if name in weights), None)
            if factor is None or np.size(factor) != 1:
                break
            scale *= float(np.ravel(factor)[0])
        elif node.op_type not in ("Cast", "Transpose"):
            break
        edge = node.output[0]
    raise BenchmarkError("the ONNX graph does not begin with Cast, Mul or Transpose and a convolution")
