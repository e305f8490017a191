"""From a network to a bundle of checked variants."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from onsight_edge import __version__
from onsight_edge.archive import write_archive
from onsight_edge.bundle import write_manifest
from onsight_edge.datasets import Split, load_dataset
from onsight_edge.errors import DataError, OnsightError
from onsight_edge.files import atomic_folder, write_json
from onsight_edge.golden import FILE as GOLDEN
from onsight_edge.golden import golden_bytes
from onsight_edge.metrics import correct, wilson
from onsight_export.checks import check_agreement, check_drops, check_file, kernel_weights
from onsight_export.convert import Converted, convert
from onsight_export.golden import make_golden
from onsight_export.options import ExportOptions
from onsight_export.pictures import evenly
from onsight_export.report import REPORT, ExportReport, VariantReport
from onsight_export.run import keras_scores
from onsight_export.sources import Progress, Source, kind_of, open_source
from onsight_export.statistics import fit_statistics

SENSITIVITY = "sensitivity.png"
_LIBRARIES = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert", "numpy", "flatbuffers")


def export_run(
    path: Path,
    out: Path,
    options: ExportOptions | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> ExportReport:
    """Convert a network into a bundle, every file of it checked on the test pictures.

    Args:
        path: a run (what `onsight train` wrote), a .keras file or a SavedModel.
        out: the bundle, a folder or a file that ends in .zip; must not exist. Written whole or not at all.
        options: see ExportOptions.
        progress: told what is going on.

    Raises:
        ModelError: the network cannot be used, a conversion failed or is not the network, or a variant lost more
            accuracy or agreement than allowed.
        DataError: the data set is not there, or has changed since the training.
        OnsightError: `out` exists or cannot be written.
    """
    options = options or ExportOptions()
    kind_of(path, options)
    with _published(out) as folder:
        source = _with_statistics(open_source(path, options, progress))
        made = convert(source, options, folder, progress)
        report = _check(source, options, made, progress)
        write_json(folder / REPORT, report.to_json())
        extra = [REPORT]
        if any(found.sensitivity for found in made.int8.values()):
            from onsight_export.quantize.charts import sensitivity_chart

            title = f"{source.name}: what 8 bits cost, layer by layer"
            (folder / SENSITIVITY).write_bytes(sensitivity_chart(made.int8, title))
            extra.append(SENSITIVITY)
        progress("golden samples", 0, 1)
        shown = source.dataset.test.images if options.golden == "test" else None
        (folder / GOLDEN).write_bytes(golden_bytes(make_golden(made.files, source.spec, shown)))
        progress("golden samples", 1, 1)
        write_manifest(
            folder,
            name=source.name,
            spec=source.spec,
            variants={variant.name: file.name for variant, file in made.files.items()},
            extra=extra,
            golden=GOLDEN,
            thresholds=made.thresholds,
        )
    return report


def _with_statistics(source: Source) -> Source:
    """The source, its spec telling what the training pictures are like: what the sentinel on the device goes by."""
    if source.spec.input_statistics is not None or not len(source.dataset.train):
        return source
    statistics = fit_statistics(source.dataset.train.images)
    return replace(source, spec=replace(source.spec, input_statistics=statistics))


def _unknowns(source: Source, options: ExportOptions) -> tuple[str, Split | None]:
    """Pictures of no known class, as the model sees them, and what their set is called."""
    if options.unknowns is None:
        return "", None
    spec = source.spec
    strange = load_dataset(options.unknowns, size_wh=spec.input_size_wh, colour=spec.colour, resize=spec.resize)
    largest: Split = max((strange.test, strange.train, strange.validation), key=len)
    part = strange.test if len(strange.test) else largest
    if known := set(strange.classes) & set(spec.classes):
        raise DataError(
            f"--unknowns {options.unknowns} has the class {sorted(known)[0]!r}, which the network knows: leave it out"
        )
    return strange.name, part


@contextlib.contextmanager
def _published(out: Path) -> Iterator[Path]:
    """Yield a folder that becomes `out`, a folder or an archive, if the block succeeds."""
    if out.suffix.lower() != ".zip":
        with atomic_folder(out) as folder:
            yield folder
        return
    if out.exists():
        raise OnsightError(f"{out} exists already: name another file, or remove it first")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp")
    except OSError as error:
        raise OnsightError(f"cannot write {out}: {error.strerror}") from error
    with beside as name:
        yield Path(name)
        write_archive(Path(name), out)


def _check(source: Source, options: ExportOptions, made: Converted, progress: Progress) -> ExportReport:
    model, dataset = source.model, source.dataset
    pictures = len(dataset.test) if not options.limit else min(options.limit, len(dataset.test))
    if not pictures:
        raise DataError(f"{dataset.uri} has no test pictures: nothing to check the variants on")
    chosen = evenly(len(dataset.test), pictures) if pictures < len(dataset.test) else slice(None)  # no copy of all
    pixels, labels = dataset.test.images[chosen], dataset.test.labels[chosen]
    progress("ask Keras", 0, 1)
    reference = keras_scores(model, source.spec, pixels)
    progress("ask Keras", 1, 1)
    strange_name, strange = _unknowns(source, options)
    reports: list[VariantReport] = []
    for variant, path in made.files.items():
        reports.append(
            check_file(
                path,
                variant,
                pixels=pixels,
                labels=labels,
                reference=reference,
                weights=kernel_weights(model),
                float_io=options.float_io,
                rejects=variant.name in made.thresholds,
                unknown=None if strange is None else strange.images,
                progress=partial(progress, f"check {variant.name}"),
            )
        )
    check_drops(reports, options.max_drop_points)
    check_agreement(reports, options.min_agreement)
    right = correct(reference, labels)
    return ExportReport(
        onsight=__version__,
        name=source.name,
        command=options.command,
        source={"kind": source.kind, "model_sha256": source.sha256, "parameters": int(model.count_params())},
        dataset={
            "name": dataset.name,
            "sha256": dataset.sha256,
            "split": "test",
            "test_pictures": len(dataset.test),
            "seed": source.seed,  # with these `onsight val` finds the same test pictures again
            "validation": source.validation,
        },
        pictures=pictures,
        keras={"correct": right, "accuracy": right / pictures, "interval": wilson(right, pictures)},
        max_drop_points=options.max_drop_points,
        min_agreement=options.min_agreement,
        opset=options.opset,
        batch={form: "dynamic" if options.free_batch(form) else "1" for form in ("tflite", "onnx")},
        layout=options.layout,
        calibration=made.calibration,
        int8={name: report.to_json() for name, report in made.int8.items()},
        reject=options.reject if made.thresholds else 0.0,
        unknowns=None if strange is None else {"name": strange_name, "pictures": len(strange)},
        golden=options.golden,
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
