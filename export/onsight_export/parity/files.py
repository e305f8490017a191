"""The files of a waterfall: a bundle's variants, and files that were converted elsewhere."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_edge.backends import open_backend
from onsight_edge.bundle import Bundle, ModelFile
from onsight_edge.classifier import Classifier
from onsight_edge.embedded import read_spec
from onsight_edge.errors import ModelError
from onsight_edge.spec import ModelSpec
from onsight_export.parity.formats import number_format_of
from onsight_export.quiet import quiet
from onsight_export.variants import VARIANTS

_CHUNK = 100


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A file that is compared, opened.

    Attributes:
        name: the variant's, or the file's.
        number_format: `float32`, `float16`, `dynamic`, `int8` or `int16x8`.
        file: its bytes and what it expects.
        classifier: executes it as it runs live, on one thread.
        spec: the reference's: the pictures and the order of the classes.
    """

    name: str
    number_format: str
    file: ModelFile
    classifier: Classifier
    spec: ModelSpec

    @property
    def backend(self) -> str:
        """What executes it, with version."""
        return f"{self.classifier.backend.name} {self.classifier.backend.version}"

    def pictures(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The reference's pictures, (N, height, width, channels) uint8, in the channel order that this file takes."""
        same = self.file.spec.colour == self.spec.colour
        return pixels if same else np.ascontiguousarray(pixels[..., ::-1])

    def scores(self, pixels: NDArray[np.uint8], classifier: Classifier | None = None) -> Iterator[NDArray[np.float32]]:
        """Probabilities, (some, classes) float32 in the reference's order of classes, a part of the pictures at a time.

        Args:
            pixels: (N, height, width, channels) uint8, the reference's pictures.
            classifier: asked in place of the file's own, which takes other pixels.
        """
        classifier = classifier or self.classifier
        order = [self.file.spec.classes.index(name) for name in self.spec.classes]
        for at in range(0, len(pixels), _CHUNK):
            yield classifier.scores(self.pictures(pixels[at : at + _CHUNK]))[:, order]


@contextlib.contextmanager
def open_files(bundle: Bundle | None, paths: Sequence[Path], spec: ModelSpec) -> Iterator[tuple[Opened, ...]]:
    """Open a bundle's variants in the order of the waterfall, then further files; closed when the block ends.

    Args:
        bundle: or none.
        paths: .tflite or .onnx files. One that does not say what it expects is taken to expect what the reference
            does.
        spec: the reference's.

    Raises:
        ModelError, IntegrityError, BackendError: a file cannot be opened, or is no file of these classes and sizes.
    """
    with contextlib.ExitStack() as stack:
        opened: list[Opened] = []
        if bundle is not None:
            for name in (v for v in VARIANTS if v in bundle.variants):
                file = bundle.variant(name)
                with quiet():
                    backend = open_backend(file.data, model_format=file.model_format, threads=1)
                classifier = stack.enter_context(Classifier(file.spec, backend, file))
                opened.append(Opened(name, VARIANTS[name].quantization, file, classifier, spec))
        for path in paths:
            classifier = stack.enter_context(_open_file(path, spec))
            assert classifier.model is not None  # Classifier.open gave it
            number_format = number_format_of(classifier.model.data, classifier.model.model_format)
            opened.append(Opened(path.name, number_format, classifier.model, classifier, spec))
        for one in opened:
            _check(one.file, spec)
        yield tuple(opened)


def _open_file(path: Path, spec: ModelSpec) -> Classifier:
    suffix = path.suffix.lstrip(".").lower()
    if suffix not in ("tflite", "onnx"):
        raise ModelError(f"{path} is no .tflite or .onnx file")
    try:
        described = read_spec(path.read_bytes(), suffix, str(path)) is not None
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder, quiet():
        taken = Path(folder) / "spec.json"
        if not described:
            spec.save(taken)
        return Classifier.open(path, threads=1, spec=None if described else taken)


def _check(file: ModelFile, spec: ModelSpec) -> None:
    found = file.spec
    if set(found.classes) != set(spec.classes):
        raise ModelError(
            f"{file.path} knows the classes {', '.join(found.classes)[:80]}; the reference knows "
            f"{', '.join(spec.classes)[:80]}: they cannot be compared"
        )
    if found.input_size_wh != spec.input_size_wh or found.channels != spec.channels:
        raise ModelError(
            f"{file.path} takes pictures of {found.input_size_wh[0]}x{found.input_size_wh[1]} {found.colour}; the "
            f"reference takes {spec.input_size_wh[0]}x{spec.input_size_wh[1]} {spec.colour}: they cannot be compared"
        )
