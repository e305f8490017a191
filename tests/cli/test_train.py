"""`onsight train` as a person calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight.commands.train import parse_size
from onsight.main import main
from onsight_edge.errors import UsageError

FILES = {
    "model.keras",
    "spec.json",
    "data.json",
    "history.csv",
    "metrics.json",
    "learning_curves.png",
    "confusion_matrix.png",
}


@pytest.fixture
def shades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes told apart by brightness; one is named as rich's markup is written."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)

    def part(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 2
        return (random.integers(0, 120, (count, 12, 12, 3)) + 100 * labels[:, None, None, None]).astype(
            np.uint8
        ), labels

    (x_train, y_train), (x_test, y_test) = part(60), part(20)
    np.savez(
        tmp_path / "shades.npz",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=np.array(["[red]dark", "light"]),
    )
    return tmp_path / "shades.npz"


def names(folder: str | Path) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_a_run_and_its_summary(shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    assert call("train", str(shades), "--epochs", "3", "--dropout", "0.1", "--imgsz", "14x12") == 0
    folder = Path("runs/seed-cnn-shades")
    assert names(folder) == FILES
    shown = capsys.readouterr()
    assert "[red]dark" in shown.out and "test accuracy" in shown.out and "95 % interval" in shown.out
    assert f"next: onsight export {folder}" in shown.out
    assert "epoch 3/3" in shown.err and "val accuracy" in shown.err
    assert json.loads((folder / "spec.json").read_text())["input_size_wh"] == [14, 12]
    # the next one neither overwrites it nor needs a name; --json is one document and nothing else
    assert call("train", str(shades), "--epochs", "1", "--arch", "resnet8", "--name", "a b/c", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["run"] == "runs/a-b-c" and document["arch"] == "resnet8"
    assert document["recipe"]["name"] == "standard" and document["recipe"]["epochs"] == 1
    # a run's accuracy, measured again from its files
    assert call("val", "runs/a-b-c", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["accuracy"] == document["test"]["accuracy"] and again["kind"] == "run"
    assert again["data"]["sha256"] == document["dataset"]["sha256"]
    assert call("val", "runs/a-b-c", str(shades), "--threads", "2") == 2
    assert "--threads is for bundles" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_training_leaves_a_usable_run(shades: Path, number: signal.Signals) -> None:
    pytest.importorskip("tensorflow")
    command = [sys.executable, "-m", "onsight", "train", str(shades), "--epochs", "100000", "--out", "run"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            if line.startswith("epoch 2/"):
                # whole at any moment: what a killed process would leave
                assert {"model.keras", "spec.json", "data.json", "history.csv"} <= names("run.partial")
                process.send_signal(number)
                break
        errors, out = process.stderr.read(), process.stdout.read()
    assert process.returncode == 130, errors
    assert "onsight: interrupted in epoch" in errors and "Traceback" not in errors
    assert "test accuracy" in out
    assert names("run") == FILES and not Path("run.partial").exists()
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert metrics["epochs"]["interrupted"] and metrics["epochs"]["done"] < 100_000
    history = Path("run/history.csv").read_text().splitlines()
    losses = [float(line.split(",")[3]) for line in history[1:]]
    assert metrics["epochs"]["kept"] == 1 + losses.index(min(losses)), "the best weights are kept"


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_the_end_is_written(
    shades: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    pytest.importorskip("tensorflow")
    from onsight_train import run

    draw = run.draw_curves

    def interrupted(*arguments: Any) -> None:
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        draw(*arguments)

    monkeypatch.setattr(run, "draw_curves", interrupted)
    status = call("train", str(shades), "--epochs", "1", "--out", "run")
    shown = capsys.readouterr()
    if times == 1:
        assert status == 0 and names("run") == FILES and "test accuracy" in shown.out
    else:
        assert status == 130 and "model.keras" in names("run.partial")
        assert "onsight: interrupted; the best model until then is in run.partial" in shown.err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--arch", "resnet80"), 1, "unknown arch 'resnet80': did you mean resnet8?"),
        (("--recipe", "standart"), 1, "did you mean standard?"),
        (("--lr", "nan"), 2, "not a finite number"),
        (("--epochs", "0"), 2, "--epochs"),
        (("--imgsz", "big"), 2, "--imgsz must be"),
        (("--out", "."), 1, "exists already"),
        (("--out", "shades.npz/run"), 1, "cannot write shades.npz/run: Not a directory"),
        (("--imgsz", "8"), 1, "at least 10x10 pixels, these are 8x8"),
    ],
)
def test_bad_calls_are_one_line_before_any_work(
    shades: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, words: str
) -> None:
    assert call("train", str(shades), *arguments) == status
    assert words in capsys.readouterr().err
    assert names(".") == {"shades.npz"}


def test_missing_data_leaves_no_runs_folder(shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("train", "nothing") == 1
    assert "nothing" in capsys.readouterr().err and names(".") == {"shades.npz"}


def test_bad_options_answer_without_loading_tensorflow(shades: Path) -> None:
    code = (
        "import sys\nfrom onsight.main import main\n"
        "try: main(['train', 'shades.npz', '--arch', 'x'])\nexcept SystemExit: pass\n"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"], time.monotonic() - began


def test_sizes() -> None:
    assert parse_size(None) is None and parse_size("96") == (96, 96) and parse_size("96X64") == (96, 64)
    for text in ("", "x", "1x2x3", "-4", "0", "9999999", "4.5"):
        with pytest.raises(UsageError, match="--imgsz"):
            parse_size(text)
