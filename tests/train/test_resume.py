"""Trainings that are killed: with -9, at any moment, by a full disk, and what goes on from there."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onsight.main import main
from onsight_edge.errors import IntegrityError, ModelError, OnsightError
from onsight_train.checkpoint import NAMES, Checkpoint, Checkpoints
from onsight_train.folder import held
from onsight_train.history import Epoch

# everything at once that a step can draw, keep or change: dropout's random state, momentum, averages, blended pictures
ARGUMENTS = (
    "shades.npz", "--recipe", "standard", "--dropout", "0.3", "--ema", "0.98", "--mixup", "0.2", "--colour", "0.3",
    "--cutout", "3", "--label-smoothing", "0.1", "--clip-norm", "1", "--class-weights", "--batch", "8", "--lr", "0.05",
    "--seed", "4", "--checkpoint-seconds", "0",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small data set whose batches differ in size."""
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("killed")
    draw = np.random.default_rng(0)

    def part(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 3
        return (draw.integers(0, 150, (count, 12, 12, 3)) + 40 * labels[:, None, None, None]).astype(np.uint8), labels

    (x_train, y_train), (x_test, y_test) = part(66), part(21)
    names = np.array(["dark", "grey", "light"])
    np.savez(folder / "shades.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, classes=names)
    return folder


def start(place: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "onsight", "train", *arguments],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    errors = process.communicate()[1]
    assert process.returncode == 0, errors
    return errors


def kill_when(process: subprocess.Popen[str], reached: Callable[[], bool], later: float = 0.0) -> None:
    """Kill once `reached`, or `later` seconds after that; end all the same where the process ends before."""
    while process.poll() is None and not reached():
        time.sleep(0.0005)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(later)
    process.kill()
    process.communicate()


def writing(partial: Path, count: int) -> Callable[[], bool]:
    """Whether the `count`th checkpoint that is met unfinished is being written at this moment."""
    met: set[str] = set()

    def now() -> bool:
        new = {path.name for path in partial.glob(".checkpoint.*")} - met
        met.update(new)
        return bool(new) and len(met) >= count

    return now


def weights(run: Path) -> dict[str, bytes]:
    """Every array of a model.keras, byte for byte."""
    h5py = pytest.importorskip("h5py")
    found = {}
    with zipfile.ZipFile(run / "model.keras") as archive:
        data = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(data) as file:
        file.visititems(lambda name, item: found.update({name: item[()].tobytes()} if hasattr(item, "shape") else {}))
    assert found
    return found


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def assert_same(run: Path, other: Path) -> None:
    assert history(run) == history(other)
    assert weights(run) == weights(other), "the weights differ"
    ours, theirs = (json.loads((each / "metrics.json").read_text()) for each in (run, other))
    for changing in ("seconds", "finished", "command"):
        del ours[changing], theirs[changing]
    assert ours == theirs
    assert {path.name for path in run.iterdir()} == {path.name for path in other.iterdir()}


def killed_at(place: Path, name: str, steps: int, *, epochs: int) -> None:
    """Train, and kill once that many checkpoints are on the disk."""
    events = place / f"{name}.jsonl"
    arguments = (*ARGUMENTS, "--epochs", str(epochs), "--out", name, "--events", events.name)
    kill_when(start(place, *arguments), lambda: events.exists() and events.read_text().count('"checkpoint"') >= steps)


def test_killed_in_an_epoch_and_gone_on_with_it_ends_with_the_same_weights(place: Path) -> None:
    whole = start(place, *ARGUMENTS, "--epochs", "3", "--out", "whole")
    finish(whole)
    killed_at(place, "killed", 13, epochs=3)  # 8 steps an epoch: within the second
    partial = place / "killed.partial"
    assert partial.exists() and not (place / "killed").exists()
    said = finish(start(place, "--resume", "killed", "--events", "killed.jsonl"))
    assert ", from epoch 2, step " in said
    assert_same(place / "killed", place / "whole")
    lines = [json.loads(line) for line in (place / "killed.jsonl").read_text().splitlines()]
    begins = [line for line in lines if line["event"] == "begin"]
    assert [line["resumed"] for line in begins] == [False, True] and begins[1]["epoch"] == 2
    assert lines[-1]["event"] == "end" and lines[-1]["status"] == "done"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", mount], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield mount
    subprocess.run(["umount", mount], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_up_and_is_emptied_again(place: Path, small_disk: Path) -> None:
    run, events = small_disk / "run", place / "disk.jsonl"
    process = start(place, *ARGUMENTS, "--epochs", "100000", "--out", str(run), "--events", events.name)
    while process.poll() is None and not (events.exists() and '"epoch": 2' in events.read_text()):
        time.sleep(0.01)
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    errors = process.communicate()[1]
    lines = [line for line in errors.splitlines() if line.startswith("onsight: ")]
    assert process.returncode == 1 and len(lines) == 1 and "Traceback" not in errors, errors
    assert "No space left" in lines[0] and "the best model until then is in" in lines[0]
    assert f"go on with `onsight train --resume {run}`" in lines[0]
    ballast.unlink()
    process = start(place, "--resume", str(run))
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch "):
            process.send_signal(signal.SIGINT)
            break
    process.communicate()
    assert process.returncode == 130 and (run / "metrics.json").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("arch", ["seed-cnn", "resnet8"])
def test_killed_again_and_again_at_random_moments(place: Path, arch: str) -> None:
    """Before the first step, in steps, in validation, while a checkpoint is written, while the run is finished."""
    draw = random.Random(7)
    arguments = (*ARGUMENTS, "--arch", arch, "--epochs", "12")
    out, partial = place / f"often-{arch}", place / f"often-{arch}.partial"
    finish(start(place, *arguments, "--out", f"whole-{arch}"))
    kill_when(start(place, *arguments, "--out", out.name), lambda: (partial / "plan.json").exists())
    kills = 1
    while not out.exists():
        process = start(place, "--resume", out.name)
        if kills % 3 == 0:
            kill_when(process, writing(partial, draw.randrange(1, 20)))
        elif kills % 3 == 1:  # some time after its first checkpoint
            kill_when(process, writing(partial, 1), draw.uniform(0, 2))
        else:  # whenever: the first seconds are Python's and TensorFlow's own
            kill_when(process, lambda: True, draw.uniform(1, 10))
        kills += 1
        assert kills < 60
    assert kills > 3, "it was over before it was killed"
    assert_same(out, place / f"whole-{arch}")


def test_two_damaged_checkpoints_are_one_line_and_the_model_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    killed_at(place, "damaged", 18, epochs=9)  # an epoch is done: there is a model
    partial = Path("damaged.partial")
    shutil.copytree(partial, "copy.partial")
    both = [partial / name for name in NAMES]
    for path in both:
        path.write_bytes(path.read_bytes()[:-100])
    assert call("--resume", "damaged") == 1
    line = error_line(capsys)
    assert "checkpoint.0 is damaged" in line and "checkpoint.1 is damaged" in line and "train again" in line
    assert "the best model until then is in damaged.partial" in line
    assert (partial / "model.keras").exists() and len(weights(partial)) > 5

    # one of them: the training goes on from the other, as far as the old one stood
    copied = Path("copy.partial")
    newest = max((copied / name for name in NAMES), key=lambda path: path.stat().st_mtime_ns)
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    # and what contradicts the plan is refused
    for flags, words in (
        (("--lr", "0.5"), "--lr 0.5 is not what copy was begun with"),
        (("--arch", "resnet8"), "--arch resnet8"),
        (("--patience", "3"), "--patience 3"),
        (("--no-class-weights",), "--class-weights"),
        (("other.npz",), "DATA other.npz"),
    ):
        assert call("--resume", "copy.partial", *flags) == 2
        assert words in error_line(capsys)
    pictures = Path("shades.npz").read_bytes()
    with np.load("shades.npz") as archive:
        arrays = dict(archive)
    arrays["x_train"] = arrays["x_train"] ^ 1
    try:
        np.savez("shades.npz", **arrays)
        assert call("--resume", "copy", "shades.npz", "--lr", "0.05") == 1
        assert "no longer those that copy was begun with" in error_line(capsys)
    finally:
        Path("shades.npz").write_bytes(pictures)
    with held(copied):
        assert call("--resume", "copy") == 1
        assert "is being written by another training" in error_line(capsys)
    # a training of the same name is told how to go on
    assert call("shades.npz", "--out", "copy") == 1
    assert "go on with `onsight train --resume copy`" in error_line(capsys)
    assert call("--resume", "copy", "--json") == 0
    shown = capsys.readouterr()
    assert f"{newest.name} is damaged: going on from the checkpoint before it" in shown.err
    assert json.loads(shown.out)["epochs"]["done"] == 9
    assert call("--resume", "copy") == 1
    assert "copy is a finished run: nothing is left to train" in error_line(capsys)


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments])
    return int(ended.value.code or 0)


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("onsight: ")]
    assert len(lines) == 1, lines
    return lines[0]


def test_nothing_to_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("--resume", "nothing") == 1
    assert "there is no folder nothing.partial" in error_line(capsys)
    Path("old.partial").mkdir()
    assert call("--resume", "old.partial") == 1
    assert "old.partial has no plan.json" in error_line(capsys)
    assert call() == 2
    assert "DATA is missing" in error_line(capsys)


STATE = Checkpoint(
    epoch=2,
    index=5,
    loss=1 / 3,
    right=7.0,
    seen=12,
    epoch_seconds=0.1,
    seconds=3.3,
    history=(Epoch(1, 0.1, 0.2, 1 / 7, 0.4, 0.05, 1.5), Epoch(2, 0.1, 0.2, 0.3, 0.4, 0.05, 1.6)),
    arrays={"state/0000": np.arange(6, dtype=np.float32).reshape(2, 3), "state/0001": np.array(2**40)},
)


def same(ours: Checkpoint, theirs: Checkpoint) -> bool:
    plain = replace(ours, arrays={}), replace(theirs, arrays={})
    as_text = [str(each) for each in plain]  # repr of floats is exact
    return as_text[0] == as_text[1] and all(
        np.array_equal(ours.arrays[name], value) and ours.arrays[name].dtype == value.dtype
        for name, value in theirs.arrays.items()
    )


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, "plan").read() == (None, [])
    Checkpoints(tmp_path, "plan").write(STATE)
    found, damages = Checkpoints(tmp_path, "plan").read()
    assert found and same(found, STATE) and not damages


def test_the_older_one_gives_way_and_steps_in(tmp_path: Path) -> None:
    writer = Checkpoints(tmp_path, "plan")
    for index in range(5):
        writer.write(replace(STATE, index=index))
    reader = Checkpoints(tmp_path, "plan")
    found, _ = reader.read()
    assert found and found.index == 4
    (tmp_path / NAMES[0]).write_bytes((tmp_path / NAMES[0]).read_bytes()[:-1])  # the fifth
    found, damages = reader.read()
    assert found and found.index == 3 and len(damages) == 1 and NAMES[0] in damages[0]
    reader.write(replace(STATE, index=9))
    found, damages = Checkpoints(tmp_path, "plan").read()
    assert found and found.index == 9 and not damages, "the damaged one is written over, not the whole one"


@pytest.mark.parametrize("at", [0, 25, 60, 200, -1])
def test_any_changed_byte_is_found(tmp_path: Path, at: int) -> None:
    Checkpoints(tmp_path, "plan").write(STATE)
    data = bytearray((tmp_path / NAMES[0]).read_bytes())
    data[at] ^= 4
    (tmp_path / NAMES[0]).write_bytes(data)
    with pytest.raises((IntegrityError, ModelError)):
        Checkpoints(tmp_path, "plan").read()


def test_another_plan_and_another_format_are_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "plan").write(STATE)
    with pytest.raises(ModelError, match="another training"):
        Checkpoints(tmp_path, "other").read()
    path = tmp_path / NAMES[0]
    path.write_bytes(path.read_bytes().replace(b"checkpoint 1", b"checkpoint 2", 1))
    with pytest.raises(ModelError, match="another onsight"):
        Checkpoints(tmp_path, "plan").read()


def test_a_full_disk_leaves_both_checkpoints(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    writer = Checkpoints(tmp_path, "plan")
    for index in range(2):
        writer.write(replace(STATE, index=index))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(OnsightError, match=r"cannot write .*checkpoint\.0"):
            writer.write(STATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    found, damages = Checkpoints(tmp_path, "plan").read()
    assert found and found.index == 1 and not damages
    assert {path.name for path in tmp_path.iterdir()} == set(NAMES)


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(OnsightError, match="another training"), held(tmp_path):
        pass
    with held(tmp_path):
        pass


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from onsight_train.folder import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(OnsightError), held(tmp_path):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with held(tmp_path):
        pass
