"""What is measured beside each other: a network at one precision, as the files that the subjects take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.peers.job import Job
from onsight_benchmarks.peers.planes import cut_planes
from onsight_benchmarks.peers.subjects import PRECISIONS, Subject
from onsight_edge.backends import open_backend
from onsight_edge.bundle import DEFAULT_MODEL, Bundle, ModelFile
from onsight_edge.errors import BenchmarkError, UsageError
from onsight_edge.files import sha256_bytes

_FORMATS = ("tflite", "onnx")


@dataclass(frozen=True, slots=True)
class Case:
    """A network at one precision.

    Attributes:
        bundle: where its files come from, absolute.
        precision: one of PRECISIONS.
        files: format -> the bundle's variant; `tflite` is always there.
        keras: the network itself, where its run was found.
        folder: where copies of the files for the others are, and what they convert.
    """

    bundle: Path
    precision: str
    files: dict[str, ModelFile]
    keras: Path | None
    folder: Path

    @property
    def name(self) -> str:
        """The network's name and the precision."""
        return f"{self.files['tflite'].spec.name} {self.precision}"

    def job(self, subject: Subject, threads: int) -> tuple[Job, str]:
        """What a subject is to open, and the name of the file it is given.

        Raises:
            BenchmarkError: there is no file that it takes.
        """
        spec = self.files["tflite"].spec
        for kind in subject.takes:
            found = self._file(kind)
            if found is None:
                continue
            path, given, scale = found
            bundled = kind in _FORMATS
            tensor = open_backend(self.files[kind].data, model_format=kind).input if bundled else None
            ours = subject.adapter == "onsight"
            return Job(
                model=str(self.bundle if ours else path),
                variant=given if ours else "",
                option=subject.option,
                threads=threads,
                size_wh=spec.input_size_wh,
                classes=len(spec.classes),
                dtype="float32" if tensor is None else tensor.dtype,
                planes_first=tensor is not None and tensor.shape[1] == spec.channels,
                scale=scale,
            ), given
        wanted = " or ".join(f"{kind}-{self.precision}" if kind in _FORMATS else kind for kind in subject.takes)
        raise BenchmarkError(
            f"the bundle has no {wanted}" if "keras" not in subject.takes else "no run of the same weights (--run)"
        )

    def _file(self, kind: str) -> tuple[Path, str, float] | None:
        """The copy of a file, what the record calls it, and its scale (`Job.scale`)."""
        if kind == "keras":
            return None if self.keras is None else (self.keras, "keras", 1.0)
        file = self.files.get("onnx" if kind == "planes" else kind)
        if file is None:
            return None
        path = self.folder / f"{file.variant}.{file.model_format}"
        if not path.exists():
            path.write_bytes(file.data)
        if kind == "planes":
            planes = self.folder / f"{file.variant}-planes.onnx"
            return planes, f"{file.variant} from its first convolution on", cut_planes(path, planes)
        return path, file.variant, 1.0

    def describe(self) -> dict[str, object]:
        """For the record: the files by format."""
        return {form: asdict(describe_model(file)) for form, file in self.files.items()}


def find_cases(models: Sequence[str | Path], runs: Sequence[Path], folder: Path) -> list[Case]:
    """Every precision of every model that has a .tflite.

    Args:
        models: `default` or bundles.
        runs: training runs; each belongs to the bundle that was exported from its network. A run beside its bundle, as
            `onsight export` leaves them, is found by itself.
        folder: empty, for copies.

    Raises:
        UsageError: not a bundle, a spec that bare scripts would not follow, or a run of another network.
        ModelError: no such bundle.
    """
    networks = {sha256_bytes(path.read_bytes()): path for path in map(_network, runs)}
    cases: list[Case] = []
    for number, model in enumerate(models):
        path = (DEFAULT_MODEL if str(model) == "default" else Path(model)).resolve()
        if not path.is_dir() and path.suffix.lower() != ".zip":
            raise UsageError(f"{path} is not a bundle: peers take a bundle's files by format (onsight export)")
        bundle = Bundle.open(path)
        spec = bundle.spec
        if not spec.raw_pixels or spec.colour != "rgb" or spec.resize != "squash" or spec.roi or spec.rotate:
            raise UsageError(
                f"{path} wants another preparation than the whole frame squashed to raw RGB, which is what the peers' "
                "scripts do"
            )
        source = describe_model(bundle.variant(next(iter(bundle.variants)))).source_sha256
        keras = networks.get(source or "") or _beside(path, source)
        for precision in PRECISIONS:
            files = {
                form: bundle.variant(f"{form}-{precision}")
                for form in _FORMATS
                if f"{form}-{precision}" in bundle.variants
            }
            if "tflite" in files:
                own = folder / f"{number}-{precision}"
                own.mkdir()
                cases.append(Case(path, precision, files, keras, own))
    used = {case.keras for case in cases}
    for path in networks.values():
        if path not in used:
            raise UsageError(f"{path.parent} is not the run that any of the bundles was exported from")
    if not cases:
        raise UsageError("none of the bundles has tflite-int8 or tflite-float32")
    return cases


def _network(run: Path) -> Path:
    path = run.resolve() / "model.keras"
    if not path.is_file():
        raise UsageError(f"{run} is not a training run: it has no model.keras")
    return path


def _beside(bundle: Path, source: str | None) -> Path | None:
    """The network in a run's folder beside its bundle, if it is the one that was exported."""
    path = bundle.with_name(bundle.name.removesuffix(".zip").removesuffix(".bundle")) / "model.keras"
    try:
        return path if source is not None and sha256_bytes(path.read_bytes()) == source else None
    except OSError:
        return None
