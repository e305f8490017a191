from __future__ import annotations

import contextlib
import io
import shutil
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge import archive as archives
from onsight_edge.archive import read_archive, write_archive
from onsight_edge.bundle import Bundle, open_model
from onsight_edge.classifier import Classifier
from onsight_edge.errors import IntegrityError, ModelError, OnsightError


@pytest.fixture
def zipped(shipped: Path) -> Path:
    write_archive(shipped, shipped.with_name("copy.bundle.zip"))
    return shipped.with_name("copy.bundle.zip")


def pack(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip as another program may write it."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_zip_is_the_same_bundle_as_the_folder(shipped: Path, zipped: Path) -> None:
    folder, archive = Bundle.open(shipped), Bundle.open(zipped)
    assert (archive.spec, archive.variants, archive.files) == (folder.spec, folder.variants, folder.files)
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with Classifier.open(shipped) as one, Classifier.open(zipped) as other:
        assert (one.classify(frame).scores == other.classify(frame).scores).all()
        assert other.model is not None and other.model.bundle == zipped
    assert dict(read_archive(zipped)) == contents(shipped)


def test_nothing_is_unpacked_to_disk(zipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("written to disk")

    for name in ("mkstemp", "mkdtemp", "TemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(f"tempfile.{name}", refuse)
    monkeypatch.setattr(zipfile.ZipFile, "extract", refuse)
    before = sorted(tmp_path.rglob("*"))
    assert open_model(zipped).variant == "tflite-int8"
    assert sorted(tmp_path.rglob("*")) == before


def test_the_same_files_give_the_same_bytes(shipped: Path, zipped: Path) -> None:
    again = Path(shutil.copytree(shipped, shipped.with_name("later"), copy_function=shutil.copyfile))
    for path in sorted(again.iterdir(), reverse=True):
        path.chmod(0o600)
        path.touch()
    write_archive(again, again.with_name("again.bundle.zip"))
    assert again.with_name("again.bundle.zip").read_bytes() == zipped.read_bytes()


def test_what_another_program_packed_is_taken(shipped: Path, tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert open_model(pack(tmp_path / f"{method}.bundle.zip", contents(shipped), method)).variant == "tflite-int8"


def test_what_is_no_bundle_does_not_become_one(shipped: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.bundle.zip"
    (shipped / "more").mkdir()
    with pytest.raises(ModelError, match=r"more cannot go into a bundle"):
        write_archive(shipped, target)
    (shipped / "more").rmdir()
    (shipped / "link").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match=r"link cannot go into a bundle"):
        write_archive(shipped, target)
    (shipped / "link").unlink()
    with pytest.raises(OnsightError, match="cannot write"):
        write_archive(shipped, shipped / "manifest.json" / "x.zip")
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../manifest.json", "points out of it"),
        ("/etc/passwd", "points out of it"),
        ("a/../../b", "points out of it"),
        ("cats.bundle/manifest.json", "is in a folder; a bundle's files stand side by side"),
        ("folder/", "is in a folder"),
        ("..", "not a plain file name"),
        ("a\\b", "not a plain file name"),
        ("C:x", "not a plain file name"),
        ("line\nend", "not a plain file name"),
        ("x" * 300, "not a plain file name"),
        (".hidden", "not a plain file name"),
        ("\N{CYRILLIC SMALL LETTER A}", "not a plain file name"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(shipped: Path, tmp_path: Path, name: str, message: str) -> None:
    path = pack(tmp_path / "x.zip", {**contents(shipped), name: b"x"})
    one_line(path, message)


def test_a_name_that_ends_early_is_refused(shipped: Path, tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {**contents(shipped), "reportXjson2": b"x"})
    path.write_bytes(path.read_bytes().replace(b"reportXjson2", b"report\0json2"))
    one_line(path, "not a plain file name|is no whole zip file")


def test_double_names_are_refused(shipped: Path, tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", contents(shipped))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("manifest.json", b"{}")
    one_line(path, r"the name 'manifest\.json' is in it twice")


@pytest.mark.parametrize(("kind", "message"), [(stat.S_IFLNK, "but a link"), (stat.S_IFCHR, "but a special one")])
def test_links_and_devices_are_refused(shipped: Path, tmp_path: Path, kind: int, message: str) -> None:
    path = pack(tmp_path / "x.zip", contents(shipped))
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo("labels.txt")
        member.external_attr = (kind | 0o777) << 16
        archive.writestr(member, b"/etc/passwd")
    one_line(path, message)


def test_encrypted_members_are_refused(shipped: Path, tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", contents(shipped))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    one_line(path, "is encrypted")


def test_members_without_a_size_in_front_are_refused(shipped: Path, tmp_path: Path) -> None:
    class Stream(io.RawIOBase):
        """Cannot seek, as a pipe cannot."""

        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += data
            return len(data)

    stream = Stream()
    with zipfile.ZipFile(stream, "w") as archive:  # type: ignore[arg-type]
        for name, data in contents(shipped).items():
            archive.writestr(name, data)
    (tmp_path / "x.zip").write_bytes(stream.data)
    one_line(tmp_path / "x.zip", "without its size in front")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_methods_are_refused(shipped: Path, tmp_path: Path, method: int) -> None:
    one_line(pack(tmp_path / "x.zip", contents(shipped), method), f"packed with method {method}; expected stored")


def test_a_bomb_is_refused_unopened(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "x.zip", {**contents(shipped), "big.bin": bytes(64 << 20)})
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    one_line(path, "'big.bin' would unpack from .* to 67108864 bytes")


def test_a_bomb_that_lies_about_its_size_never_unfolds(shipped: Path, tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"report.json": bytes(64 << 20)})
    size = (64 << 20).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(IntegrityError, match=r"report\.json cannot be read: Bad CRC"):
        read_archive(path)["report.json"]


def test_members_that_share_bytes_are_refused(shipped: Path, tmp_path: Path) -> None:
    """The bomb of https://www.bamsoftware.com/hacks/zipbomb: many directory entries for one member."""
    path = pack(tmp_path / "x.zip", {"a.bin": b"1" * 50, "b.bin": b"1" * 50}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 42 : entry + 46] = bytes(4)  # the second begins where the first does
    path.write_bytes(data)
    one_line(path, "does not begin where the one before it ends")


def test_absurd_sizes_and_counts_are_refused(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = pack(tmp_path / "many.zip", {f"{number}.txt": b"" for number in range(archives.MOST_MEMBERS + 1)})
    one_line(many, "it has 101 members, at most 100 are taken")
    whole = pack(tmp_path / "x.zip", contents(shipped))
    monkeypatch.setattr(archives, "MOST_BYTES", 120_000)
    one_line(whole, "its members have [0-9]+ bytes together, at most 120000 are taken")
    monkeypatch.setattr(archives, "MOST_BYTES", 50_000)
    one_line(whole, "it has [0-9]+ bytes, at most 50000 are taken")


@pytest.mark.parametrize(("said", "message"), [(65_535, "it has 65535 members"), (1, "its directory has .* bytes")])
def test_a_directory_without_end_is_not_even_read(
    tmp_path: Path, said: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each entry of 46 bytes would become an object of 400 before anything could be counted."""
    member = b"PK\3\4" + bytes(22) + b"\1\0\0\0a"
    entries = (b"PK\1\2" + bytes(24) + b"\1\0" + bytes(16) + b"a") * 30_000
    sizes = len(entries).to_bytes(4, "little") + len(member).to_bytes(4, "little")
    end = b"PK\5\6" + bytes(4) + said.to_bytes(2, "little") * 2 + sizes + b"\0\0"
    monkeypatch.setattr(zipfile, "ZipInfo", None)
    for comment in (b"", b"seen"):
        (tmp_path / "x.zip").write_bytes(member + entries + end[:-2] + len(comment).to_bytes(2, "little") + comment)
        one_line(tmp_path / "x.zip", message)


def test_zip64_is_refused(shipped: Path, tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", contents(shipped))
    data = path.read_bytes()
    path.write_bytes(data[:-22] + b"PK\6\7" + bytes(16) + data[-22:])
    one_line(path, "it is a ZIP64 archive")


@pytest.mark.parametrize("where", ["before", "behind", "between"])
def test_bytes_of_no_member_are_refused(shipped: Path, tmp_path: Path, where: str) -> None:
    path = pack(tmp_path / "x.zip", contents(shipped))
    data = path.read_bytes()
    at = {"before": 0, "behind": len(data), "between": data.index(b"PK\x01\x02")}[where]
    path.write_bytes(data[:at] + b"more" + data[at:])
    one_line(path, "is not a zip file|bytes that belong to no member|is no whole zip file|does not begin")


def test_what_is_no_zip_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.bundle.zip").write_bytes(b"nothing of the kind")
    one_line(tmp_path / "x.bundle.zip", "is not a zip file")
    pack(tmp_path / "other.zip", {"photo.jpg": b"x"})
    one_line(tmp_path / "other.zip", "is not a bundle: it has no manifest.json")


def test_every_changed_byte_and_every_cut_of_an_exported_zip_is_refused(shipped: Path, zipped: Path) -> None:
    """Dates and modes, too, which change nothing of the content: the archive's comment is a digest of them all."""
    whole = zipped.read_bytes()
    rng = np.random.default_rng(3)
    ends = [*range(60), *range(len(whole) - 400, len(whole))]
    for at in (*ends, *rng.integers(0, len(whole), 200)):
        zipped.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << int(rng.integers(0, 8)))]) + whole[at + 1 :])
        with pytest.raises(ModelError):
            read_archive(zipped)
        zipped.write_bytes(whole[:at])
        with pytest.raises(ModelError):
            read_archive(zipped)
    zipped.write_bytes(whole)
    assert dict(read_archive(zipped)) == contents(shipped)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_any_change_of_a_small_zip_ends_in_its_content_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, method: int, changes: list[tuple[float, int]]
) -> None:
    members = {"a.bin": b"aaaa" * 20, "b.bin": bytes(range(64))}
    path = tmp_path_factory.mktemp("z") / "x.zip"
    pack(path, members, zipfile.ZIP_STORED if method == 0 else zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for place, byte in changes:
        data[int(place * len(data))] = byte
    path.write_bytes(data)
    with contextlib.suppress(ModelError):
        for name, content in read_archive(path).items():
            assert len(content) < 1000 and len(name) < 10


def one_line(path: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        Bundle.open(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
