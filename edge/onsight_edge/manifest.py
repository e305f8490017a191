"""`manifest.json`: the digest of every file of a bundle, and of itself (docs/bundle.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onsight_edge.errors import IntegrityError, ModelError
from onsight_edge.files import canonical_json, json_text, sha256_bytes, write_json
from onsight_edge.spec import ModelSpec
from onsight_edge.version import __version__

if TYPE_CHECKING:
    from onsight_edge.archive import Archive

SCHEMA = 1
MANIFEST = "manifest.json"
_MANIFEST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a bundle: name inside the folder, SHA-256, size; of a variant its own threshold, where it has one."""

    file: str
    sha256: str
    bytes: int
    threshold: float | None = None


def write_manifest(
    folder: Path,
    *,
    name: str,
    spec: ModelSpec,
    variants: dict[str, str],
    extra: list[str],
    golden: str | None = None,
    thresholds: dict[str, float] | None = None,
) -> None:
    """Write `manifest.json` into a folder of finished files.

    Args:
        folder: holds every file named below.
        name: the bundle's, for people.
        spec: of all its variants.
        variants: variant -> file name.
        extra: names of further files, such as `report.json`.
        golden: the file name of the golden samples; it need not be named in `extra`, too.
        thresholds: variant -> its own threshold, in place of the spec's.
    """
    own = {variant: {"threshold": value} for variant, value in (thresholds or {}).items()}
    others = dict.fromkeys([*extra, golden] if golden is not None else extra)
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "onsight": __version__,
        "name": name,
        "spec": spec.to_json(),
        "variants": {variant: _describe(folder / file) | own.get(variant, {}) for variant, file in variants.items()},
        "files": {file: {k: v for k, v in _describe(folder / file).items() if k != "file"} for file in others},
        "golden": golden,
    }
    manifest["sha256"] = _manifest_digest(manifest)
    write_json(folder / MANIFEST, manifest)


def read_manifest(bundle: Path, archive: Archive | None) -> dict[str, Any]:
    """A bundle's manifest, after its own digest agreed.

    Args:
        bundle: the folder, or the zip file.
        archive: what is in the zip file, None for a folder.

    Raises:
        ModelError: none there, or of another schema. IntegrityError: damaged, or changed since it was written.
    """
    path = bundle / MANIFEST
    try:
        size = path.stat().st_size if archive is None else archive.size(MANIFEST)
        if size is None:
            raise FileNotFoundError(path)
        if size > _MANIFEST_BYTES:
            raise ModelError(f"{path} is over {_MANIFEST_BYTES >> 20} MiB: not a bundle's manifest")
        text = (path.read_bytes() if archive is None else archive[MANIFEST]).decode()
        manifest = json.loads(text)
    except FileNotFoundError as error:
        raise ModelError(
            f"{bundle} is not a bundle: it has no {MANIFEST}; make one with: onsight export RUN"
        ) from error
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} is damaged ({error}); copy or export the bundle again") from error
    if not isinstance(manifest, dict) or "schema" not in manifest:
        raise ModelError(f"{path} is not a bundle's manifest: the key 'schema' is missing")
    if manifest["schema"] != SCHEMA:
        raise ModelError(f"{path}: schema {manifest['schema']!r} is not {SCHEMA}: written by another onsight")
    try:
        # the text itself, too: a changed space or line end is a change
        intact = manifest.get("sha256") == _manifest_digest(manifest) and text == json_text(manifest)
    except (ValueError, RecursionError):  # numbers and characters that nobody exports
        intact = False
    if not intact:
        raise IntegrityError(f"{path} has been changed since it was exported; copy or export the bundle again")
    return manifest


def _manifest_digest(manifest: dict[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return sha256_bytes(canonical_json(rest).encode())


def _describe(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"file": path.name, "sha256": sha256_bytes(data), "bytes": len(data)}


def entry_of(value: dict[str, Any]) -> FileEntry:
    """One file's entry in the manifest.

    Raises:
        KeyError, TypeError, ValueError: not one, or its name leads out of the bundle.
    """
    own = value.get("threshold")
    entry = FileEntry(
        str(value["file"]), str(value["sha256"]), int(value["bytes"]), None if own is None else float(own)
    )
    if entry.threshold is not None and not 0 <= entry.threshold <= 1:
        raise ValueError(f"the threshold of {entry.file!r} is {entry.threshold}, not 0..1")
    if Path(entry.file).name != entry.file or entry.file in ("", ".", ".."):
        raise ValueError(f"{entry.file!r} is not a plain file name")
    return entry
