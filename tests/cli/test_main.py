"""The command itself: standard streams that are not there, errors of the system, the traceback on demand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ONSIGHT = f"{sys.executable} -m onsight"


@pytest.fixture
def photo(tmp_path: Path) -> str:
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((40, 60, 3), 99, np.uint8))
    return "photo.png"


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], cwd=cwd, capture_output=True, text=True, check=False)


def test_closed_streams_change_nothing(photo: str, tmp_path: Path) -> None:
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&- <&-"):
        done = shell(f"{ONSIGHT} predict {photo} {closed}", tmp_path)
        assert done.returncode == 0, (closed, done.stderr)
        assert done.stderr == ""
        if ">&-" not in closed.replace("2>&-", ""):
            assert done.stdout.startswith("photo.png: ")


def test_a_full_disk_behind_stdout_is_one_line(photo: str, tmp_path: Path) -> None:
    done = shell(f"{ONSIGHT} predict {photo} > /dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["onsight: No space left on device"]


def test_a_closed_pipe_is_no_error(photo: str, tmp_path: Path) -> None:
    done = shell(f"{ONSIGHT} predict {' '.join([photo] * 50)} | head -1", tmp_path)
    assert done.stdout.startswith("photo.png") and done.stderr == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become nobody")
def test_a_folder_that_may_not_be_looked_into_is_one_line(photo: str, tmp_path: Path) -> None:
    script = f"""
import os
import onsight.commands.predict  # nobody may not be able to read the interpreter's own modules
from onsight.main import main
os.setuid(65534)
main(["predict", {str(tmp_path / photo)!r}])
"""
    tmp_path.chmod(0o700)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "Permission denied" in done.stderr


def test_a_name_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    done = shell(f"{ONSIGHT} predict {'x' * 300}.png", tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "File name too long" in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = shell(f"{ONSIGHT} --debug predict nothing.tflite x.png", tmp_path)
    assert "Traceback" in done.stderr and "ModelError" in done.stderr


def test_an_unknown_verb_is_a_wrong_call(tmp_path: Path) -> None:
    done = shell(f"{ONSIGHT} pradict x.png", tmp_path)
    assert done.returncode == 2 and "pradict" in done.stderr
