"""From a network to its files, unchecked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets import calibration_images
from onsight_edge.datasets.dataset import Dataset
from onsight_export import onnx_files, tflite
from onsight_export.onnx_float16 import to_float16
from onsight_export.options import ExportOptions
from onsight_export.sources import Progress, Source
from onsight_export.variants import Variant

EXTREMES = ("all 0", "all 255")
METHODS = {
    "tflite-int16x8": "TFLiteConverter: min/max, activations int16, weights int8 by channel",
    "tflite-int8": "TFLiteConverter: min/max, weights int8 by channel",
    "onnx-int8": "ONNX Runtime quantize_static: min/max, QDQ, weights int8 (7 bits) by channel, activations uint8",
}


def convert(source: Source, options: ExportOptions, folder: Path, progress: Progress) -> dict[Variant, Path]:
    """Write every variant that was asked for into a folder.

    Raises:
        ModelError: a converter refused. MissingExtraError: a package that it needs is not installed.
    """
    calibrated = any(variant.calibrated for variant in options.variants)
    calibration = calibration_pictures(source.dataset, options) if calibrated else None
    files: dict[Variant, Path] = {}

    def write(variant: Variant, data: bytes) -> None:
        files[variant] = folder / variant.file_name
        files[variant].write_bytes(data)
        progress("convert", len(files), len(options.variants))

    progress("convert", 0, len(options.variants))
    to_tflite = [variant for variant in options.variants if variant.model_format == "tflite"]
    to_onnx = [variant for variant in options.variants if variant.model_format == "onnx"]
    if to_tflite:
        with tflite.saved_model(source.model, free_batch=options.free_batch("tflite")) as saved:
            for variant in to_tflite:
                write(variant, tflite.convert(saved, variant, source.spec, calibration, options.float_io))
    if to_onnx:
        graph = onnx_files.convert(source.model, options.opset)
        free = options.free_batch("onnx")
        for variant in to_onnx:
            made = graph
            if variant.quantization == "float16":
                made = to_float16(graph)
            elif variant.calibrated:
                assert calibration is not None
                made = onnx_files.quantize(graph, calibration)
            write(variant, onnx_files.finish(made, source.spec, free_batch=free, layout=options.layout))
    return files


def calibration_pictures(dataset: Dataset, options: ExportOptions) -> NDArray[np.uint8]:
    """Class-balanced training pictures, then one that is all 0 and one that is all 255.

    The last two make the input's range 0..255 exactly, hence its scale 1 and its zero point 0.

    Returns:
        (N + 2, height, width, channels) uint8.
    """
    chosen = calibration_images(dataset.train, dataset.classes, options.calibration, options.seed)
    extremes = np.stack([np.full(chosen.shape[1:], value, np.uint8) for value in (0, 255)])
    return np.concatenate([chosen, extremes])
