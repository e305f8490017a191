"""The doctor in an environment as people really break it: two OpenCVs, and tflite-runtime beside NumPy 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["opencv-python-headless", "tflite-runtime", "numpy>=2", "ai-edge-litert", "click", "rich"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info[:2] > (3, 11), reason="tflite-runtime has no wheel for this Python"),
]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("broken")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    for packages in (PACKAGES, ["--no-deps", "opencv-python"]):  # the second overwrites the first one's folder
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("edge", "cli"))}
    done = subprocess.run(
        [python, "-m", "onsight", "doctor", "--json"], env=environment, capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 1, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return found


def test_two_opencvs_are_found(findings: list[dict[str, Any]]) -> None:
    (both, *_) = [one for one in findings if one["area"] == "opencv"]
    assert both["level"] == "problem"
    assert both["what"].startswith("opencv-python and opencv-python-headless are installed")


def test_a_missing_libgl_is_found_where_it_is_missing(findings: list[dict[str, Any]]) -> None:
    unimportable = [one for one in findings if one["area"] == "opencv" and "cannot be imported" in one["what"]]
    if not unimportable:
        pytest.skip("this machine has libGL")
    assert "libGL" in unimportable[0]["what"] and unimportable[0]["level"] == "problem"


def test_tflite_runtime_beside_numpy_2_is_found_by_constructing_it(findings: list[dict[str, Any]]) -> None:
    litert, legacy, onnx = [one for one in findings if one["area"] == "runtime"]
    assert litert["level"] == "ok" and onnx["level"] == "ok"
    assert legacy["level"] == "problem" and "NumPy 1" in legacy["what"]
    assert "uninstall -y tflite-runtime" in legacy["command"]
