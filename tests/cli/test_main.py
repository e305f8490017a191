"""The command itself: standard streams that are not there, errors of the system, the traceback on demand."""

from __future__ import annotations

import json
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
import onsight.predicting  # nobody may not be able to read the interpreter's own modules
from onsight.main import main
from onsight_edge.files import sha256_bytes
sha256_bytes(b"")
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


def test_predict_without_options_answers_as_with_them_and_needs_no_parser(photo: str, tmp_path: Path) -> None:
    script = """
import sys
from onsight.main import main
try:
    main(sys.argv[1:])
finally:
    print("click" in sys.modules, file=sys.stderr)
"""
    for name, status in ((photo, 0), ("absent.png", 1), ("default", 2)):
        done = [
            subprocess.run([sys.executable, "-c", script, "predict", *more, name], capture_output=True, cwd=tmp_path)
            for more in ([], ["--top", "3"])
        ]
        assert [one.returncode for one in done] == [status, status]
        assert done[0].stdout == done[1].stdout
        lines = [one.stderr.decode().splitlines() for one in done]
        assert lines[0][:-1] == lines[1][:-1]
        assert [line[-1] for line in lines] == ["False", "True"]


def test_predict_looks_where_it_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    image = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "wide.png"), image)
    cv2.imwrite(str(tmp_path / "cut.png"), image[30:90, 40:120])
    alone = shell(f"{ONSIGHT} predict cut.png --json", tmp_path)
    for roi in ("0.25,0.25,0.5,0.5", "40,30,80,60"):
        cut = shell(f"{ONSIGHT} predict wide.png --roi {roi} --json", tmp_path)
        assert json.loads(cut.stdout)["images"][0]["top"] == json.loads(alone.stdout)["images"][0]["top"]
    cv2.imwrite(str(tmp_path / "turned.png"), np.rot90(image, -1)[:, ::-1])
    turned = shell(f"{ONSIGHT} predict turned.png --json", tmp_path)
    told = shell(f"{ONSIGHT} predict wide.png --rotate 90 --flip horizontal --json", tmp_path)
    assert [one["label"] for one in json.loads(turned.stdout)["images"]] == [
        one["label"] for one in json.loads(told.stdout)["images"]
    ]


@pytest.mark.parametrize(
    ("roi", "says"),
    [
        ("1,2,3", "expected X,Y,W,H"),
        ("nan,0,1,1", "not negative"),
        ("0,0,0,1", "not empty"),
        ("0.5,0,0.6,1", "ends outside the frame"),
        ("50,0,20,10", "ends outside the 60x40 frame"),
    ],
)
def test_a_region_that_is_none_is_refused_in_one_line(photo: str, tmp_path: Path, roi: str, says: str) -> None:
    done = shell(f"{ONSIGHT} predict {photo} --roi={roi}", tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and says in done.stderr
