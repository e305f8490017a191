"""What `onsight info` looks at: finds the files behind MODEL and reads each of them in a child process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onsight_edge.bundle import DEFAULT_MODEL, MANIFEST, Bundle
from onsight_edge.embedded import read_spec
from onsight_edge.errors import ModelError, OnsightError, UsageError
from onsight_edge.files import sha256_bytes
from onsight_edge.spec import ModelSpec
from onsight_edge.trial import in_child
from onsight_export.inspect.facts import FileFacts, Operator, Tensor
from onsight_export.inspect.reading import inspect_model, missing_beside, sniff

_KERAS_SECONDS, _KERAS_MIB = 180, 8192  # a slow machine takes long to import TensorFlow, which maps gigabytes
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """One model file.

    Attributes:
        name: what to call it: the file's name.
        bytes, sha256: of the file.
        facts: what is in it.
        spec: what onsight knows of it, None for a third-party file.
        variant: its name in a bundle, else "".
        report: what the bundle's report says of it: `accuracy`, `drop_points` and so on; empty where nothing.
    """

    name: str
    bytes: int
    sha256: str
    facts: FileFacts
    spec: ModelSpec | None
    variant: str = ""
    report: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Subjects:
    """All that MODEL names.

    Attributes:
        kind: `file`, `run` or `bundle`.
        path: where it lies.
        name: the bundle's or the run's; the file's name.
        spec: of the whole, None where nothing is known.
        files: those read; of a bundle the variants, in its own order.
        origin: of a run and of a bundle: `dataset`, where one was named.
    """

    kind: str
    path: Path
    name: str
    spec: ModelSpec | None
    files: tuple[Subject, ...]
    origin: dict[str, str]


def find(model: str, variant: str | None, tell: Progress) -> Subjects:
    """Find and read MODEL.

    Args:
        model: `default`, a bundle (folder or .zip), a run's folder or a model file.
        variant: read only that one of a bundle.
        tell: told what is being read.

    Raises:
        ModelError: nothing there, or not a model. IntegrityError: a bundle's file was changed.
        UsageError: `variant` for what is not a bundle.
    """
    path = DEFAULT_MODEL if model == "default" else Path(model)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
        is_run = is_folder and (path / "model.keras").exists() and not (path / MANIFEST).exists()
    except OSError as error:  # too long a name, a folder that may not be entered
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if not is_folder and not is_file:
        what = "is neither a file nor a folder" if path.exists() else "is not there"
        raise ModelError(f"{path} {what}: expected a model file, a run's or a bundle's folder, or 'default'")
    if (is_folder and not is_run) or (is_file and path.suffix.lower() == ".zip"):
        return _bundle(path, variant, tell)
    if variant is not None:
        raise UsageError(f"--variant chooses from a bundle; {path} is a {'run' if is_run else 'single file'}")
    if is_run:
        return _run(path, tell)
    subject = _file(path, tell)
    return Subjects("file", path, path.name, subject.spec, (subject,), {})


def _bundle(path: Path, variant: str | None, tell: Progress) -> Subjects:
    bundle = Bundle.open(path)
    if variant is not None and variant not in bundle.variants:
        raise ModelError(f"{path} has no variant {variant!r}; it has {', '.join(bundle.variants)}")
    dataset, measured = _report(bundle)
    subjects = []
    for name, entry in bundle.variants.items():
        if variant in (None, name):
            tell(entry.file)
            data = bundle.read(entry)
            facts = inspect_model(data, name.split("-")[0], f"{path}: {entry.file}")
            one = Subject(entry.file, len(data), entry.sha256, facts, bundle.spec, name, measured.get(name))
            subjects.append(one)
    return Subjects("bundle", path, bundle.name, bundle.spec, tuple(subjects), {"dataset": dataset} if dataset else {})


def _report(bundle: Bundle) -> tuple[str, dict[str, dict[str, Any]]]:
    """The data set's name and what was measured of each variant; a report of another kind says nothing."""
    if "report.json" not in bundle.files:
        return "", {}
    try:
        report = json.loads(bundle.read(bundle.files["report.json"]))
        return str(report["dataset"]["name"]), {one["variant"]: dict(one) for one in report["variants"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", {}


def _run(path: Path, tell: Progress) -> Subjects:
    file = path / "model.keras"
    subject = _file(file, tell)
    spec = ModelSpec.load(path / "spec.json") if (path / "spec.json").exists() else None
    origin = {}
    try:
        data = json.loads((path / "data.json").read_text(encoding="utf-8"))
        origin = {"dataset": str(data["name"])}
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
    ):  # a run that was copied in part is still worth a look
        pass
    return Subjects("run", path, path.resolve().name, spec, (replace(subject, spec=spec),), origin)


def _file(path: Path, tell: Progress) -> Subject:
    tell(path.name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except MemoryError as error:
        raise ModelError(f"cannot read {path}: it is larger than the memory that is left") from error
    model_format = sniff(str(path), data)
    facts = inspect_model(data, model_format, str(path))
    spec = None
    if model_format == "keras":
        tell(f"{path.name} with Keras")
        facts = with_costs(facts, data)
    else:
        facts = missing_beside(facts, path.parent)
        try:
            spec = read_spec(data, model_format, str(path))
        except ModelError as error:
            facts = replace(facts, warnings=(*facts.warnings, str(error)))
    return Subject(path.name, len(data), sha256_bytes(data), facts, spec)


def with_costs(facts: FileFacts, data: bytes) -> FileFacts:
    """The facts of a .keras file with what only Keras can tell: shapes, parameters, MACs; a warning where it cannot."""
    try:
        answer = json.loads(
            in_child("onsight.keras_costs", data, seconds=_KERAS_SECONDS, memory_mib=_KERAS_MIB + (len(data) >> 18))
        )
    except OnsightError as error:
        return replace(facts, warnings=(*facts.warnings, f"its MACs are not known, Keras cannot load it: {error}"))
    policies = {operator.name: operator.arithmetic for operator in facts.operators}
    operators = facts.operators
    if answer["layers"] is not None:
        operators = tuple(
            Operator(kind, name, policies.get(name, "unknown"), macs, (-1, *(_side(side) for side in output)))
            for name, kind, output, _, macs in answer["layers"]
        )
    inputs, outputs = (tuple(Tensor(n, d, tuple(s)) for n, d, s in answer[key]) for key in ("inputs", "outputs"))
    return replace(facts, parameters=answer["parameters"], operators=operators, inputs=inputs, outputs=outputs)


def _side(side: int | None) -> int:
    return -1 if side is None else side
