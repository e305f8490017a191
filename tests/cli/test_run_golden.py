"""`onsight run` replays a bundle's golden samples before its first frame."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from onsight_edge.archive import write_archive
from onsight_edge.bundle import DEFAULT_MODEL, Bundle, write_manifest
from onsight_edge.classifier import Classifier
from onsight_edge.golden import FILE, Golden, golden_bytes


@pytest.fixture(scope="module")
def samples() -> Golden:
    random = np.random.default_rng(0)
    frames = np.ascontiguousarray(random.integers(0, 256, (16, 4, 5, 3), dtype=np.uint8).repeat(10, 1).repeat(10, 2))
    with Classifier.open(DEFAULT_MODEL) as classifier:
        scores = np.stack([classifier.classify(frame).scores for frame in frames])
    return Golden(frames, {"tflite-int8": scores}, {"tflite-int8": 0.1})


def bundle_with(samples: Golden, folder: Path) -> Path:
    shutil.copytree(DEFAULT_MODEL, folder)
    (folder / FILE).write_bytes(golden_bytes(samples))
    opened, files = Bundle.open(DEFAULT_MODEL), {"tflite-int8": "tflite-int8.tflite"}
    write_manifest(folder, name="x", spec=opened.spec, variants=files, extra=["report.json"], golden=FILE)
    return folder


def run(model: Path) -> subprocess.CompletedProcess[str]:
    script = "import sys; from onsight.main import main; main(sys.argv[1:])"
    arguments = ["run", str(model), "--source", "synthetic://?fps=0&frames=3", "--json", "--quiet"]
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120)


def test_a_device_that_answers_as_at_the_export_runs_from_a_zip(samples: Golden, tmp_path: Path) -> None:
    folder = bundle_with(samples, tmp_path / "x.bundle")
    write_archive(folder, tmp_path / "x.bundle.zip")
    shutil.rmtree(folder)
    done = run(tmp_path / "x.bundle.zip")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["classified"] == 3


def test_a_device_that_answers_otherwise_does_not_start(samples: Golden, tmp_path: Path) -> None:
    otherwise = Golden(samples.frames[..., ::-1].copy(), samples.scores, samples.tolerance)
    done = run(bundle_with(otherwise, tmp_path / "x.bundle"))
    assert done.returncode == 1 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("onsight: ") and "golden samples otherwise than at the export" in line
