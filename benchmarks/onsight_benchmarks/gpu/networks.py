"""What can be measured on a GPU: a run's network, a .keras file, a bundle's .onnx files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onsight_benchmarks.measurement import KnownAccuracy, MeasuredModel
from onsight_benchmarks.model_facts import describe_model, known_accuracy
from onsight_edge.bundle import MANIFEST, Bundle
from onsight_edge.errors import ModelError, UsageError
from onsight_edge.files import sha256_bytes
from onsight_edge.spec import ModelSpec

ALL = "all"
UNTRAINED = "untrained"
"""Ends the names of networks whose weights a seed drew (`gpu.kit`)."""


@dataclass(frozen=True, slots=True)
class Network:
    """One file to measure.

    Attributes:
        path: it, absolute.
        model: how the record names it; of a Keras network the variant is `keras`, to which the precision is added.
        spec: raw pixels in, also where a Keras network expects them normalised: that is done on the device.
        network_spec: as the file itself wants its pictures.
        accuracy: what a bundle's report says of it.
    """

    path: Path
    model: MeasuredModel
    spec: ModelSpec
    network_spec: ModelSpec
    accuracy: KnownAccuracy | None = None

    @property
    def keras(self) -> bool:
        """Whether it is a Keras network, to be executed in any framework and precision."""
        return self.model.variant == "keras"


def find_networks(path: Path, variants: Sequence[str] = (ALL,), spec: Path | None = None) -> list[Network]:
    """What there is to measure at a path.

    Args:
        path: a run, a .keras file with `spec`, or a bundle's folder.
        variants: of a bundle: names of its .onnx variants, or `all`.
        spec: a ModelSpec's JSON file, for a .keras file.

    Raises:
        ModelError: nothing there that a GPU's framework executes. UsageError: the flags do not fit it.
    """
    if (path / MANIFEST).is_file():
        if spec is not None:
            raise UsageError(f"--spec describes a .keras file; the bundle {path} has its own")
        return _of_bundle(path, variants)
    if list(variants) != [ALL]:
        raise UsageError(f"--variant chooses from a bundle; {path} is none: choose with --precision")
    if (path / "model.keras").is_file():
        if spec is not None:
            raise UsageError(f"--spec describes a .keras file; the run {path} has its own")
        return [_of_keras(path / "model.keras", path / "spec.json")]
    if path.suffix == ".keras" and path.is_file():
        beside = path.parent / "spec.json"
        if spec is None and not beside.is_file():
            raise UsageError(f"{path} does not say what its classes are: describe it with --spec FILE.json")
        return [_of_keras(path, spec or beside)]
    what = "is none of these" if path.exists() else "is not there"
    raise ModelError(
        f"--gpu measures a run (the folder with model.keras that onsight train wrote), a .keras file or a bundle's "
        f"folder with .onnx files; {path} {what}"
    )


def _of_keras(path: Path, spec_file: Path) -> Network:
    spec = ModelSpec.load(spec_file)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    # as export has it: normalisation is part of the network, the host hands over pixels
    raw = replace(spec, mean=(0.0,), std=(1.0,))
    digest = sha256_bytes(data)
    model = MeasuredModel(
        name=spec.name,
        variant="keras",
        file=path.name,
        bytes=len(data),
        sha256=digest,
        spec_sha256=spec.sha256,
        preprocess_sha256=raw.preprocess_sha256,
        source_sha256=digest,
    )
    return Network(path.resolve(), model, raw, spec)


def _of_bundle(path: Path, variants: Sequence[str]) -> list[Network]:
    bundle = Bundle.open(path)
    there = [name for name in bundle.variants if name.startswith("onnx-")]
    if not there:
        raise ModelError(
            f"{path} has no .onnx files, which are what a GPU executes of a bundle: export them with --quant, or "
            "measure the run that it was exported from"
        )
    asked = there if list(variants) == [ALL] else list(dict.fromkeys(variants))
    if wrong := [name for name in asked if name not in there]:
        raise ModelError(f"{path} has no variant {wrong[0]!r} that a GPU executes; it has {', '.join(there)}")
    found = []
    for name in asked:
        file = bundle.variant(name)
        found.append(Network(file.path.resolve(), describe_model(file), file.spec, file.spec, known_accuracy(file)))
    return found
