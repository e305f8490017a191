"""Eight-bit files that keep their accuracy: ranges, calibration size and layers in float chosen by measuring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onsight_edge.spec import ModelSpec
from onsight_export.quantize.make import make_int8
from onsight_export.quantize.types import (
    ESTIMATORS,
    Int8Options,
    Int8Report,
    Int8Result,
    Labelled,
    LayerSensitivity,
    Progress,
    Tried,
)

if TYPE_CHECKING:
    import keras
    import onnx

__all__ = [
    "ESTIMATORS",
    "Int8Options",
    "Int8Report",
    "Int8Result",
    "Labelled",
    "LayerSensitivity",
    "Progress",
    "Tried",
    "make_int8_onnx",
    "make_int8_tflite",
]


def make_int8_tflite(
    model: keras.Model,
    saved_model_folder: Path,
    spec: ModelSpec,
    calibration: NDArray[np.uint8],
    validation: Labelled,
    options: Int8Options,
    progress: Progress = lambda stage, done, total: None,
) -> Int8Result:
    """The network as a .tflite file in 8 bits, without metadata.

    Args:
        model: takes float pixels 0..255.
        saved_model_folder: the same as a SavedModel.
        spec: says what its output is.
        calibration: (N, height, width, channels) uint8 training pictures; every prefix is class-balanced. The input's
            range is 0..255 whatever they hold, hence its scale 1 and its zero point 0.
        validation: pictures to choose by; at least one.
        options: see Int8Options.
        progress: see Progress.

    Raises:
        UsageError: a layer to keep in float is none of the network's. ModelError: the converter refused.
    """
    from onsight_export.quantize.tflite_network import TFLiteNetwork

    network = TFLiteNetwork(model, saved_model_folder, spec, options.float_io)
    return make_int8(network, calibration, validation, options, progress)


def make_int8_onnx(
    graph: onnx.ModelProto,
    spec: ModelSpec,
    calibration: NDArray[np.uint8],
    validation: Labelled,
    options: Int8Options,
    progress: Progress = lambda stage, done, total: None,
    model: keras.Model | None = None,
) -> Int8Result:
    """The network as a graph in 8 bits (QDQ): activations uint8, weights int8 of 7 bits and by channel, softmax float.

    Args:
        graph: what `onnx_files.convert` gives: takes uint8 pixels.
        spec, calibration, validation, options, progress: see `make_int8_tflite`.
        model: what the graph was made of: tells its layers' names, some of which the conversion loses.

    Raises:
        UsageError: a layer to keep in float is none of the network's. ModelError: the quantizer refused.
        MissingExtraError: onnxruntime or sympy is not installed.
    """
    from onsight_export.quantize.onnx_network import OnnxNetwork

    return make_int8(OnnxNetwork(graph, spec, model), calibration, validation, options, progress)
