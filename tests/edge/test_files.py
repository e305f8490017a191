from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from onsight_edge.errors import OnsightError
from onsight_edge.files import atomic_folder, atomic_path, cache_folder, canonical_json, write_json


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".txt"
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_an_interruption_leaves_what_was_there(tmp_path: Path, interruption: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(interruption), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise interruption
    assert target.read_text() == "old"
    with pytest.raises(interruption), atomic_folder(tmp_path / "f") as folder:
        (folder / "half").write_text("x")
        raise interruption
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    target = tmp_path / "f"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(OnsightError, match="exists already"), atomic_folder(target):
        pass
    with atomic_folder(target, replace=True) as folder:
        (folder / "b").write_text("2")
    assert [path.name for path in target.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OnsightError, match=r"cannot write .*file.a: "), atomic_path(tmp_path / "file" / "a"):
        pass
    with pytest.raises(OnsightError, match="cannot write"), atomic_folder(tmp_path / "file" / "f"):
        pass


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A file-size limit stands in for the disk: the kernel refuses the bytes in the same call."""
    script = f"""
import resource, signal
from pathlib import Path
from onsight_edge.errors import OnsightError
from onsight_edge.files import write_text
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_text(Path({str(tmp_path / "a.txt")!r}), "x" * 100_000)
except OnsightError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot write")
    assert list(tmp_path.iterdir()) == []


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_canonical_json_does_not_depend_on_order() -> None:
    assert canonical_json({"b": 1, "a": [1, "é"]}) == canonical_json({"a": [1, "é"], "b": 1}) == '{"a":[1,"é"],"b":1}'


def test_the_cache_can_be_put_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONSIGHT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ONSIGHT_CACHE")
    assert cache_folder().name == "onsight"
