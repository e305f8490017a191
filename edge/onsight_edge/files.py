"""Files that are either whole or not there, their digests, and where caches and state live."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onsight_edge.errors import OnsightError

_MUCH = 1 << 20  # bytes


def sha256_bytes(data: bytes) -> str:
    """The SHA-256 of `data`, 64 lower-case hexadecimal digits."""
    if len(data) < _MUCH:
        try:
            return _small_sha256(data)
        except ImportError:  # a Python built without its own digests
            pass
    import hashlib  # brings OpenSSL with it: 4 ms that its speed makes up for where there is much to hash

    return hashlib.sha256(data).hexdigest()


def _small_sha256(data: bytes) -> str:
    """Python's own implementation, which hashlib falls back to as well."""
    if sys.version_info >= (3, 12):
        from _sha2 import sha256
    else:
        from _sha256 import sha256  # type: ignore[import-not-found]
    digest: str = sha256(data).hexdigest()
    return digest


def printable(text: str) -> str:
    r"""`text` with the bytes of a file name that are no UTF-8 written as `\xe9`: it can be printed and encoded."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def canonical_json(value: Any) -> str:
    """`value` as JSON with sorted keys and no spaces: equal values give equal text, so it can be hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` (same suffix) and rename it to `target` if the block succeeds.

    On any exception, Ctrl-C included, the temporary file is removed and `target` is untouched.

    Raises:
        OnsightError: the folder cannot be written to, or the disk is full.
    """
    import tempfile  # not at the top: `onsight predict` writes nothing and starts sooner without it and shutil

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}.", suffix=".tmp" + target.suffix)
    except OSError as error:
        raise OnsightError(f"cannot write {target}: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes it private; a published file is not
        temporary.replace(target)
    except OSError as error:
        raise OnsightError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `target` and rename it to `target` if the block succeeds.

    On any exception, Ctrl-C included, the temporary folder is removed and `target` is untouched.

    Raises:
        OnsightError: `target` exists and `replace` is false, or the place cannot be written to.
    """
    import shutil
    import tempfile

    try:
        if target.exists() and not replace:
            raise OnsightError(f"{target} exists already: name another folder, or remove it first")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"))
    except OSError as error:
        raise OnsightError(f"cannot write {target}: {error.strerror}") from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if target.exists():
            old = temporary.with_name(temporary.name + ".old")
            target.replace(old)
            temporary.replace(target)
            shutil.rmtree(old)
        else:
            temporary.replace(target)
    except OSError as error:
        raise OnsightError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` to `target` as UTF-8, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(value: Any) -> str:
    """`value` as indented JSON, a line end at its end. NaN is refused: JSON has none."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(target: Path, value: Any) -> None:
    """Write `value` to `target` as `json_text`, whole or not at all."""
    write_text(target, json_text(value))


def cache_folder() -> Path:
    """Where onsight keeps what it can fetch again: $ONSIGHT_CACHE, or the platform's cache folder.

    Raises:
        OnsightError: this user has no home folder, as in some containers and services.
    """
    try:
        return _folder("ONSIGHT_CACHE", "Caches", "XDG_CACHE_HOME", ".cache")
    except RuntimeError as error:
        raise OnsightError(f"there is no place for a cache ({error}): name a folder with ONSIGHT_CACHE") from error


def state_folder() -> Path:
    """Where onsight keeps what must outlive a run: $ONSIGHT_STATE, a service's own folder, or the platform's.

    Of no use on another machine: XDG_STATE_HOME in the words of the XDG Base Directory Specification.

    Raises:
        OnsightError: this user has no home folder, as in some containers and services.
    """
    if not os.environ.get("ONSIGHT_STATE") and (service := os.environ.get("STATE_DIRECTORY")):
        return Path(service.partition(":")[0])  # systemd's, for StateDirectory=
    try:
        return _folder("ONSIGHT_STATE", "Application Support", "XDG_STATE_HOME", ".local/state")
    except RuntimeError as error:
        raise OnsightError(f"there is no place for what must be kept ({error}): name one with ONSIGHT_STATE") from error


def _folder(override: str, mac: str, xdg: str, below_home: str) -> Path:
    if named := os.environ.get(override):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / mac / "onsight"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "onsight"
    return Path(os.environ.get(xdg) or Path.home() / below_home) / "onsight"


def _umask() -> int:
    mask = os.umask(0)  # the only way to read it is to set it
    os.umask(mask)
    return mask
