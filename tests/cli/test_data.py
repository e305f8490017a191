"""`onsight data` as a person calls it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight.main import main


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes, one of them named so that rich might take it for markup, and two files that are no pictures."""
    monkeypatch.setenv("ONSIGHT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    rng = np.random.default_rng(0)
    for name, count in (("[red]cat", 10), ("hänge", 20)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(count):
            image = rng.integers(0, 256, (10, 14, 3), dtype=np.uint8)
            assert cv2.imwrite(str(tmp_path / "pets" / name / f"{number}.png"), image)
    (tmp_path / "pets" / "[red]cat" / "empty.png").write_bytes(b"")
    (tmp_path / "pets" / "readme.txt").write_text("x")
    return tmp_path / "pets"


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_table_and_sheet(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("data", str(root)) == 0
    text = capsys.readouterr().out
    row = next(line for line in text.splitlines() if "[red]cat" in line and "│" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["[red]cat", "7", "1", "2", "10"]
    assert "14x10, RGB" in text and "2 files" in text and "2.0 times" in text
    assert "[red]cat/empty.png: the file is empty (0 bytes)" in text
    sheet = cv2.imread("pets-contact-sheet.png")
    assert sheet is not None and sheet.shape[0] > 2 * 64 and sheet.shape[1] > 10 * 64
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 500, "it shows pictures"


def test_json_is_one_document(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("data", str(root), "--json", "--no-sheet", "--validation", "0.5", "--seed", "3", "--size", "8x6") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["classes"] == ["[red]cat", "hänge"] and document["size_wh"] == [8, 6]
    assert document["totals"] == {"train": 12, "validation": 12, "test": 6}
    assert document["counts"]["test"] == {"[red]cat": 2, "hänge": 4}
    assert (
        document["source_sizes"]["most_common_wh"] == [14, 10] and document["source_sizes"]["most_common_count"] == 30
    )
    assert [item["name"] for item in document["left_out"]] == ["[red]cat/empty.png", "readme.txt"]
    assert document["sheet"] is None and len(document["sha256"]) == 64
    assert list(Path().iterdir()) == []


def test_out_folder(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("data", str(root), "--out", str(tmp_path / "o"), "--columns", "3", "--limit", "6", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "o" / "pets.json").read_text()) == printed
    assert printed["totals"] == {"train": 6, "validation": 3, "test": 6}
    assert Path(printed["sheet"]) == tmp_path / "o" / "pets-contact-sheet.png"
    assert call("data", str(root), "--sheet", str(tmp_path / "mine.png")) == 0
    assert (tmp_path / "mine.png").exists()


def test_npz(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(1).integers(0, 256, (20, 5, 5), dtype=np.uint8)
    np.savez(tmp_path / "digits.npz", images=images, labels=np.arange(20) % 2)
    assert call("data", str(tmp_path / "digits.npz"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "digits"
    assert Path("digits-contact-sheet.png").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere"], 1, "nowhere is not there: expected cifar10"),
        (["{root}", "--size", "0"], 1, "the size must be 1..4096"),
        (["{root}", "--size", "a"], 2, "--size must be a number of pixels or WxH"),
        (["{root}", "--sheet", "a.jpg"], 2, "--sheet names a .png file"),
        (["{root}", "--validation", "1"], 2, "validation"),
        (["{root}", "--out", "/proc/version/sub"], 1, "cannot write"),
        (["{root}", "--out", "{root}/sub"], 2, "is read here"),
    ],
)
def test_one_line_about_what_is_wrong(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    assert call("data", *(argument.format(root=root) for argument in arguments)) == status
    captured = capsys.readouterr()
    assert message in captured.err and "Traceback" not in captured.err
    assert captured.out == "" and list(Path().iterdir()) == [], "nothing half-written"


def test_damaged_pictures_are_listed_and_nothing_else_is_said(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = (root / "hänge" / "0.png").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    (root / "hänge" / "flipped.png").write_bytes(flipped)
    (root / "hänge" / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert call("data", str(root), "--no-sheet", "--json") == 0
    printed = capfd.readouterr()
    left_out = [item["name"] for item in json.loads(printed.out)["left_out"]]
    assert left_out == ["[red]cat/empty.png", "hänge/cut.png", "hänge/flipped.png", "readme.txt"]
    assert printed.err == ""


def test_file_names_that_are_no_utf8(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latin = os.fsencode(root) + b"/[red]cat/caf\xe9.png"
    try:
        (root / "[red]cat" / "0.png").rename(os.fsdecode(latin))
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    os.link(latin, os.fsencode(root) + b"/h\xc3\xa4nge/na\xefve.png")
    Path(os.fsdecode(os.fsencode(root) + b"/[red]cat/\xff.txt")).touch()
    assert call("data", str(root), "--out", "o", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["totals"] == {"train": 22, "validation": 3, "test": 6}
    assert ["[red]cat/caf\\xe9.png", "hänge/na\\xefve.png"] in [sorted(pair) for pair in document["conflicts"]]
    assert "[red]cat/\\xff.txt" in [item["name"] for item in document["left_out"]]
    assert call("data", str(root), "--no-sheet") == 0
    assert "caf\\xe9.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "says"), [(b"p\xe9ts", "the path is not UTF-8"), (b"d\xf6g", "cannot be a class name")]
)
def test_folder_names_that_are_no_utf8(root: Path, capsys: pytest.CaptureFixture[str], name: bytes, says: str) -> None:
    old = root if name == b"p\xe9ts" else root / "[red]cat"
    new = Path(os.fsdecode(os.fsencode(old.parent) + b"/" + name))
    try:
        old.rename(new)
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    assert call("data", str(new if old == root else root), "--no-sheet") == 1
    error = capsys.readouterr().err
    assert says in error and len(error.strip().splitlines()) == 1
