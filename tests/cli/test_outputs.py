"""Outputs that would destroy what is read are refused before anything starts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight.outputs import check_outputs
from onsight_edge.errors import UsageError

ROOT = Path(__file__).parents[2]


def test_what_does_no_harm_passes(tmp_path: Path) -> None:
    check_outputs({"--mp4": tmp_path / "a.mp4", "--jsonl": "-"}, ["http://[::1", "0", "default", "x" * 5000])
    check_outputs({"--mp4": None, "--jsonl": tmp_path / "a.jsonl"}, [tmp_path / "a.mp4"])


def test_an_output_that_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "link.mp4").symlink_to("clip.mp4")
    (tmp_path / "clip.mp4").write_bytes(b"x")
    for output, given in (("clip.mp4", "./clip.mp4"), ("link.mp4", "clip.mp4"), ("pictures/a/b.png", "pictures")):
        with pytest.raises(UsageError, match="is read here"):
            check_outputs({"--mp4": output}, [given])
    with pytest.raises(UsageError, match="--jsonl and --mp4 name the same file"):
        check_outputs({"--mp4": "a", "--jsonl": "./a"}, [])


def test_a_run_does_not_eat_its_source(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((20, 20, 3), np.uint8))
    before = (tmp_path / "photo.png").read_bytes()
    for flag in ("--jsonl", "--mp4"):
        done = subprocess.run(
            [sys.executable, "-m", "onsight", "run", "--source", "photo.png", flag, "photo.png"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2 and "is read here" in done.stderr
    assert (tmp_path / "photo.png").read_bytes() == before


def test_the_readme_s_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.jpg", np.zeros((20, 20, 3), np.uint8))
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(block.replace('"pets.bundle"', '"default"'), {})
