"""Bundles and model files: found, checked against their digests, and only then read.

A bundle is a folder of variants, or the same as one zip file, with `manifest.json` (docs/bundle.md), which holds the
SHA-256 of every file and of itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from onsight_edge.embedded import read_spec
from onsight_edge.errors import IntegrityError, ModelError, UsageError
from onsight_edge.files import sha256_bytes
from onsight_edge.manifest import MANIFEST, FileEntry, entry_of, read_manifest, write_manifest
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from onsight_edge.archive import Archive

__all__ = [
    "DEFAULT_MODEL",
    "MANIFEST",
    "VARIANTS",
    "Bundle",
    "FileEntry",
    "ModelFile",
    "open_model",
    "write_manifest",
]

DEFAULT_MODEL = Path(__file__).parent / "models" / "default.bundle"
# every variant that export knows, best first for a device that has not measured its own (`onsight tune`)
VARIANTS = (
    "tflite-int8",
    "tflite-float32",
    "tflite-float16",
    "tflite-dynamic",
    "tflite-int16x8",
    "onnx-int8",
    "onnx-float32",
    "onnx-float16",
)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model, its bytes already checked where a digest was known.

    Attributes:
        path: for messages and reports.
        data: the whole file; what was hashed is what is executed.
        model_format: `tflite` or `onnx`.
        variant: such as `tflite-int8`; for a bare file the format alone.
        spec: what it expects and answers.
        sha256: of `data`.
        bundle: the bundle's folder or zip file, None for a bare file.
        golden: what `onsight_edge.golden.load_golden` reads, None where the bundle has none.
    """

    path: Path
    data: bytes
    model_format: str
    variant: str
    spec: ModelSpec
    sha256: str
    bundle: Path | None = None
    golden: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder of variants, or a zip file of them, whose every file has the digest that its manifest says.

    Attributes:
        path: the folder, or the zip file; a zip is read into memory once and never unpacked to disk.
        name, spec: of all variants; a variant may have a threshold of its own.
        variants: variant -> its file.
        files: name -> every other file.
        golden: the name of the golden samples among `files`, None where there are none.
    """

    path: Path
    name: str
    spec: ModelSpec
    variants: dict[str, FileEntry]
    files: dict[str, FileEntry]
    golden: str | None = None
    archive: Archive | None = field(default=None, repr=False)

    @classmethod
    def open(cls, path: Path) -> Bundle:
        """Read the manifest and check every file it names.

        Args:
            path: a folder, or a zip file.

        Raises:
            ModelError: no manifest, or not one that this onsight reads; not a zip file, or a dangerous one.
            IntegrityError: a file is missing, or differs from what was exported.
        """
        archive: Archive | None = None
        if not path.is_dir():
            from onsight_edge.archive import read_archive  # folders start sooner without zipfile

            archive = read_archive(path)
        manifest = read_manifest(path, archive)
        where = str(path / MANIFEST)
        try:
            variants = {name: entry_of(entry) for name, entry in manifest["variants"].items()}
            files = {name: entry_of({"file": name, **entry}) for name, entry in manifest["files"].items()}
            name = str(manifest["name"])
            spec = ModelSpec.from_json(manifest["spec"], where)
            golden = manifest.get("golden")
            if golden is not None and golden not in files:
                raise ValueError(f"the golden samples {golden!r} are not among its files")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ModelError(f"{where} is not a bundle's manifest: {error!r}") from error
        if not variants:
            raise ModelError(f"{where} names no variant: the bundle holds no model; export it again")
        bundle = cls(path, name, spec, variants, files, golden, archive)
        for entry in (*variants.values(), *files.values()):
            bundle.read(entry)
        return bundle

    def read(self, entry: FileEntry) -> bytes:
        """The bytes of one of the bundle's files, after their digest agreed.

        Raises:
            IntegrityError: missing, or changed.
        """
        path = self.path / entry.file
        if self.archive is None:
            data = _read_file(path, entry.bytes)
        else:
            data = self.archive[entry.file] if self.archive.size(entry.file) == entry.bytes else None
        if data is None:
            raise IntegrityError(
                f"{path} is missing or has another size than the {entry.bytes} bytes that were exported: the "
                "bundle is incomplete, copy or export it again"
            )
        digest = sha256_bytes(data)
        if digest != entry.sha256:
            raise IntegrityError(
                f"{path} is not the file that was exported: its SHA-256 is {digest[:12]}..., the manifest says "
                f"{entry.sha256[:12]}...; copy or export the bundle again"
            )
        return data

    def variant(self, name: str) -> ModelFile:
        """One variant, ready to execute.

        Raises:
            ModelError: the bundle has no such variant.
        """
        if name not in self.variants:
            raise ModelError(f"{self.path} has no variant {name!r}; it has {', '.join(self.variants)}")
        entry = self.variants[name]
        data = self.read(entry)
        golden = None if self.golden is None else self.read(self.files[self.golden])
        spec = self.spec if entry.threshold is None else replace(self.spec, threshold=entry.threshold)
        return ModelFile(self.path / entry.file, data, name.split("-")[0], name, spec, entry.sha256, self.path, golden)


def open_model(
    model: str | Path = "default",
    *,
    variant: str | None = None,
    model_format: str | None = None,
    spec: Path | None = None,
    backend: str = "auto",
    trusted: bool = False,
) -> ModelFile:
    """Find one model and check it.

    A bundle's files are checked against its manifest. A bare file has none: a child process loads and executes it
    first (`onsight_edge.contact`), once; what passed is remembered in the cache folder.

    Args:
        model: `default`, a bundle's folder or zip file, or a .tflite or .onnx file.
        variant: which of a bundle's variants; by default the first of VARIANTS that it has.
        model_format: take only variants of that format, `tflite` or `onnx`.
        spec: a ModelSpec's JSON file, for files that carry none; it overrides the one inside.
        backend: the runtime that is going to execute a bare file.
        trusted: take a bare file without first contact, as one that this process has made itself.

    Raises:
        ModelError: nothing there, not a model, nothing known of its classes, or a bare file that crashes or hangs.
        IntegrityError: changed since it was exported.
        BackendError: the runtime refuses a bare file.
    """
    path = DEFAULT_MODEL if str(model) == "default" else Path(model)
    try:
        path.stat()
    except FileNotFoundError as error:
        raise ModelError(
            f"no model at {path}: expected a bundle (a folder or .bundle.zip), a .tflite or .onnx file, or 'default'"
        ) from error
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if path.is_dir() or (path.suffix.lower() == ".zip" and path.is_file()):
        if (path / "model.keras").exists() and not (path / MANIFEST).exists():
            raise ModelError(f"{path} is a training run; make a bundle of it first: onsight export {path}")
        if spec is not None:
            raise UsageError(f"--spec describes a bare model file; the bundle {path} has its own")
        bundle = Bundle.open(path)
        return bundle.variant(variant or _preferred(bundle, model_format))
    if not path.is_file():  # reading from a pipe or a device would wait for ever
        raise ModelError(f"{path} is neither a file nor a folder: expected a bundle, a .tflite or an .onnx file")
    file = _bare_file(path, variant, model_format, spec)
    if not trusted:
        from onsight_edge.contact import first_contact  # bundles start sooner without subprocess

        first_contact(file.data, file.sha256, file.model_format, file.spec, backend, str(path))
    return file


def _bare_file(path: Path, variant: str | None, model_format: str | None, spec: Path | None) -> ModelFile:
    suffix = path.suffix.lstrip(".").lower()
    if suffix == "keras":
        raise ModelError(f"{path} is a training run's network; make a bundle of it first: onsight export {path.parent}")
    if suffix not in ("tflite", "onnx"):
        raise ModelError(
            f"{path} is not a model: expected a bundle (a folder or .bundle.zip), a .tflite or an .onnx file"
        )
    if variant is not None:
        raise UsageError(f"--variant chooses from a bundle; {path} is a single file")
    if model_format not in (None, suffix):
        raise UsageError(f"{path} is a {suffix} file; the backend asked for executes {model_format}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except MemoryError as error:
        raise ModelError(f"cannot read {path}: it is larger than the memory that is left") from error
    if suffix == "tflite" and data[4:8] != b"TFL3":
        raise ModelError(f"{path} is not a TFLite model: its identifier is {data[4:8]!r}, expected b'TFL3'")
    found = ModelSpec.load(spec) if spec is not None else read_spec(data, suffix, str(path))
    if found is None:
        raise ModelError(
            f"{path} does not say what its classes are and what input it expects (or its end is missing): "
            f"describe it with --spec FILE.json (docs/bundle.md)"
        )
    return ModelFile(path, data, suffix, suffix, found, sha256_bytes(data))


def _preferred(bundle: Bundle, model_format: str | None) -> str:
    wanted = [v for v in bundle.variants if model_format is None or v.startswith(model_format + "-")]
    for name in (*VARIANTS, *wanted):
        if name in wanted:
            return name
    raise ModelError(f"{bundle.path} has no {model_format or 'usable'} variant; it has {', '.join(bundle.variants)}")


def _read_file(path: Path, size: int) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() and path.stat().st_size == size else None
    except OSError as error:
        raise IntegrityError(
            f"{path} cannot be read ({error.strerror}): the bundle is incomplete, copy it again"
        ) from error
