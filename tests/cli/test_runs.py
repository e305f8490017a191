"""`onsight runs` as a person calls it, on runs that were really trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight.main import main
from onsight_benchmarks.accuracy_record import AccuracyRecord
from onsight_edge.errors import BenchmarkError

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["runs", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `runs/longer`, `runs/brief` and a training that was killed, all on one small set."""
    pytest.importorskip("tensorflow")
    from onsight_edge.datasets import load_dataset
    from onsight_train.archs import find_arch
    from onsight_train.recipes import Recipe
    from onsight_train.run import Plan, train_run

    place = tmp_path_factory.mktemp("compared")
    random = np.random.default_rng(0)

    def part(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 3
        images = random.integers(0, 150, (count, 12, 12, 3))
        images[np.arange(count), :, :, labels] += 80
        return images.astype(np.uint8), labels

    (x_train, y_train), (x_test, y_test) = part(90), part(60)
    np.savez(place / "tints.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    dataset = load_dataset(str(place / "tints.npz"))
    for name, epochs in (("longer", 3), ("brief", 1)):
        command = ("onsight", "train", str(place / "tints.npz"), "--out", str(place / "runs" / name))
        recipe = Recipe(name, epochs=epochs, batch=16, lr=3e-3)
        plan = Plan(find_arch("seed-cnn"), recipe, name=name, command=command)
        train_run(dataset, plan, place / "runs" / name)
    (place / "runs" / "later.partial").mkdir()
    return place


@pytest.fixture
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONSIGHT_CACHE", str(trained / "cache"))
    monkeypatch.chdir(trained)
    return trained


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_table_a_plot_and_a_record(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(here / "runs")
    assert call("--iterations", "10", "--plot", "plots/all.png", "--record", "records") == 0
    shown = capsys.readouterr().out
    assert "longer" in shown and "brief" in shown and "tints, 60 test pictures" in shown
    assert "left out: runs/later.partial: still training, or killed: not finished" in shown
    assert (here / "plots" / "all.png").stat().st_size > 20_000
    assert files(here / "runs") == before, "run folders stay as they are"
    for name in ("longer", "brief"):
        path = here / "records" / f"seed-cnn-{name}.json"
        record = AccuracyRecord.load(path)
        metrics = json.loads((here / "runs" / name / "metrics.json").read_text())
        assert (record.name, record.recipe, record.data.pictures) == (name, name, 60)
        assert record.float32.correct == metrics["test"]["correct"] and record.valid
        assert record.float32.macs and record.training.command[2] == "tints.npz"
        assert [one.variant for one in record.int8] == ["tflite-int8", "onnx-int8"]
        for one in record.int8:
            assert one.drop_points == pytest.approx(100 * (record.float32.accuracy - one.accuracy), abs=1e-3)
            assert one.drop_interval_points[0] < one.drop_interval_points[1]
            assert one.bytes > record.float32.parameters * 0.9
        assert str(here) not in path.read_text(), "no path of this machine"
    # a second comparison needs neither the data nor an export, and --json is one document
    hidden = here / "tints.npz"
    kept = hidden.rename(here / "away.npz")
    try:
        assert call("runs/brief", "runs/longer", "--iterations", "10", "--json") == 0
    finally:
        kept.rename(hidden)
    printed = capsys.readouterr()
    (ranking,) = json.loads(printed.out)["rankings"]
    shares = [run["test"]["accuracy"] for run in ranking["runs"]]
    assert shares == sorted(shares, reverse=True) and len(shares) == 2
    for run in ranking["runs"]:
        assert run["int8"]["bytes"] > 0 and run["latency_ms"]["inference"]["p50"] > 0 and run["remark"] == ""
    assert ranking["front_bytes"] and ranking["front_latency"]
    assert "int8 latency: p50 of 10 calls in turns" in printed.err


def test_a_run_whose_data_is_gone_keeps_its_place(
    here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    orphan = shutil.copytree("runs/longer", tmp_path / "orphan")
    for name in ("data.json", "metrics.json"):
        path = orphan / name
        path.write_text(path.read_text().replace("tints.npz", "lost.npz"))
    with (orphan / "model.keras").open("ab") as model:
        model.write(b"\0")  # other bytes: nothing of it is in the cache
    assert call(str(orphan), "--iterations", "10") == 0
    shown = capsys.readouterr().out
    assert "orphan: int8 not measured:" in shown and "lost.npz" in shown


def test_no_measure_asks_for_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--no-measure", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["latency"] is None and document["records"] == []
    assert all(run["int8"] is None for run in document["rankings"][0]["runs"])


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["runs/nothing"], 1, "is not there"),
        (["runs/longer", "tints.npz"], 1, "is a file"),
        (["runs/later.partial"], 1, "no finished run to compare"),
        (["--plot", "plot.pdf"], 2, "--plot must name a .png or .svg file"),
        (["runs/longer", "--plot", "runs/longer/all.png"], 2, "which is read here"),
        (["--no-measure", "--record", "x"], 2, "choose one"),
        (["--record", "tints.npz/records"], 1, "cannot write"),
        (["--iterations", "0"], 2, "--iterations"),
    ],
)
def test_a_wrong_call_is_one_clear_line(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, says: str
) -> None:
    assert call(*arguments) == status
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error


def test_without_runs_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call() == 1
    assert "cannot look for runs in runs" in capsys.readouterr().err
    (tmp_path / "runs").mkdir()
    assert call() == 2
    assert "no run to compare" in capsys.readouterr().err


def test_two_runs_of_one_record_are_refused(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = shutil.copytree("runs/longer", tmp_path / "again")
    assert call("runs/longer", str(again), "--record", str(tmp_path / "records")) == 2
    assert "would both be recorded" in capsys.readouterr().err
    assert not (tmp_path / "records").exists()


def _more(value: dict[str, Any]) -> None:
    value["int8"][0]["hand_written"] = 1


def _less(value: dict[str, Any]) -> None:
    del value["training"]["seconds"]


def _boast(value: dict[str, Any]) -> None:
    value["float32"]["accuracy"] = 0.99


def _pairs(value: dict[str, Any]) -> None:
    value["int8"][1]["only_float"] += 1


def _other(value: dict[str, Any]) -> None:
    value["kind"] = "latency"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_more, "unknown key 'hand_written'"),
        (_less, "training: the key 'seconds' is missing"),
        (_boast, "pictures are not an accuracy of 0.99"),
        (_pairs, "do not give"),
        (_other, "a record of 'latency'"),
    ],
)
def test_a_spoilt_accuracy_record_is_refused(spoil: Callable[[dict[str, Any]], None], says: str) -> None:
    path = RESULTS / "accuracy" / "resnet8-standard.json"
    value = json.loads(path.read_text())
    again = json.loads(json.dumps(AccuracyRecord.load(path).to_json()))
    known = {key: again["device"][key] for key in value["device"]}  # newer records tell more of the device
    assert {**again, "device": known} == value, "it survives its file"
    spoil(value)
    with pytest.raises(BenchmarkError) as raised:
        AccuracyRecord.from_json(value, "spoilt.json")
    assert says in str(raised.value) and str(raised.value).startswith("spoilt.json")


@pytest.mark.parametrize("width", [80, 160])
def test_the_tables_cost_no_number(here: Path, width: int) -> None:
    import io

    from rich.console import Console

    from onsight.runs_screen import comparison_tables
    from onsight_benchmarks.runs_comparison import compare_runs

    (ranking,) = compare_runs([here / "runs" / "longer", here / "runs" / "brief"], measure=False).rankings
    console = Console(width=width, record=True, file=io.StringIO())
    tables = comparison_tables(ranking, width)
    console.print(*tables)
    text = console.export_text()
    assert len(tables) == (2 if width == 80 else 1)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    for run in ranking.runs:
        assert f"{run.facts.accuracy:.2%}" in text and run.label in text and run.facts.finding in text
