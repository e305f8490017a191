"""From a network to its files, unchecked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from onsight_edge.spec import ModelSpec
from onsight_export import onnx_files, tflite
from onsight_export.onnx_float16 import to_float16
from onsight_export.onnx_graph import sort_nodes
from onsight_export.options import ExportOptions
from onsight_export.pictures import EXTREMES, Material, gather, with_extremes
from onsight_export.quantize import Int8Options, Int8Report, Labelled, make_int8_onnx, make_int8_tflite
from onsight_export.reject import fit_threshold
from onsight_export.report import Calibration
from onsight_export.run import keras_scores
from onsight_export.sources import Progress, Source
from onsight_export.tflite_metadata import add_metadata
from onsight_export.variants import Variant

# of `tflite-int16x8`: 65,536 levels leave nothing to choose
_INT16X8_PICTURES = 500


@dataclass(frozen=True, slots=True)
class Converted:
    """The files of an export.

    Attributes:
        files: where each variant stands.
        int8: how the int8 variants were quantized, by name.
        calibration: what that was done with; None where no integer variant was asked for.
        thresholds: below which a variant's answers are `unknown`, by name; empty where none was fitted.
    """

    files: dict[Variant, Path]
    int8: dict[str, Int8Report]
    calibration: Calibration | None
    thresholds: dict[str, float]


def convert(source: Source, options: ExportOptions, folder: Path, progress: Progress) -> Converted:
    """Write every variant that was asked for into a folder.

    Raises:
        ModelError: a converter refused. DataError: there is nothing to calibrate on.
        MissingExtraError: a package that a converter needs is not installed.
    """
    calibrated = any(variant.calibrated for variant in options.variants)
    rejects = options.reject > 0 and source.spec.threshold == 0.0
    material = None
    if calibrated or (rejects and len(source.dataset.train) > 1):
        material = gather(source.dataset, options.calibration, options.seed)
    work = _Work(source, options, folder, progress, material)
    progress("convert", 0, len(options.variants))
    to_tflite = [variant for variant in options.variants if variant.model_format == "tflite"]
    to_onnx = [variant for variant in options.variants if variant.model_format == "onnx"]
    if to_tflite:
        work.to_tflite(to_tflite)
    if to_onnx:
        work.to_onnx(to_onnx)
    thresholds: dict[str, float] = {}
    if rejects and material is not None:
        thresholds = work.fit_thresholds(material)
    return Converted(work.files, work.int8, _calibration(material, options) if calibrated else None, thresholds)


class _Work:
    """One export's conversions: what they share, and what they have made."""

    def __init__(
        self, source: Source, options: ExportOptions, folder: Path, progress: Progress, material: Material | None
    ) -> None:
        self._source, self._options, self._folder, self._progress = source, options, folder, progress
        self._material = material
        self._labelled: Labelled | None = None
        self.files: dict[Variant, Path] = {}
        self.int8: dict[str, Int8Report] = {}
        self._finish: dict[Variant, Callable[[ModelSpec], bytes]] = {}

    def fit_thresholds(self, material: Material) -> dict[str, float]:
        """Fit every file's threshold, and write it into the file."""
        found: dict[str, float] = {}
        for variant, path in self.files.items():
            self._progress("fit thresholds", len(found), len(self.files))
            found[variant.name] = fit_threshold(path, variant, material, self._options.reject)
            path.write_bytes(self._finish[variant](replace(self._source.spec, threshold=found[variant.name])))
        self._progress("fit thresholds", len(found), len(self.files))
        return found

    def to_tflite(self, variants: list[Variant]) -> None:
        source, options = self._source, self._options
        with tflite.saved_model(source.model, free_batch=options.free_batch("tflite")) as saved:
            for variant in variants:
                if variant.quantization == "int8":
                    assert self._material is not None
                    made = make_int8_tflite(
                        source.model,
                        saved,
                        source.spec,
                        self._material.calibration,
                        self._validation(),
                        self._int8_options(),
                        self._progress,
                    )
                    self.int8[variant.name] = made.report
                    self._write(variant, partial(add_metadata, made.data, told_threshold=source.spec.threshold))
                    continue
                calibration = None
                if variant.calibrated:
                    assert self._material is not None
                    calibration = with_extremes(self._material.calibration[:_INT16X8_PICTURES])
                data = tflite.convert(saved, variant, calibration)
                self._write(variant, partial(add_metadata, data, told_threshold=source.spec.threshold))

    def to_onnx(self, variants: list[Variant]) -> None:
        source, options = self._source, self._options
        graph = onnx_files.convert(source.model, options.opset)
        for variant in variants:
            made = graph
            if variant.quantization == "float16":
                made = to_float16(graph)
            elif variant.quantization == "int8":
                assert self._material is not None
                result = make_int8_onnx(
                    graph,
                    source.spec,
                    self._material.calibration,
                    self._validation(),
                    self._int8_options(),
                    self._progress,
                    source.model,
                )
                self.int8[variant.name] = result.report
                made = result.data
                sort_nodes(made.graph)  # the quantizer appends what it puts in between
                onnx_files.take_pixels_as_they_are(made)
            free = options.free_batch("onnx")
            data = onnx_files.finish(made, source.spec, free_batch=free, layout=options.layout)
            self._write(variant, partial(onnx_files.with_spec, data))

    def _write(self, variant: Variant, finish: Callable[[ModelSpec], bytes]) -> None:
        self._finish[variant] = finish
        self.files[variant] = self._folder / variant.file_name
        self.files[variant].write_bytes(finish(self._source.spec))
        self._progress("convert", len(self.files), len(self._options.variants))

    def _int8_options(self) -> Int8Options:
        options = self._options
        return Int8Options(
            pictures=options.calibration,
            estimator=options.estimator,
            max_drop_points=options.max_drop_points,
            sensitivity=options.sensitivity,
            keep_float=options.keep_float,
            float_io=options.float_io,
        )

    def _validation(self) -> Labelled:
        if self._labelled is None:
            assert self._material is not None
            material, source = self._material, self._source
            reference = keras_scores(source.model, source.spec, material.pixels)
            self._labelled = Labelled(material.pixels, material.labels, reference)
        return self._labelled


def _calibration(material: Material | None, options: ExportOptions) -> Calibration | None:
    if material is None:
        return None
    return Calibration(
        split="train",
        pictures=len(material.calibration),
        seed=options.seed,
        added=EXTREMES,
        int16x8_pictures=min(len(material.calibration), _INT16X8_PICTURES),
        compared_on=material.split,
        compared_pictures=len(material.labels),
    )
