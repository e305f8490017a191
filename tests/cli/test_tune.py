from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from onsight.main import main
from onsight_edge.classifier import Classifier
from onsight_edge.device import describe_device
from onsight_edge.profile import Profile, ProfiledDevice, identify, profile_path


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONSIGHT_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def run_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a short live run says of the profile."""
    capsys.readouterr()
    assert call("run", *arguments, "--source", "synthetic://?fps=0", "--frames", "2") == 0
    return "".join(line for line in capsys.readouterr().err.splitlines(keepends=True) if "tuned" in line)


def test_what_tune_chooses_run_uses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tune.json"
    assert call("tune", "--budget", "1s", "--threads", "2", "--out", str(out)) == 0
    printed = capsys.readouterr().out
    path = profile_path(identify("default"), ProfiledDevice.of(describe_device()))
    assert "fastest here: tflite-int8 with litert, 2 threads: p50" in printed
    assert f"profile: {path}; onsight run uses it" in printed and f"record: {out}" in printed
    record = json.loads(out.read_text())
    assert record["results"]["choice"] == "tflite-int8/litert/2"
    assert Profile.load(path).threads == 2
    said = run_line(capsys)
    assert said == "tuned on this device: tflite-int8, litert, 2 threads; --no-profile ignores it\n"
    assert run_line(capsys, "--no-profile") == run_line(capsys, "--threads", "1") == ""
    assert run_line(capsys, "--quiet") == ""


def test_a_profile_that_does_not_fit_is_said_and_the_run_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("tune", "--budget", "1", "--threads", "1") == 0
    path = profile_path(identify("default"), ProfiledDevice.of(describe_device()))
    version = Profile.load(path).backend_version
    path.write_text(path.read_text().replace(f'"{version}"', '"1.0"'))
    assert "tuned with litert 1.0, but" in run_line(capsys)
    path.write_text("{")
    capsys.readouterr()
    assert call("run", "--source", "synthetic://?fps=0", "--frames", "2") == 0
    assert f"{path} is damaged" in capsys.readouterr().err


def test_a_profile_file_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str], own_state: Path) -> None:
    mine = tmp_path / "device.json"
    assert call("tune", "--budget", "1", "--threads", "1", "--profile", str(mine)) == 0
    assert "onsight run --profile" in capsys.readouterr().out
    assert not own_state.exists()
    assert "tflite-int8, litert, 1 thread" in run_line(capsys, "--profile", str(mine))
    run = ("run", "--source", "synthetic://?fps=0", "--frames", "2", "--profile")
    assert call(*run, str(mine), "--threads", "2") == 2
    assert call(*run, str(mine), "--no-profile") == 2
    assert call(*run, str(tmp_path / "nothing.json")) == 1
    assert "cannot read" in capsys.readouterr().err
    mine.write_text(mine.read_text().replace('"machine": "', '"machine": "not '))
    assert call(*run, str(mine)) == 1
    assert "was made on another device" in capsys.readouterr().err


def test_json_is_one_document_on_stdout(capsys: pytest.CaptureFixture[str], own_state: Path) -> None:
    assert call("tune", "--budget", "1", "--threads", "1", "--exhaustive", "--json") == 0
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert record["kind"] == "tune" and Path(record["profile"]).is_relative_to(own_state)
    assert record["results"]["exhaustive"]["ratio"]["median"] == 1.0
    assert "all measured in full" in printed.err


def test_all_rejected_is_one_line_and_writes_no_profile(capsys: pytest.CaptureFixture[str], own_state: Path) -> None:
    assert call("tune", "--budget", "1", "--threads", "1", "--min-accuracy", "0.99") == 1
    printed = capsys.readouterr()
    assert "rejected tflite-int8: accuracy 88.55%, at least 99.00% asked for" in printed.out
    assert "none of 1 combinations may be taken: tflite-int8/litert/1 accuracy 88.55%" in printed.err
    assert call("tune", "--budget", "1", "--threads", "1", "--p95", "0.001", "--json") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["profile"] is None and "ms asked for" in printed.err
    assert not list(own_state.rglob("*.json"))


def test_accuracy_measured_on_a_folder_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Classifier.open("default") as one:
        classes = one.spec.classes
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    data = tmp_path / "noise.npz"
    labels = np.arange(20) % 2
    np.savez(data, x_train=images, y_train=labels, x_test=images, y_test=labels, classes=np.array(classes[:2]))
    assert call("tune", "--budget", "1", "--threads", "1", "--data", str(data), "--json") == 0
    (tried,) = json.loads(capsys.readouterr().out)["results"]["tried"]
    assert tried["accuracy"]["of"] == "noise" and tried["accuracy"]["pictures"] == 20
    assert call("tune", "--budget", "1", "--threads", "1", "--data", str(data), "--min-accuracy", "0.9") == 1
    capsys.readouterr()
    assert call("tune", "--budget", "1", "--threads", "1", "--data", str(data), "--limit", "4", "--json") == 0
    (tried,) = json.loads(capsys.readouterr().out)["results"]["tried"]
    assert tried["accuracy"]["pictures"] == 4


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nowhere.bundle"], 1, "nowhere.bundle"),
        (["--budget", "soon"], 2, "is not a time"),
        (["--budget", "0.5"], 2, "is not a time"),
        (["--budget", "nan"], 2, "is not a time"),
        (["--budget", "2d"], 2, "is not a time"),
        (["--budget", ""], 2, "is not a time"),
        (["--threads", "two"], 2, "--threads needs numbers"),
        (["--threads", "65"], 2, "at most 64"),
        (["--variant", ","], 2, "--variant needs at least one name"),
        (["--variant", "tflite-int4"], 1, "no variant 'tflite-int4'"),
        (["--backend", "tensorrt"], 2, "unknown backend 'tensorrt'"),
        (["--backend", "onnxruntime"], 1, "nothing to measure"),
        (["--p95", "0"], 2, "--p95"),
        (["--max-drop", "-1"], 2, "--max-drop"),
        (["--min-accuracy", "88"], 2, "--min-accuracy"),
        (["--limit", "5"], 2, "--limit is for --data"),
        (["--data", "nowhere"], 1, "nowhere is not there"),
        (["--out", "record.txt"], 2, "--out must name a .json file"),
        (["--profile", "profile.txt"], 2, "--profile must name a .json file"),
        (["--profile", "a.json", "--out", "a.json"], 2, "name the same file"),
        (["--image", "nothing.jpg"], 1, "nothing.jpg"),
    ],
)
def test_a_wrong_call_is_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("tune", *arguments) == status
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_profile_that_cannot_be_written_is_refused_before_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ONSIGHT_STATE", str(tmp_path / "file"))
    monkeypatch.setattr("onsight_benchmarks.tuning.tune.tune", lambda *_, **__: pytest.fail("it measured"))
    assert call("tune") == 1
    assert "cannot write" in capsys.readouterr().err
