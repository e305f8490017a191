"""A bundle as one zip file: read from memory without unpacking to disk, and written the same way every time.

`zipfile` is lenient where formats of unknown origin need it: doubled names, gaps between members and bytes behind the
end pass. Here every byte must belong to the header or the content of exactly one member, and what `write_archive` made
carries a digest of all of it in the archive's comment.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import io
import re
import stat
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from onsight_edge.errors import IntegrityError, ModelError
from onsight_edge.files import atomic_path, sha256_bytes

if TYPE_CHECKING:
    import zipfile

MOST_MEMBERS = 100
MOST_BYTES = 1 << 30  # of the file, of one member and of all members together
MOST_RATIO = 100  # of a member above _FREE_BYTES; weights shrink to nine tenths, reports to a tenth
_FREE_BYTES = 1 << 20
_METHODS = {0: "stored", 8: "deflated"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")
_SEAL = b"onsight sha256 "
_LOCAL, _CENTRAL, _END = 30, 46, 22  # bytes of the three kinds of header, names and extras not counted
_MOST_DIRECTORY = 1 << 20  # of all central headers: zipfile makes an object of each before anything can be counted
_ENCRYPTED, _STREAMED = 0x1, 0x8
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold


class Archive(Mapping[str, bytes]):
    """The members of a checked archive by name; each is inflated when it is asked for, and never above its size."""

    def __init__(self, path: Path, opened: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> None:
        self.path = path
        self._opened = opened
        self._members = members

    def __getitem__(self, name: str) -> bytes:
        """The bytes of one member.

        Raises:
            KeyError: there is none of that name.
            IntegrityError: its content is damaged.
        """
        import zipfile

        member = self._members[name]
        try:
            with self._opened.open(member) as stream:
                data = stream.read(member.file_size)  # checks the CRC, too
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise _damaged(self.path, f"{name} cannot be read: {error}") from error
        if len(data) != member.file_size:
            raise _damaged(self.path, f"{name} holds {len(data)} of {member.file_size} bytes")
        return data

    def size(self, name: str) -> int | None:
        """How many bytes a member holds, told without inflating it; None where there is none of that name."""
        return self._members[name].file_size if name in self._members else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def read_archive(path: Path) -> Archive:
    """Read a zip file into memory and check everything but what its members hold.

    Raises:
        ModelError: unreadable, not a zip, or of a kind no bundle is: folders, links, encrypted, doubled or dangerous
            names, methods other than stored and deflated, absurd sizes.
        IntegrityError: truncated or changed.
    """
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise _refused(path, f"it has {size} bytes, at most {MOST_BYTES} are taken")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    return _checked(path, data)


def write_archive(folder: Path, target: Path) -> None:
    """Write a folder's files as a zip: by name, stored, one date, one mode; equal files give equal bytes.

    Stored, because deflate's output differs between zlib's versions, and weights hardly shrink.

    Raises:
        ModelError: the folder holds what no bundle holds: folders, links, odd names, too much.
        OnsightError: the target cannot be written. It is whole or absent.
    """
    import zipfile

    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for path in sorted(folder.iterdir(), key=lambda path: path.name):
            if path.is_symlink() or not path.is_file() or not _NAME.fullmatch(path.name):
                raise ModelError(f"{path} cannot go into a bundle: expected plain files with plain names")
            member = zipfile.ZipInfo(path.name, _DATE)
            member.create_system = 3  # Unix, whatever this machine is
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, path.read_bytes())
        archive.comment = _SEAL + b"0" * 64
    data = body.getvalue()[: -len(_SEAL) - 64]
    data += _SEAL + sha256_bytes(data).encode()
    _checked(target, data)  # within the limits, too
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)


def _checked(path: Path, data: bytes) -> Archive:
    import zipfile  # with lzma, bz2 and shutil behind it; folders do without

    if data[:4] != b"PK\x03\x04":
        raise ModelError(
            f"{path} is not a zip file: expected a bundle as `onsight export --out NAME.bundle.zip` writes"
        )
    _check_directory(path, data)
    try:
        opened = zipfile.ZipFile(io.BytesIO(data))
        found = opened.infolist()
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, UnicodeDecodeError, OverflowError) as error:
        raise _damaged(path, f"it is no whole zip file ({error})") from error
    if len(found) > MOST_MEMBERS:
        raise _refused(path, f"it has {len(found)} members, at most {MOST_MEMBERS} are taken")
    members: dict[str, zipfile.ZipInfo] = {}
    for member in found:
        _check_member(path, member)
        if member.filename in members:
            raise _refused(path, f"the name {member.filename!r} is in it twice")
        members[member.filename] = member
    if (total := sum(member.file_size for member in found)) > MOST_BYTES:
        raise _refused(path, f"its members have {total} bytes together, at most {MOST_BYTES} are taken")
    _check_layout(path, data, opened, found)
    _check_seal(path, data, opened.comment)
    return Archive(path, opened, members)


def _check_directory(path: Path, data: bytes) -> None:
    """The last header, found as zipfile finds it, says of no more members than are taken."""
    end = len(data) - _END
    if data[end : end + 4] != b"PK\x05\x06" or data[-2:] != b"\0\0":
        end = data.rfind(b"PK\x05\x06", max(0, len(data) - _END - (1 << 16)))
    if end < 0 or len(data) < end + _END:
        raise _damaged(path, "it is no whole zip file (it has no end)")
    if data[max(0, end - 20) : end].startswith(b"PK\x06\x07"):
        raise _refused(path, "it is a ZIP64 archive, which only absurd sizes need")
    count, size = (
        int.from_bytes(data[end + 10 : end + 12], "little"),
        int.from_bytes(data[end + 12 : end + 16], "little"),
    )
    if count > MOST_MEMBERS:
        raise _refused(path, f"it has {count} members, at most {MOST_MEMBERS} are taken")
    if size > _MOST_DIRECTORY:
        raise _refused(path, f"its directory has {size} bytes, at most {_MOST_DIRECTORY} are taken")


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    name = member.orig_filename  # ZipInfo.filename ends at a NUL and turns backslashes on Windows
    kind = stat.S_IFMT(member.external_attr >> 16)
    if name.endswith("/") or "/" in name.strip("/"):
        if ".." in name.split("/") or name.startswith("/"):
            raise _refused(path, f"the name {name!r} points out of it")
        raise _refused(path, f"{name!r} is in a folder; a bundle's files stand side by side")
    if name != member.filename or not _NAME.fullmatch(name) or ".." in name:
        raise _refused(path, f"{name!r} is not a plain file name")
    if kind not in (0, stat.S_IFREG):
        raise _refused(
            path, f"{name!r} is not a plain file but {'a link' if kind == stat.S_IFLNK else 'a special one'}"
        )
    if member.flag_bits & _ENCRYPTED:
        raise _refused(path, f"{name!r} is encrypted")
    if member.flag_bits & _STREAMED:
        raise _refused(path, f"{name!r} was written without its size in front")
    if member.compress_type not in _METHODS:
        raise _refused(path, f"{name!r} is packed with method {member.compress_type}; expected stored or deflated")
    if member.compress_type == 0 and member.compress_size != member.file_size:
        raise _damaged(path, f"{name!r} is stored in {member.compress_size} bytes, but has {member.file_size}")
    if member.file_size > max(_FREE_BYTES, MOST_RATIO * member.compress_size):
        raise _refused(
            path, f"{name!r} would unpack from {member.compress_size} to {member.file_size} bytes: no model shrinks so"
        )


def _check_layout(path: Path, data: bytes, opened: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    """Every byte belongs to one member or header: no gap, no overlap, nothing before or behind."""
    at = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        header = data[at : at + _LOCAL]
        if member.header_offset != at or len(header) < _LOCAL or header[:4] != b"PK\x03\x04":
            raise _damaged(path, f"{member.filename} does not begin where the one before it ends")
        at += _LOCAL + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        at += member.compress_size
    # start_dir is where zipfile found the directory; ZipInfo's own lengths are those of the directory's entries
    directory = sum(_CENTRAL + len(m.orig_filename.encode()) + len(m.extra) + len(m.comment) for m in members)
    end = at + directory
    commented = int.from_bytes(data[end + _END - 2 : end + _END], "little")  # zipfile takes one that is cut off
    if at != opened.start_dir or data[end : end + 4] != b"PK\x05\x06" or end + _END + commented != len(data):
        raise _damaged(path, "it has bytes that belong to no member")


def _check_seal(path: Path, data: bytes, comment: bytes) -> None:
    """The comment: none where another program packed the files, else the digest of all bytes before it."""
    if comment and comment != _SEAL + sha256_bytes(data[: -len(comment)]).encode():
        raise _damaged(path, "it has been changed since it was exported")


def _refused(path: Path, why: str) -> ModelError:
    return ModelError(
        f"{path} is not taken as a bundle: {why}; make one with: onsight export RUN --out NAME.bundle.zip"
    )


def _damaged(path: Path, why: str) -> IntegrityError:
    return IntegrityError(f"{path} is damaged: {why}; copy or export the bundle again")
