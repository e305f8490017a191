"""TFLite: one conversion, then a quantization per candidate.

TensorFlow's converter can stop after calibration (`_experimental_calibrate_only`): a float file whose tensors carry
the smallest and largest value seen. `mlir_quantize`, the converter's own second half, makes the int8 file of that,
in about 0.02 s for a ResNet-8 where a whole conversion takes 1 s. So the ranges of our estimators are written
over the converter's in place, and the file is what the converter itself would have written: same operators, same
fusions. ai-edge-quantizer would have been a second quantizer with a package of its own, for nothing that this lacks.
TensorFlow's own QuantizationDebugger calls `mlir_quantize` in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.backends.litert import open_runtime
from onsight_edge.errors import ModelError
from onsight_edge.postprocess import Postprocessor
from onsight_edge.spec import ModelSpec
from onsight_export.flat import flat
from onsight_export.quantize.layer_names import kernels, layer_of, layer_with, meanings
from onsight_export.quantize.ranges import Range
from onsight_export.quantize.statistics import Values
from onsight_export.quiet import quiet
from onsight_export.run import import_tensorflow

if TYPE_CHECKING:
    import keras

NAME = "tflite-int8"
# what only passes values on: it stays in the format of the layer before it
_MOVERS = ("RESHAPE", "SQUEEZE", "TRANSPOSE", "MAX_POOL_2D", "SOFTMAX", "LOGISTIC")
_WITH_KERNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL")


class TFLiteNetwork:
    """See `Network`. What `quantize` makes is the bytes of a file that takes and gives uint8, or float32."""

    name = NAME

    def __init__(self, model: keras.Model, saved_model_folder: Path, spec: ModelSpec, float_io: bool) -> None:
        self._spec = spec
        self._tf = import_tensorflow()
        self._dtype = self._tf.float32 if float_io else self._tf.uint8
        self._calibrated = self._convert(saved_model_folder, tuple(model.inputs[0].shape[1:]))
        self._read(model)
        self._interpreter: Any = None

    def observe(self, pictures: NDArray[np.uint8]) -> Iterator[tuple[int, Values]]:
        """See `Network`."""
        interpreter = self._interpreter = self._interpreter or self._observer()
        place = interpreter.get_input_details()[0]["index"]
        for picture in pictures:
            interpreter.set_tensor(place, picture[np.newaxis].astype(np.float32))
            interpreter.invoke()
            yield 1, {name: interpreter.get_tensor(int(name)) for name in self._ranged}

    def quantize(self, ranges: Mapping[str, Range], left_float: frozenset[str]) -> bytes:
        """See `Network`."""
        from ai_edge_litert import schema_py_generated as schema
        from tensorflow.lite.python.convert import mlir_quantize

        buffer = bytearray(self._calibrated)
        graph = schema.Model.GetRootAsModel(buffer, 0).Subgraphs(0)
        for name, (low, high) in {self._input: (0.0, 255.0), **ranges}.items():
            stored = graph.Tensors(int(name)).Quantization()
            # views of the file: written in place, which leaves everything else byte for byte as it is
            stored.MinAsNumpy()[0], stored.MaxAsNumpy()[0] = low, high
        kept = [operator for layer in left_float for operator in self._operators[layer]]
        try:
            with quiet():
                data: bytes = mlir_quantize(
                    bytes(buffer),
                    input_data_type=self._dtype,
                    output_data_type=self._dtype,
                    denylisted_nodes=sorted(kept) or None,
                )
        except Exception as error:  # the binding raises whatever its C++ side throws
            raise ModelError(f"{NAME}: TensorFlow's quantizer failed: {' '.join(str(error).split())[:300]}") from error
        return data

    def scores(self, made: bytes, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Network`."""
        with quiet():
            backend = open_runtime("litert", made, 1)
        finish = Postprocessor(self._spec, backend.output)
        dtype = np.dtype(backend.input.dtype)
        batches = pixels[:, np.newaxis].astype(dtype, copy=False)
        return np.concatenate([finish.scores(backend.infer(batch)) for batch in batches])

    def _convert(self, folder: Path, shape: tuple[int, ...]) -> bytes:
        tf = self._tf
        blank = np.zeros((1, *shape), np.float32)
        try:
            with quiet():
                converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
                # one blank picture: it makes room for the ranges, which `quantize` writes
                converter.representative_dataset = lambda: iter([[blank]])
                converter._experimental_calibrate_only = True
                data: bytes = converter.convert()
        except Exception as error:  # the converter raises ValueError, RuntimeError and classes of its own
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"{NAME}: TensorFlow's converter failed: {reason}") from error
        return data

    def _read(self, keras_model: keras.Model) -> None:
        """Which tensors have a range, and which operators make up which layer."""
        from ai_edge_litert import schema_py_generated as schema

        model = schema.ModelT.InitFromPackedBuf(self._calibrated, 0)
        graph = model.subgraphs[0]
        movers, kernel_kinds = (
            {getattr(schema.BuiltinOperator, name) for name in kinds} for kinds in (_MOVERS, _WITH_KERNEL)
        )
        names = [tensor.name.decode() for tensor in graph.tensors]
        self._input = str(graph.inputs[0])
        self._ranged = [
            str(place)
            for place, tensor in enumerate(graph.tensors)
            if tensor.quantization is not None and tensor.quantization.min is not None and str(place) != self._input
        ]
        keras_model = flat(keras_model)
        meant, known = meanings(names, [layer.name for layer in keras_model.layers]), kernels(keras_model)
        self._operators: dict[str, list[str]] = {}
        owner: dict[int, str] = {}
        first: list[str] = []
        outputs: list[tuple[int, int]] = []
        for operator in graph.operators:
            output = operator.outputs[0]
            constants = [place for place in operator.inputs if place >= 0 and _data(model, graph, place) is not None]
            kernel = next((k for k in (_kernel(model, graph, place) for place in constants[:1]) if k is not None), None)
            layer = None if kernel is None else layer_with(kernel, known)
            # of the names of fused operators the last is that of the first operator
            layer = layer or layer_of(reversed(names[output].split(";")), meant)
            code = model.operatorCodes[operator.opcodeIndex]
            kind = max(code.builtinCode, code.deprecatedBuiltinCode)
            outputs.append((output, kind))
            if not owner and kind not in kernel_kinds:
                first.append(names[output])
                continue
            made_by = next((owner[place] for place in operator.inputs if place in owner), None)
            if made_by and (layer is None or kind in movers):
                layer = made_by  # goes with the layer whose output it passes on
            if layer is None or str(output) not in self._ranged:
                continue
            owner[output] = layer
            # what rescales the pixels and was not folded in goes with the layer that takes them
            operators, first = [*first, names[output]], []
            self._operators.setdefault(layer, []).extend(operators)
        if len(self._operators) < 2:  # a SavedModel: Keras has no layers of it, so every operator is one
            self._operators = {
                names[place].split(";")[-1]: [names[place]]
                for place, kind in outputs
                if kind not in movers and str(place) in self._ranged
            }
        self.layers = tuple(self._operators)

    def _observer(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with quiet():
            interpreter = Interpreter(
                model_content=self._calibrated,
                num_threads=2,
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            interpreter.allocate_tensors()
        return interpreter


def _data(model: Any, graph: Any, place: int) -> Any:
    """The bytes of a constant tensor, None of any other."""
    data = model.buffers[graph.tensors[place].buffer].data
    return data if data is not None and len(data) else None


def _kernel(model: Any, graph: Any, place: int) -> NDArray[np.float32] | None:
    """A float kernel as ONNX stores it, (outputs, inputs, rows, columns) or (outputs, inputs); None of what is none."""
    tensor = graph.tensors[place]
    if tensor.type != 0 or tensor.shape is None or len(tensor.shape) not in (2, 4):  # None: a single number
        return None
    value: NDArray[np.float32] = np.frombuffer(bytes(_data(model, graph, place)), np.float32).reshape(tensor.shape)
    if value.ndim == 4:  # (outputs, rows, columns, inputs), of a depthwise one (1, rows, columns, outputs)
        value = np.moveaxis(value, -1, 0 if value.shape[0] == 1 else 1)
    return value
