"""Device profiles: which variant, runtime and number of threads `onsight tune` found fastest on this device.

A profile is one small JSON file for a model and a device (docs/tune.md has its keys). It lives in the user's folder for
state, not in the bundle: a bundle may be read-only or a zip, its files all stand in its manifest, and it travels to
devices on which something else is fastest.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from onsight_edge.bundle import DEFAULT_MODEL
from onsight_edge.classifier import Classifier
from onsight_edge.device import DeviceInfo, describe_device
from onsight_edge.errors import BackendError, ModelError, OnsightError, ProfileError, UsageError
from onsight_edge.files import canonical_json, json_text, sha256_bytes, state_folder, write_text
from onsight_edge.manifest import read_manifest

SCHEMA = 1
_MOST_BYTES = 1 << 16
_MOST_FILES = 500  # looked through for a profile that does not fit any more
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "float": (int, float),
    "float | None": (int, float, type(None)),
}


@dataclass(frozen=True, slots=True)
class ProfiledModel:
    """What a profile is for: the name in its spec or manifest, and the SHA-256 of the manifest or the bare file."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ProfiledDevice:
    """What makes figures of one device hold on another: board, architecture, processor, cores; not the kernel."""

    model: str | None
    machine: str
    cpu: str | None
    cores: int

    @classmethod
    def of(cls, device: DeviceInfo) -> ProfiledDevice:
        """The parts of a device's description that count."""
        return cls(device.model, device.machine, device.cpu, device.cores)

    def __str__(self) -> str:
        return f"{self.model or self.cpu or self.machine}, {self.cores} cores"


@dataclass(frozen=True, slots=True)
class Profile:
    """What `onsight tune` chose.

    Attributes:
        onsight: the version that wrote it.
        taken: when, UTC.
        model, device: what it holds for.
        variant: of the bundle; None for a bare file.
        backend, backend_version: the runtime.
        threads: for one inference.
        p50_ms, p95_ms: one 640x480 frame, from picture to answer.
        accuracy: the variant's, 0..1; None where it is not known.
    """

    onsight: str
    taken: str
    model: ProfiledModel
    device: ProfiledDevice
    variant: str | None
    backend: str
    backend_version: str
    threads: int
    p50_ms: float
    p95_ms: float
    accuracy: float | None

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return ", ".join(filter(None, (self.variant, self.backend, threads)))

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        write_text(path, json_text({"schema": SCHEMA, **asdict(self)}))

    @classmethod
    def load(cls, path: Path) -> Profile:
        """Read what `save` wrote.

        Raises:
            ProfileError: not there, damaged, or no profile of this schema.
        """
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise ProfileError(f"{path} is over {_MOST_BYTES >> 10} KiB: not a device profile")
            value = json.loads(path.read_bytes().decode())
        except OSError as error:
            raise ProfileError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise ProfileError(f"{path} is damaged ({error}); make it again: onsight tune MODEL") from error
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            raise ProfileError(f"{path} is not a device profile of schema {SCHEMA}; make one with: onsight tune MODEL")
        rest = {key: item for key, item in value.items() if key != "schema"}
        rest["model"] = _checked(ProfiledModel, rest.get("model"), f"{path}: model")
        rest["device"] = _checked(ProfiledDevice, rest.get("device"), f"{path}: device")
        profile: Profile = cls(**_fields(cls, rest, str(path)))
        if profile.threads < 1:
            raise ProfileError(f"{path}: threads must be at least 1, not {profile.threads}")
        return profile


def identify(model: str | Path) -> ProfiledModel:
    """What a model's profile is kept under; reads a bundle's manifest only, or a bare file.

    Raises:
        ModelError: not there, or its manifest is damaged.
    """
    path = DEFAULT_MODEL if str(model) == "default" else Path(model)
    try:
        if path.is_dir() or path.suffix.lower() == ".zip":
            archive = None
            if not path.is_dir():
                from onsight_edge.archive import read_archive  # folders start sooner without zipfile

                archive = read_archive(path)
            manifest = read_manifest(path, archive)
            return ProfiledModel(str(manifest.get("name")), str(manifest["sha256"]))
        return ProfiledModel(path.stem, sha256_bytes(path.read_bytes()))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error


def profile_path(model: ProfiledModel, device: ProfiledDevice) -> Path:
    """Where the profile of a model on a device is kept.

    Raises:
        OnsightError: this user has no home folder, and $ONSIGHT_STATE names no other.
    """
    return _folder() / f"{model.sha256[:16]}-{sha256_bytes(canonical_json(asdict(device)).encode())[:8]}.json"


def find_profile(model: str | Path, path: Path | None = None) -> tuple[Profile | None, str | None]:
    """The profile of a model on this device.

    Args:
        model: as `Classifier.open` takes it.
        path: a file, in place of the one that `onsight tune` wrote to the user's folder.

    Returns:
        The profile, or None and, where there is one that does not fit, a line that says why.

    Raises:
        ProfileError: the file named cannot be read, or is for another model or device.
        ModelError: no such model.
    """
    this, here = identify(model), ProfiledDevice.of(describe_device())
    again = f"tune it again: onsight tune {model}"
    if path is not None:
        profile = Profile.load(path)
        if why := _misfit(profile, this, here):
            raise ProfileError(f"{path} {why}; {again}")
        return profile, None
    try:
        own = profile_path(this, here)
        if own.exists():
            profile = Profile.load(own)
            why = _misfit(profile, this, here)
            return (profile, None) if why is None else (None, f"{own} {why}: ignored; {again}")
    except ProfileError as error:
        return None, f"{error}: ignored"
    except (OnsightError, OSError):  # no home folder, or one that may not be looked into
        return None, None
    return None, _near_miss(this, here, again)


def open_tuned(
    model: str | Path = "default", *, spec: Path | None = None, path: Path | None = None
) -> tuple[Classifier, str | None]:
    """Open a model as its profile says, or with the defaults where this device has none that fits.

    Args:
        model: as `Classifier.open` takes it.
        spec: a ModelSpec's JSON file, for third-party files that carry none.
        path: a profile file, in place of the user's own.

    Returns:
        The classifier, and a line for the user: what was tuned, or why the profile is ignored; None without one.

    Raises:
        ProfileError: `path` cannot be read, or is for another model, device or runtime. Else as `Classifier.open`.
    """
    profile, line = find_profile(model, path)
    if profile is None:
        return Classifier.open(model, spec=spec), line
    try:
        opened = Classifier.open(
            model, variant=profile.variant, backend=profile.backend, threads=profile.threads, spec=spec
        )
    except (BackendError, ModelError, UsageError) as error:  # what is wrong with the model itself is raised again below
        why = f"tuned for {profile}, but {error}"
    else:
        found = opened.backend.version
        if found == profile.backend_version:
            return opened, f"tuned on this device: {profile}; --no-profile ignores it"
        opened.close()
        why = f"tuned with {profile.backend} {profile.backend_version}, but {found} is installed"
    if path is not None:
        raise ProfileError(f"{path}: {why}; tune it again: onsight tune {model}")
    return Classifier.open(model, spec=spec), f"{why}: the profile is ignored; tune it again: onsight tune {model}"


def _folder() -> Path:
    return state_folder() / "profiles"


def _misfit(profile: Profile, model: ProfiledModel, device: ProfiledDevice) -> str | None:
    if profile.model.sha256 != model.sha256:
        return f"is of another model ({profile.model.name}, {profile.model.sha256[:12]})"
    if profile.device != device:
        return f"was made on another device ({profile.device}; this is {device})"
    return None


def _near_miss(model: ProfiledModel, device: ProfiledDevice, again: str) -> str | None:
    """What to say where the user tuned this model elsewhere, or an earlier export of it here."""
    line = None
    try:
        paths = sorted(_folder().glob("*.json"))[:_MOST_FILES]
    except OSError:
        return None
    for path in paths:
        try:
            profile = Profile.load(path)
        except ProfileError:
            continue
        if profile.model.sha256 == model.sha256:
            return f"this model was tuned on another device ({profile.device}; this is {device}): {again}"
        if profile.model.name == model.name and profile.device == device:
            line = f"another {model.name} was tuned on this device, not this one: {again}"
    return line


def _checked(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ProfileError(f"{where}: expected an object, found {type(value).__name__}")
    return kind(**_fields(kind, value, where))


def _fields(kind: type, value: dict[str, Any], where: str) -> dict[str, Any]:
    """The values of a dataclass's fields, each of the kind that it declares, and no other."""
    declared = {field.name: str(field.type) for field in fields(kind)}
    if odd := sorted(set(value) ^ set(declared)):
        state = "unknown" if odd[0] in value else "missing"
        raise ProfileError(f"{where}: the key {odd[0]!r} is {state}; make it again: onsight tune MODEL")
    for name, kinds in declared.items():
        if kinds in _KINDS and (not isinstance(value[name], _KINDS[kinds]) or isinstance(value[name], bool)):
            raise ProfileError(f"{where}: {name} must be {kinds}, not {str(value[name])[:40]!r}")
        if isinstance(value[name], float) and not math.isfinite(value[name]):
            raise ProfileError(f"{where}: {name} must be a finite number, not {value[name]}")
    return value
