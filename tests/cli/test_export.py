"""`onsight export` as it is typed: each test that converts starts the command in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from onsight_edge.bundle import Bundle
from onsight_edge.datasets import load_dataset
from onsight_edge.spec import ModelSpec


def onsight(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "COLUMNS": "80"}
    source = "import sys; from onsight.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", source, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)


def one_line(result: subprocess.CompletedProcess[str], status: int) -> str:
    assert (result.returncode, result.stdout) == (status, "")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


def write_run(folder: Path, carrier: float, harder_test: bool = False) -> Path:
    """A run whose network, set by hand, tells red from green pictures by (red - green) on top of a carrier.

    In float it is always right. In 8 bits the carrier takes up the activation's range: with a large one the
    difference falls between two steps, if it is as small as in a harder test part.
    """
    keras = pytest.importorskip("keras")
    random = np.random.default_rng(5)
    labels = np.arange(240) % 2
    images = random.integers(60, 120, (240, 8, 8, 3))
    contrast = np.where(np.arange(240) < 160, 60, 6) if harder_test else np.full(240, 20)
    images[..., 0] += np.where(labels == 0, contrast, 0)[:, None, None]
    images[..., 1] += np.where(labels == 1, contrast, 0)[:, None, None]
    images = images.astype(np.uint8)
    np.savez(
        folder / "pair.npz",
        x_train=images[:160],
        y_train=labels[:160],
        x_test=images[160:],
        y_test=labels[160:],
        classes=np.array(["red", "green"]),
    )
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="relu"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    a = carrier
    network.set_weights(
        [
            np.array([[a + 1, a], [a, a + 1], [a, a]], np.float32),
            np.zeros(2, np.float32),
            np.array([[0.2, -0.2], [-0.2, 0.2]], np.float32),
            np.zeros(2, np.float32),
        ]
    )
    run = folder / "run"
    run.mkdir()
    network.save(run / "model.keras")
    ModelSpec("pair", ("red", "green"), (8, 8)).save(run / "spec.json")
    uri = str(folder / "pair.npz")
    dataset = load_dataset(uri)
    data = {"uri": uri, "name": "pair", "seed": 0, "validation": 0.1, "size_wh": None, "sha256": dataset.sha256}
    (run / "data.json").write_text(json.dumps(data))
    return run


def test_a_bundle_beside_the_run_and_a_table(tmp_path: Path) -> None:
    run = write_run(tmp_path, carrier=0.5)
    result = onsight("export", run, "--quant", "tflite-int8,onnx-float32", "--calibration", "50")
    assert result.returncode == 0, result.stderr
    assert list(Bundle.open(tmp_path / "run.bundle").variants) == ["tflite-int8", "onnx-float32"]
    assert result.stderr == ""  # no chatter of the libraries, and no progress bar where there is no terminal
    assert "run on pair, 80 test pictures" in result.stdout
    for word in ("Keras", "tflite-int8", "onnx-float32", "100.00 %", "run.bundle"):
        assert word in result.stdout
    assert "the time of" not in result.stdout  # no format has both int8 and float32


def test_json_is_the_report_and_what_int8_gains_here(tmp_path: Path) -> None:
    run = write_run(tmp_path, carrier=0.5)
    out = tmp_path / "named.bundle"
    result = onsight("export", run, "--quant", "onnx", "--limit", "20", "--out", out, "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document.pop("bundle") == str(out)
    speed = document.pop("int8_over_float32")
    assert list(speed) == ["onnx"] and 0.02 < speed["onnx"] < 50  # both were executed and timed
    assert document == json.loads((out / "report.json").read_text())
    assert document["pictures"] == 20
    assert [each["variant"] for each in document["variants"]] == ["onnx-float32", "onnx-float16", "onnx-int8"]


def test_a_keras_file_with_its_range_by_flag(tmp_path: Path) -> None:
    run = write_run(tmp_path, carrier=0.5)
    result = onsight(
        *("export", run / "model.keras", "--data", tmp_path / "pair.npz", "--range", "0..255"),
        *("--quant", "onnx-float32", "--layout", "nchw", "--batch", "1", "--opset", "14", "--json"),
    )
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["bundle"] == str(run / "model.bundle")
    assert document["source"]["kind"] == "keras"
    assert (document["layout"], document["batch"]["onnx"], document["opset"]) == ("nchw", "1", 14)
    assert [each["input"]["shape"] for each in document["variants"]] == [[1, 3, 8, 8]]


def test_a_variant_that_loses_too_much_is_one_line_and_no_bundle(tmp_path: Path) -> None:
    run = write_run(tmp_path, carrier=20, harder_test=True)
    result = onsight("export", run, "--quant", "tflite-int8,tflite-float32", "--max-drop", "2")
    message = one_line(result, 1)
    assert message.startswith("onsight: tflite-int8 loses ")
    assert "tflite-float32" not in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pair.npz", "run"]


def test_what_is_wrong_with_the_call_is_said_at_once(tmp_path: Path) -> None:
    assert "unknown variant 'int4'" in one_line(onsight("export", tmp_path, "--quant", "int4"), 2)
    assert "nowhere is not there" in one_line(onsight("export", tmp_path / "nowhere"), 1)
    assert "has no model.keras" in one_line(onsight("export", tmp_path), 1)
    (tmp_path / "net.keras").write_bytes(b"")
    assert "--data DATA" in one_line(onsight("export", tmp_path / "net.keras"), 2)


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "model.keras").write_bytes(b"")
    (run / "data.json").write_text('{"uri": "x.npz"}')
    ModelSpec("pair", ("red", "green"), (8, 8)).save(run / "spec.json")
    assert "exists already" in one_line(onsight("export", run, "--out", tmp_path), 1)
    assert "cannot write /proc/b.bundle" in one_line(onsight("export", run, "--out", "/proc/b.bundle"), 1)
    assert "x.npz is not there" in one_line(onsight("export", run), 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
