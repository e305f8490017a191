"""From a Keras network to .onnx files, by tf2onnx."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from onsight_edge.embedded import ONNX_SPEC_KEY
from onsight_edge.errors import MissingExtraError, ModelError
from onsight_edge.files import canonical_json
from onsight_edge.spec import ModelSpec
from onsight_export.onnx_graph import rename, replace_reads
from onsight_export.onnx_layout import to_channels_first
from onsight_export.options import DEFAULT_OPSET, Layout
from onsight_export.quiet import quiet
from onsight_export.run import import_tensorflow

if TYPE_CHECKING:
    import keras
    import onnx

INPUT, OUTPUT = "image", "scores"
ONNX_CLASSES_KEY = "classes"


def convert(model: keras.Model, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """The network as a graph that takes uint8 pixels, so that "raw pixels in" is literal; the cast is inside.

    Args:
        model: takes float pixels 0..255.
        opset: one of OPSETS.

    Returns:
        Input `image` (batch, height, width, channels) uint8, output `scores` (batch, classes) float32.

    Raises:
        MissingExtraError: tf2onnx or onnx is not installed. ModelError: tf2onnx refused.
    """
    tf = import_tensorflow()
    with quiet():
        try:
            import tf2onnx
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "tf2onnx", "export", "exporting to ONNX") from error
    signature = [tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.uint8, name=INPUT)]
    function = tf.function(
        lambda image: {OUTPUT: model(tf.cast(image, tf.float32), training=False)}, input_signature=signature
    )
    try:
        with quiet():
            converted: onnx.ModelProto = tf2onnx.convert.from_function(
                function, input_signature=signature, opset=opset
            )[0]
    except Exception as error:  # tf2onnx raises whatever its rewriters raise
        raise ModelError(f"onnx-float32: tf2onnx failed: {' '.join(str(error).split())[:300]}") from error
    rename(converted.graph)
    return converted


def finish(model: onnx.ModelProto, spec: ModelSpec, *, free_batch: bool = True, layout: Layout = "nhwc") -> bytes:
    """The file: batch named or 1, spec and classes inside, checked by onnx's own checker and shape inference.

    Args:
        model: input `image` (batch, height, width, channels), output `scores`. Changed where the layout stays.
        spec: travels in the file.
        free_batch: whether it takes any number of pictures at a time, or one.
        layout: `nchw` puts the input's channels first.

    Raises:
        ModelError: the graph is not valid.
    """
    import onnx

    if layout == "nchw":
        model = to_channels_first(model)
    for value in (*model.graph.input, *model.graph.output):
        batch = value.type.tensor_type.shape.dim[0]
        if free_batch:
            batch.dim_param = "batch"
        else:
            batch.dim_value = 1
    used = {node.domain for node in model.graph.node} | {""}
    opsets = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    # the oldest that the opset allows: an ONNX Runtime that JetPack froze refuses newer ones
    model.ir_version = onnx.helper.find_min_ir_version_for(opsets)
    del model.graph.value_info[:]
    model.graph.name = "onsight"
    model.doc_string = model.graph.doc_string = ""
    _set_props(model, spec)
    try:
        with quiet():
            onnx.checker.check_model(model, full_check=True)
            onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except Exception as error:  # onnx.checker.ValidationError, InferenceError: no common class but this
        raise ModelError(f"the ONNX graph is not valid: {' '.join(str(error).split())[:300]}") from error
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def with_spec(data: bytes, spec: ModelSpec) -> bytes:
    """A finished file with another spec in it."""
    import onnx

    model = onnx.load_from_string(data)
    _set_props(model, spec)
    changed: bytes = model.SerializeToString(deterministic=True)
    return changed


def _set_props(model: onnx.ModelProto, spec: ModelSpec) -> None:
    import onnx

    onnx.helper.set_model_props(
        model,
        {
            ONNX_SPEC_KEY: canonical_json(spec.to_json()),
            ONNX_CLASSES_KEY: json.dumps(list(spec.classes), ensure_ascii=False),
        },
    )


def take_pixels_as_they_are(model: onnx.ModelProto) -> None:
    """Drop `Cast` and `QuantizeLinear` (scale 1, zero point 0) from the input: together they change no pixel."""
    import onnx

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    casts = [node for node in graph.node if node.op_type == "Cast" and list(node.input) == [INPUT]]
    readers = [node for cast in casts for node in graph.node if cast.output[0] in node.input]
    if len(casts) != 1 or len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
        return
    quantizer = readers[0]
    scale, zero_point = (onnx.numpy_helper.to_array(constants[name]) for name in quantizer.input[1:3])
    if zero_point.dtype != np.uint8 or float(scale) != 1.0 or int(zero_point) != 0:
        return
    replace_reads(graph, quantizer.output[0], INPUT)
    graph.node.remove(casts[0])
    graph.node.remove(quantizer)
