"""What a waterfall is held against, the pictures it is asked, and the bundle whose files are its steps."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onsight_edge.bundle import Bundle, write_manifest
from onsight_edge.datasets import load_dataset
from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import ModelError, UsageError
from onsight_edge.geometry import view_of
from onsight_edge.spec import ModelSpec
from onsight_export.convert import convert
from onsight_export.options import ExportOptions
from onsight_export.report import REPORT
from onsight_export.sources import Progress, Source, open_source

if TYPE_CHECKING:
    import keras

_FLOATS = ("tflite-float32", "onnx-float32", "tflite-float16", "onnx-float16")


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What every file is held against.

    Attributes:
        name: `Keras`, or the variant that stands in for it.
        spec: pictures and classes.
        described: its part of the JSON document.
        model: takes raw pixels; None where a file is the reference.
    """

    name: str
    spec: ModelSpec
    described: dict[str, Any]
    model: keras.Model | None


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Everything a waterfall is made of, but for files named one by one.

    Attributes:
        reference, dataset: what answers first, and whose test pictures are asked.
        bundle: whose variants are the steps; None where only named files are.
    """

    reference: Reference
    dataset: Dataset
    bundle: Bundle | None


@contextlib.contextmanager
def open_subject(
    model: Path,
    *,
    bundle: Path | None = None,
    run: Path | None = None,
    export: bool = True,
    options: ExportOptions,
    progress: Progress = lambda what, done, total: None,
) -> Iterator[Subject]:
    """Find out what is compared with what. A bundle that is exported for it is gone when the block ends.

    Args:
        model: a run, a .keras file, a SavedModel or a bundle.
        bundle: made of `model` before; None to export now.
        run: what the bundle `model` was made of.
        export: whether to export where no bundle is named.
        options: of the export; `data` is the data set.
        progress: told what is going on.

    Raises:
        UsageError: the call does not say enough, or says something twice.
        ModelError, IntegrityError, DataError: something cannot be opened or converted.
    """
    if is_bundle(model):
        if bundle is not None:
            raise UsageError(f"{model} is a bundle itself: leave --bundle out, or name the run first")
        if run is None:
            yield _alone(Bundle.open(model), options, progress)
            return
        source = open_source(run, options, progress)
        yield Subject(_keras(source, run), source.dataset, Bundle.open(model))
        return
    if run is not None:
        raise UsageError(f"--run says what a bundle was made of; {model} is none")
    opened = None if bundle is None else Bundle.open(bundle)  # before minutes of loading
    source = open_source(model, options, progress)
    reference = _keras(source, model)
    if opened is not None or not export:
        yield Subject(reference, source.dataset, opened)
        return
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
        made = _export(source, Path(folder), options, progress)
        yield Subject(reference, source.dataset, made)


def is_bundle(path: Path) -> bool:
    """Whether a path is meant as a bundle, folder or archive."""
    try:
        return path.suffix == ".zip" or (path / "manifest.json").is_file()
    except OSError:  # too long a name, a folder that may not be entered: opening it will say so
        return False


def _export(source: Source, folder: Path, options: ExportOptions, progress: Progress) -> Bundle:
    """All variants asked for, without the export's checks: what they would refuse is what parity is to show."""
    files = convert(source, options, folder, progress).files
    variants = {variant.name: file.name for variant, file in files.items()}
    write_manifest(folder, name=source.name, spec=source.spec, variants=variants, extra=[])
    return Bundle.open(folder)


def _keras(source: Source, path: Path) -> Reference:
    import keras

    file = path / "model.keras" if source.kind == "run" else path
    described = {
        "kind": source.kind,
        "sha256": source.sha256,
        "bytes": file.stat().st_size if file.is_file() else None,
        "backend": f"keras {keras.__version__} on {keras.backend.backend()}",
    }
    return Reference("Keras", source.spec, described, source.model)


def _alone(bundle: Bundle, options: ExportOptions, progress: Progress) -> Subject:
    if options.data is None:
        raise UsageError(f"name the data set, or the run with --run: onsight parity {bundle.path} DATA")
    name = next((name for name in _FLOATS if name in bundle.variants), None)
    if name is None:
        raise ModelError(
            f"{bundle.path} has no float variant to compare with: name the run that it was made of with --run RUN"
        )
    spec, split = bundle.spec, {"seed": options.seed, "validation": 0.1}
    if REPORT in bundle.files:  # split as it was: pictures that the network learnt from are no test pictures
        split |= json.loads(bundle.read(bundle.files[REPORT])).get("dataset", {})
    dataset = load_dataset(
        options.data,
        size_wh=spec.input_size_wh,
        colour=spec.colour,
        resize=spec.resize,
        view=view_of(spec),
        validation=float(split["validation"]),
        seed=int(split["seed"]),
        on_progress=partial(progress, "read the pictures"),
    )
    if dataset.classes != spec.classes:
        raise ModelError(
            f"{options.data} has the classes {', '.join(dataset.classes)[:80]}; the bundle's are "
            f"{', '.join(spec.classes)[:80]}: the order counts too"
        )
    entry = bundle.variants[name]
    described = {"kind": "bundle", "sha256": entry.sha256, "bytes": entry.bytes, "backend": None}
    return Subject(Reference(name, spec, described, None), dataset, bundle)
