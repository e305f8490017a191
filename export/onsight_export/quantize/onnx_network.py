"""ONNX: one pre-processing, then ONNX Runtime's quantizer per candidate, with ranges that are ours.

Weights have 7 bits, because x86 without VNNI adds two products of uint8 and int8 in 16 bits and saturates: with
eight, the tutorial's network agreed with Keras on 90 % of pictures there, with seven on 98 %, at the same speed
(https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).

ONNX Runtime calibrates by min-max, percentile and entropy, each with a pass of its own over the pictures, and its
entropy takes ranges to be symmetric. Its QDQQuantizer takes ranges from anywhere: so both formats are quantized with
the same estimators, and a candidate costs one quantization.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.backends.onnxruntime import open_runtime
from onsight_edge.errors import MissingExtraError, ModelError
from onsight_edge.postprocess import Postprocessor
from onsight_edge.spec import ModelSpec
from onsight_export.flat import flat
from onsight_export.quantize.layer_names import kernels, layer_of, layer_with, meanings
from onsight_export.quantize.ranges import Range
from onsight_export.quantize.statistics import Values
from onsight_export.quiet import quiet

if TYPE_CHECKING:
    import keras
    import onnx

NAME = "onnx-int8"
_BATCH_PIXELS = 25 * 32 * 32
_SCORED = 100
_WITH_KERNEL = ("Conv", "Gemm", "MatMul")
# what only passes values on: ONNX Runtime gives it the format of what it reads
_MOVERS = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "MaxPool", "Relu", "Clip", "Pad", "Gather", "Softmax")


class OnnxNetwork:
    """See `Network`. What `quantize` makes is an onnx.ModelProto with `Cast` and `QuantizeLinear` after its input."""

    name = NAME

    def __init__(self, graph: onnx.ModelProto, spec: ModelSpec, model: keras.Model | None = None) -> None:
        self._spec = spec
        with quiet():
            try:
                from onnxruntime import quantization
                from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
                from onnxruntime.quantization.shape_inference import quant_pre_process
            except ModuleNotFoundError as error:
                raise MissingExtraError(error.name or "onnxruntime", "export", "exporting to ONNX int8") from error
        import onnx

        self._quantization, self._quantizer = quantization, QDQQuantizer
        try:
            with quiet(), tempfile.TemporaryDirectory(prefix="onsight-") as folder:
                file = Path(folder) / "prepared.onnx"
                quant_pre_process(graph, file)
                self._prepared = onnx.shape_inference.infer_shapes(onnx.load(file))
        except Exception as error:  # pre-processing raises whatever its passes raise
            raise ModelError(f"{NAME}: ONNX Runtime's pre-processing failed: {_one_line(error)}") from error
        self._read(model)
        self._session: Any = None

    def observe(self, pictures: NDArray[np.uint8]) -> Iterator[tuple[int, Values]]:
        """See `Network`."""
        session = self._session = self._session or self._observer()
        place = self._prepared.graph.input[0].name
        batch = max(1, min(_SCORED, _BATCH_PIXELS // (pictures.shape[1] * pictures.shape[2])))
        for at in range(0, len(pictures), batch):
            part = pictures[at : at + batch]
            yield len(part), dict(zip(self._ranged, session.run(self._ranged, {place: part}), strict=True))

    def quantize(self, ranges: Mapping[str, Range], left_float: frozenset[str]) -> onnx.ModelProto:
        """See `Network`."""
        quantization = self._quantization
        method = quantization.CalibrationMethod.MinMax  # "as given": ranges are not adjusted further
        limits = {self._pixels: (0.0, 255.0), **ranges}
        stored = {name: (np.float32(low), np.float32(high)) for name, (low, high) in limits.items()}
        kept = [node for layer in left_float for node in self._nodes[layer]]
        copy = type(self._prepared)()
        copy.CopyFrom(self._prepared)
        try:
            with quiet():
                quantizer = self._quantizer(
                    copy,
                    True,  # a scale for every channel
                    True,  # weights of 7 bits
                    quantization.QuantType.QInt8,
                    quantization.QuantType.QUInt8,
                    quantization.calibrate.TensorsData(method, stored),
                    [],
                    # a softmax in 8 bits costs the scores their last digits and gains nothing
                    sorted({*kept, *self._softmax}),
                    self._operators,
                    {},
                )
                quantizer.quantize_model()
        except Exception as error:  # the quantizer raises whatever its passes raise
            raise ModelError(f"{NAME}: ONNX Runtime's quantizer failed: {_one_line(error)}") from error
        made: onnx.ModelProto = quantizer.model.model
        return made

    def scores(self, made: onnx.ModelProto, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Network`."""
        backend = open_runtime("onnxruntime", made.SerializeToString(), 2)
        finish = Postprocessor(self._spec, backend.output)
        parts = [finish.scores(backend.infer(pixels[at : at + _SCORED])) for at in range(0, len(pixels), _SCORED)]
        return np.concatenate(parts)

    def _read(self, model: keras.Model | None) -> None:
        """Which values need a range, and which nodes make up which layer."""
        import onnx

        quantization = self._quantization
        registry = quantization.registry
        self._operators = sorted({*registry.QLinearOpsRegistry, *registry.QDQRegistry})
        graph = self._prepared.graph
        constants = {tensor.name: tensor for tensor in graph.initializer}
        typed = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
        casts = [node.output[0] for node in graph.node if graph.input[0].name in node.input]
        self._pixels = casts[0]
        self._ranged = [
            name
            for node in graph.node
            for name in node.output
            if typed.get(name) == onnx.TensorProto.FLOAT and name != self._pixels
        ]
        self._softmax = [node.name for node in graph.node if node.op_type == "Softmax"]
        model = None if model is None else flat(model)
        named = [name for node in graph.node for name in (node.name, *node.output)]
        meant = {} if model is None else meanings(named, [layer.name for layer in model.layers])
        known = {} if model is None else kernels(model)
        self._nodes: dict[str, list[str]] = {}
        first: list[str] = []
        for node in graph.node:
            if node.op_type not in self._operators or node.op_type in _MOVERS or node.output[0] not in self._ranged:
                continue
            weights = [constants[name] for name in node.input[1:2] if name in constants]
            has_kernel = node.op_type in _WITH_KERNEL and bool(weights)
            if not has_kernel and not self._nodes:
                first.append(node.name)
                continue
            layer = None
            if has_kernel:
                kernel = onnx.numpy_helper.to_array(weights[0])
                layer = layer_with(kernel if _outputs_first(node) else kernel.T, known)
            layer = layer or layer_of((node.name, *node.output), meant) or node.name
            # what rescales the pixels goes with the layer that takes them, as it does where a converter folds it in
            nodes, first = [*first, node.name], []
            self._nodes.setdefault(layer, []).extend(nodes)
        if len(self._nodes) < 2:  # a SavedModel: Keras has no layers of it, so every node is one
            self._nodes = {name: [name] for nodes in self._nodes.values() for name in nodes}
        self.layers = tuple(self._nodes)

    def _observer(self) -> Any:
        import onnx
        import onnxruntime

        model = type(self._prepared)()
        model.CopyFrom(self._prepared)
        given = {value.name for value in model.graph.output}
        model.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            for name in self._ranged
            if name not in given
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 2, 3
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _outputs_first(node: onnx.NodeProto) -> bool:
    """Whether a kernel's first axis counts the outputs: Conv's does, Gemm's where it is transposed, MatMul's not."""
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return node.op_type == "Conv" or (node.op_type == "Gemm" and transposed)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
