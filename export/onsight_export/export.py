"""From a run folder to a bundle of checked variants."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onsight_edge import __version__
from onsight_edge.bundle import write_manifest
from onsight_edge.datasets import calibration_images
from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import DataError
from onsight_edge.files import atomic_folder, write_json
from onsight_edge.metrics import correct, wilson
from onsight_export import onnx_files, tflite
from onsight_export.checks import check_agreement, check_drops, check_file, evenly, kernel_weights
from onsight_export.onnx_float16 import to_float16
from onsight_export.options import ExportOptions
from onsight_export.report import REPORT, Calibration, ExportReport, VariantReport
from onsight_export.run import Run, keras_scores, load_keras, load_run_data, open_run
from onsight_export.variants import Variant

if TYPE_CHECKING:
    import keras

_EXTREMES = ("all 0", "all 255")
_METHODS = {
    "tflite-int16x8": "TFLiteConverter: min/max, activations int16, weights int8 by channel",
    "tflite-int8": "TFLiteConverter: min/max, weights int8 by channel",
    "onnx-int8": "ONNX Runtime quantize_static: min/max, QDQ, weights int8 (7 bits) by channel, activations uint8",
}
_LIBRARIES = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert", "numpy", "flatbuffers")

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def export_run(
    run_folder: Path,
    out: Path,
    options: ExportOptions | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> ExportReport:
    """Convert a run into a bundle, every file of it checked on the test pictures.

    Args:
        run_folder: what `onsight train` wrote.
        out: the bundle's folder; must not exist. Written whole or not at all.
        options: see ExportOptions.
        progress: told what is going on.

    Raises:
        ModelError: the run cannot be used, a conversion failed or is not the network, or a variant lost more
            accuracy than allowed.
        DataError: the data set is not there, or has changed since the training.
        OnsightError: `out` exists or cannot be written.
    """
    options = options or ExportOptions()
    run = open_run(run_folder)
    with atomic_folder(out) as folder:
        dataset = load_run_data(run, options.data, partial(progress, "read the pictures"))
        progress("load the network", 0, 1)
        model = load_keras(run)
        progress("load the network", 1, 1)
        files = _convert(model, run, dataset, options, folder, progress)
        report = _check(model, run, dataset, options, files, progress)
        write_json(folder / REPORT, report.to_json())
        write_manifest(
            folder,
            name=run.name,
            spec=run.spec,
            variants={variant.name: path.name for variant, path in files.items()},
            extra=[REPORT],
        )
    return report


def calibration_pictures(dataset: Dataset, options: ExportOptions) -> NDArray[np.uint8]:
    """Class-balanced training pictures, then one that is all 0 and one that is all 255.

    The last two make the input's range 0..255 exactly, hence its scale 1 and its zero point 0.

    Returns:
        (N + 2, height, width, channels) uint8.
    """
    chosen = calibration_images(dataset.train, dataset.classes, options.calibration, options.seed)
    extremes = np.stack([np.full(chosen.shape[1:], value, np.uint8) for value in (0, 255)])
    return np.concatenate([chosen, extremes])


def _convert(
    model: keras.Model, run: Run, dataset: Dataset, options: ExportOptions, folder: Path, progress: Progress
) -> dict[Variant, Path]:
    calibrated = any(variant.calibrated for variant in options.variants)
    calibration = calibration_pictures(dataset, options) if calibrated else None
    files: dict[Variant, Path] = {}

    def write(variant: Variant, data: bytes) -> None:
        files[variant] = folder / variant.file_name
        files[variant].write_bytes(data)
        progress("convert", len(files), len(options.variants))

    progress("convert", 0, len(options.variants))
    to_tflite = [variant for variant in options.variants if variant.model_format == "tflite"]
    to_onnx = [variant for variant in options.variants if variant.model_format == "onnx"]
    if to_tflite:
        with tflite.saved_model(model, free_batch=options.free_batch("tflite")) as saved:
            for variant in to_tflite:
                write(variant, tflite.convert(saved, variant, run.spec, calibration, options.float_io))
    if to_onnx:
        graph = onnx_files.convert(model, options.opset)
        for variant in to_onnx:
            made = graph
            if variant.quantization == "float16":
                made = to_float16(graph)
            elif variant.calibrated:
                assert calibration is not None
                made = onnx_files.quantize(graph, calibration)
            free = options.free_batch("onnx")
            write(variant, onnx_files.finish(made, run.spec, free_batch=free, layout=options.layout))
    return files


def _check(
    model: keras.Model,
    run: Run,
    dataset: Dataset,
    options: ExportOptions,
    files: dict[Variant, Path],
    progress: Progress,
) -> ExportReport:
    pictures = len(dataset.test) if not options.limit else min(options.limit, len(dataset.test))
    if not pictures:
        raise DataError(f"{dataset.uri} has no test pictures: nothing to check the variants on")
    chosen = evenly(len(dataset.test), pictures)
    pixels, labels = dataset.test.images[chosen], dataset.test.labels[chosen]
    progress("ask Keras", 0, 1)
    reference = keras_scores(model, run.spec, pixels)
    progress("ask Keras", 1, 1)
    reports: list[VariantReport] = []
    for variant, path in files.items():
        reports.append(
            check_file(
                path,
                variant,
                pixels=pixels,
                labels=labels,
                reference=reference,
                weights=kernel_weights(model),
                float_io=options.float_io,
                progress=partial(progress, f"check {variant.name}"),
            )
        )
    check_drops(reports, options.max_drop_points)
    check_agreement(reports, options.min_agreement)
    right = correct(reference, labels)
    methods = {variant.name: _METHODS[variant.name] for variant in files if variant.calibrated}
    return ExportReport(
        onsight=__version__,
        name=run.name,
        command=options.command,
        run={"model_sha256": run.sha256, "parameters": int(model.count_params())},
        dataset={
            "name": dataset.name,
            "sha256": dataset.sha256,
            "split": "test",
            "test_pictures": len(dataset.test),
            "seed": int(run.data.get("seed", 0)),  # with these `onsight val` finds the same test pictures again
            "validation": float(run.data.get("validation", 0.1)),
        },
        pictures=pictures,
        keras={"correct": right, "accuracy": right / pictures, "interval": wilson(right, pictures)},
        max_drop_points=options.max_drop_points,
        min_agreement=options.min_agreement,
        opset=options.opset,
        batch={form: "dynamic" if options.free_batch(form) else "1" for form in ("tflite", "onnx")},
        layout=options.layout,
        calibration=Calibration("train", options.calibration, options.seed, _EXTREMES, methods) if methods else None,
        variants=tuple(reports),
        versions={"python": platform.python_version(), **_versions()},
    )


def _versions() -> dict[str, str]:
    found = {}
    for library in _LIBRARIES:
        for distribution in (library, f"{library}-cpu"):  # tensorflow-cpu
            try:
                found[library] = importlib.metadata.version(distribution)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found
