"""`onsight train` as a person calls it."""

from __future__ import annotations

import json
import os
import re
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
from onsight_edge.geometry import View

FILES = {
    "model.keras",
    "spec.json",
    "data.json",
    "history.csv",
    "metrics.json",
    "learning_curves.png",
    "confusion_matrix.png",
}

LOOKING = ("--roi", "0,0,1,0.75", "--rotate", "90", "--mirror", "horizontal")


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
    assert call("train", str(shades), "--epochs", "1", "--arch", "resnet8", "--name", "a b/c", "--json", *LOOKING) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["run"] == "runs/a-b-c" and document["arch"] == "resnet8"
    assert document["recipe"]["name"] == "standard" and document["recipe"]["epochs"] == 1
    spec = json.loads(Path("runs/a-b-c/spec.json").read_text())
    assert (spec["roi"], spec["rotate"], spec["flip"]) == ([0.0, 0.0, 1.0, 0.75], 90, "horizontal")
    # a run's accuracy, measured again from its files
    assert call("val", "runs/a-b-c", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["accuracy"] == document["test"]["accuracy"] and again["kind"] == "run"
    assert again["data"]["sha256"] == document["dataset"]["sha256"]
    assert call("val", "runs/a-b-c", str(shades), "--threads", "2") == 2
    assert "--threads is for bundles" in capsys.readouterr().err


def test_a_region_of_training_pictures_is_given_in_shares(shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    assert call("train", str(shades), "--roi", "2,2,8,8") == 2
    assert "size of these frames is not known beforehand" in capsys.readouterr().err


def test_what_is_looked_at_survives_in_the_plan() -> None:
    from onsight_train.archs import find_arch
    from onsight_train.plan import Plan
    from onsight_train.recipes import find_recipe

    arch = find_arch("resnet8")
    for view in (View((0.25, 0.0, 0.5, 1.0), 270, "both"), View()):
        plan = Plan(arch, find_recipe("standard"), view=view)
        written = json.loads(json.dumps(plan.to_json()))
        assert Plan.from_json(written).view == view
        assert ("view" in written) == (not view.whole)  # plans made before there were views keep their digest


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


def test_a_loss_that_becomes_no_number_leaves_the_best_weights(
    shades: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One step an epoch: the first has a learning rate of 0, the second one that no weight survives.

    Whether their loss then overflows at once or one epoch later depends on the order in which threads add numbers up.
    """
    pytest.importorskip("tensorflow")
    explode = ("--recipe", "standard", "--lr", "1e30", "--epochs", "10", "--batch", "1000", "--out", "run")
    assert call("train", str(shades), *explode) == 1
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if line.startswith("onsight: ")]
    assert len(lines) == 1
    found = re.search(r"the loss became nan in epoch ([23]); try a lower --lr than 1e\+30 or --clip-norm 1", lines[0])
    assert found
    assert "the weights of epoch 1 are kept in run" in lines[0]
    assert names("run") == FILES and not Path("run.partial").exists()
    metrics = json.loads(Path("run/metrics.json").read_text())
    done = int(found[1]) - 1
    assert metrics["epochs"] == {
        "planned": 10, "done": done, "kept": 1, "stopped_early": False, "interrupted": False, "diverged": "nan",
    }  # fmt: skip
    assert 0 < metrics["test"]["loss"] < 100


def test_every_flag_reaches_the_recipe_and_a_student_learns(shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    assert call("train", str(shades), "--epochs", "1", "--out", "teacher") == 0
    capsys.readouterr()
    flags = {
        "batch": 9, "lr": 0.002, "weight_decay": 0.001, "clip_norm": 2.0, "ema": 0.9, "label_smoothing": 0.1,
        "dropout": 0.2, "pad": 2, "colour": 0.4, "cutout": 3, "mixup": 0.3, "cutmix": 0.6, "distill": 0.5,
        "temperature": 3.0,
    }  # fmt: skip
    given = [text for name, value in flags.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    more = ("--teacher", "teacher", "--class-weights", "--flip", "--epochs", "1", "--out", "run")
    logs = ("--events", "events.jsonl", "--tensorboard", "--json")
    assert call("train", str(shades), *given, *more, *logs) == 0
    printed = json.loads(capsys.readouterr().out)
    expected = {**flags, "class_weights": True, "flip": True, "mixed_precision": False, "epochs": 1}
    assert {name: printed["recipe"][name] for name in expected} == expected
    assert printed["teacher"] == str(Path("teacher").resolve()) and printed["macs"] > 0
    assert printed["left_out"] == 0 and printed["temperature"] == 1.0, "6 pictures fit no temperature"
    lines = [json.loads(line)["event"] for line in Path("events.jsonl").read_text().splitlines()]
    assert lines == ["begin", "epoch", "checkpoint", "end"]
    assert names("tensorboard/run") == {"train", "validation"}


def test_a_temperature_is_fitted_where_validation_is_large_enough(
    shades: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorflow")
    random = np.random.default_rng(1)
    images, labels = random.integers(0, 256, (240, 12, 12, 3)).astype(np.uint8), np.arange(240) % 2
    np.savez("noise.npz", x_train=images, y_train=labels, x_test=images[:50], y_test=labels[:50])
    assert call("train", "noise.npz", "--epochs", "4", "--validation", "0.5", "--lr", "0.005", "--json") == 0
    metrics = json.loads(capsys.readouterr().out)
    spec = json.loads(Path("runs/seed-cnn-noise/spec.json").read_text())
    assert spec["temperature"] == metrics["temperature"] > 1.2, "what was learnt by heart is too sure of itself"
    # nobody can know better than one half
    assert metrics["validation"]["loss"] < 0.75 and 0 <= metrics["ece"] <= 1


def test_events_on_stdout_leave_it_to_them(shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    assert call("train", str(shades), "--epochs", "1", "--out", "run", "--events", "-") == 0
    shown = capsys.readouterr()
    events = [json.loads(line) for line in shown.out.splitlines()]
    assert events[-1]["event"] == "end" and events[-1]["status"] == "done" and events[-1]["kept"] == 1
    assert "test accuracy" in shown.err


def test_learning_rates_are_tried_without_training(shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    assert call("train", str(shades), "--find-lr", "--json") == 0
    sweep = json.loads(capsys.readouterr().out)
    assert 1e-5 < sweep["suggestion"] < 1 and Path(sweep["plot"]).stat().st_size > 5000
    assert names("runs") == {"seed-cnn-shades-lr"}


def test_networks_that_fail_each_have_their_line(shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    assert call("train", str(shades), "--arch", "seed-cnn,resnet8", "--imgsz", "3", "--out", "both") == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("onsight: ")]
    assert [line.split(": ")[1] for line in lines] == ["seed-cnn", "resnet8"]
    assert names(".") == {"shades.npz"}


@pytest.mark.slow  # it measures the int8 file's latency
def test_one_network_that_fails_does_not_stop_the_others(shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    small = ("--imgsz", "8", "--epochs", "1", "--limit", "40")
    assert call("train", str(shades), "--arch", "seed-cnn,resnet8", *small, "--out", "both", "--json") == 1
    shown = capsys.readouterr()
    assert "onsight: seed-cnn: seed-cnn needs pictures of at least 10x10 pixels" in shown.err
    assert names("both") == {"resnet8", "comparison.png"} and names("both/resnet8") >= FILES
    assert "resnet8" in json.dumps(json.loads(shown.out))


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--arch", "resnet80"), 1, "unknown arch 'resnet80': did you mean resnet8?"),
        (("--recipe", "standart"), 1, "did you mean standard?"),
        (("--lr", "nan"), 2, "not a finite number"),
        (("--epochs", "0"), 2, "--epochs"),
        (("--imgsz", "big"), 2, "--imgsz must be"),
        (("--out", "."), 1, "exists already"),
        (("--arch", "seed-cnn,seed-cnn"), 2, "names a network twice"),
        (("--arch", "seed-cnn,resnet80"), 1, "unknown arch 'resnet80'"),
        (("--distill", "0.5"), 2, "--distill needs a --teacher"),
        (("--teacher", "nobody"), 1, "cannot read the teacher's"),
        (("--events", "-", "--json"), 2, "both write to stdout"),
        (("--find-lr", "--resume", "x"), 2, "leave --resume out"),
        (("--find-lr", "--arch", "seed-cnn,resnet8"), 2, "one --arch at a time"),
        (("--mixup", "-1"), 2, "--mixup"),
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
