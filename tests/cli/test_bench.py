from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from onsight.main import main
from onsight_benchmarks.record import Record
from onsight_benchmarks.stats import summarise


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_table_and_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "record.json"
    assert call("--iterations", "10", "--fresh", "0", "--warmup", "1", "--threads", "1,2", "--out", str(out)) == 0
    printed = capsys.readouterr()
    assert "tflite-int8" in printed.out and "litert" in printed.out
    assert "not valid: 10 queries were measured" in printed.out
    record = json.loads(out.read_text())
    assert [one["backend"]["threads"] for one in record["measurements"]] == [1, 2]


@pytest.mark.parametrize(
    ("scenario", "flags", "heads"),
    [
        ("multi-stream", ["--pictures-per-query", "2"], ["p99 counts", "p99 <="]),
        ("offline", ["--batch", "1,2"], ["pictures/s", "picture ms"]),
        ("live", ["--fps", "50"], ["age p50", "missing", "capture"]),
    ],
)
def test_every_scenario_has_its_table(
    capsys: pytest.CaptureFixture[str], scenario: str, flags: list[str], heads: list[str]
) -> None:
    assert call("--scenario", scenario, "--iterations", "10", "--fresh", "0", *flags) == 0
    printed = capsys.readouterr().out
    assert all(head in printed for head in heads) and "…" not in printed
    if scenario == "multi-stream":
        assert "no early-stopping estimate of the p99: 10 queries were measured, 662 are the least for it" in printed


def test_minutes_say_cold_against_steady(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "record.json"
    assert call("--minutes", "0.01", "--fresh", "0", "--out", str(out)) == 0
    assert "tflite-int8/litert/1: after 0.6" in capsys.readouterr().out
    (one,) = Record.load(out).measurements
    assert one.over_time is not None and len(one.over_time) >= 3
    assert one.sustained is not None and one.sustained.ratio > 0


def test_energy_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    from onsight.bench_screen import print_record
    from onsight_benchmarks.measurement import Energy

    record = Record.load(Path(__file__).parents[2] / "benchmarks" / "results" / "latency-resnet8.json")
    used = replace(record.measurements[0], energy=Energy("rapl package-0", 12.5, 3.25, 1.2345))
    print_record(replace(record, measurements=(used,)), None, to_stderr=False, table=False)
    assert "1.23 mJ a picture, all that rapl package-0 sees; idle before: 3.25 W" in capsys.readouterr().out


def test_what_the_device_did_meanwhile_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    from onsight.bench_screen import print_record
    from onsight_benchmarks.series import Series

    record = Record.load(Path(__file__).parents[2] / "benchmarks" / "results" / "latency-resnet8.json")
    assert record.conditions.series is None  # older than they
    print_record(record, None, to_stderr=False, table=False)
    assert "meanwhile" not in capsys.readouterr().out
    series = Series((0.0, 0.5), (48.7, 55.2), (2400.0, None), governor=("ondemand", "ondemand"), power_w=(None, 4.125))
    print_record(
        replace(record, conditions=replace(record.conditions, series=series)), None, to_stderr=False, table=False
    )
    said = capsys.readouterr().out
    assert "the device meanwhile: 48.7 to 55.2 °C, 2400 MHz, 4.12 W, ondemand" in said


@pytest.mark.parametrize("scenario", ["single-stream", "multi-stream", "offline", "live"])
def test_the_tables_of_every_scenario_fit_80_columns(scenario: str) -> None:
    from rich.console import Console

    from onsight.bench_screen import latency_tables
    from onsight_benchmarks.latency import bench

    record = bench(scenario=scenario, iterations=10, fresh=0, fps=100.0, pictures_per_query=2, batches=(1, 2))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(*latency_tables(record))
    text = console.export_text()
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    assert text.count("tflite-int8") >= len(record.measurements)


def test_loadgens_figures_are_shown_beside_ours(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")
    assert call("--loadgen", "--iterations", "64", "--fresh", "0") == 0
    assert "found p90" in capsys.readouterr().out


def test_json_is_one_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("default", "--iterations", "10", "--fresh", "1", "--json", "--no-values") == 0
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert record["kind"] == "latency"
    assert record["measurements"][0]["values_us"] is None
    assert record["measurements"][0]["init_ms"] > 0
    assert "not valid" in printed.err


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nowhere.bundle"], 1, "no model at nowhere.bundle"),
        (["--backend", "tensorrt"], 2, "unknown backend 'tensorrt'"),
        (["--threads", "two"], 2, "--threads needs numbers"),
        (["--threads", "0"], 2, "at least 1"),
        (["--threads", "1,65"], 2, "at most 64"),
        (["--seed", "-1"], 2, "--seed"),
        (["--seconds", "nan"], 2, "not a finite number"),
        (["--seconds", "inf"], 2, "not a finite number"),
        (["--scenario", "server"], 2, "single-stream"),
        (["--batch", "1,8"], 2, "--batch belongs to --scenario offline"),
        (["--scenario", "offline", "--batch", "0"], 2, "--batch needs numbers of at least 1 and at most 1024"),
        (["--scenario", "multi-stream", "--fps", "30"], 2, "--fps belongs to --scenario live"),
        (["--scenario", "live", "--loadgen"], 2, "LoadGen has no scenario 'live'"),
        (["--scenario", "live", "--source", "nowhere.mp4"], 1, "there is no 'nowhere.mp4'"),
        (["--scenario", "live", "--source", "synthetic://?fps=5"], 2, "give the rate with --fps"),
        (["--variant", ","], 2, "--variant needs at least one name"),
        (["--out", "record.txt"], 2, "--out must name a .json file"),
        (["--seconds", "0"], 2, "--seconds"),
        (["--minutes", "0"], 2, "--minutes"),
        (["--minutes", "1", "--iterations", "5"], 2, "--minutes is a way of its own"),
        (["--energy-seconds", "-1"], 2, "--energy-seconds"),
        (["--iterations", "0"], 2, "iterations"),
        (["--image", "nothing.jpg"], 1, "nothing.jpg"),
        (["--variant", "tflite-int4"], 1, "no variant 'tflite-int4'"),
        (["--backend", "onnxruntime"], 1, "nothing to measure"),
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
    assert call(*arguments) == status
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records") / "earlier.json"
    assert call("--iterations", "150", "--fresh", "0", "--out", str(path)) == 0
    return path


def faster_then(earlier: Path, path: Path, factor: float) -> Path:
    """The record of a day on which everything took that share of the time."""
    record = Record.load(earlier)
    (one,) = record.measurements
    assert one.values_us is not None
    values = {stage: tuple(factor * value for value in taken) for stage, taken in one.values_us.items()}
    latency = {stage: summarise([us / 1e3 for us in values[stage]]) for stage in one.latency_ms if stage in values}
    replace(record, measurements=(replace(one, values_us=values, latency_ms={"capture": None, **latency}),)).save(path)
    return path


def test_what_was_slower_then_does_not_fail(earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # then everything took half as long again, so that no disturbance of this machine can fail the test
    then = faster_then(earlier, tmp_path / "then.json", 1.5)
    out = tmp_path / "now.json"
    assert call("--against", str(then), "--fresh", "0", "--out", str(out)) == 0
    printed = capsys.readouterr().out
    assert "tflite-int8/litert/1" in printed and "faster" in printed and "interval" in printed
    found = Record.load(out).against
    assert found is not None and found.taken == Record.load(then).taken and found.fail_above == 1.05


def test_slower_beyond_doubt_is_status_1_and_one_line(
    earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    then, out = faster_then(earlier, tmp_path / "then.json", 0.2), tmp_path / "now.json"
    assert call("--against", str(then), "--fresh", "0", "--out", str(out)) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "slower than on" in error and "tflite-int8/litert/1" in error
    assert out.exists(), "the new record is kept all the same"
    assert call("--against", str(then), "--fresh", "0", "--fail-above", "1000") == 0


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--threads", "1"], 2, "leave --threads out"),
        (["--scenario", "live"], 2, "leave --scenario out"),
        (["--no-values"], 2, "leave --no-values out"),
        (["--fail-above", "0.9"], 2, "--fail-above"),
    ],
)
def test_the_earlier_record_decides_what_is_measured(
    earlier: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, says: str
) -> None:
    assert call("--against", str(earlier), *arguments) == status
    assert says in capsys.readouterr().err


def test_what_belongs_to_against_needs_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--force") == 2
    assert "belong to --against" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "No such file"),
        ("", "it is not JSON"),
        ('{"schema": 1, "kind": "latency"', "it is not JSON"),
        ('{"schema": 1, "kind": "overhead"}', "a record of 'overhead'"),
        ('{"schema": 9, "kind": "latency"}', "schema 9 is not 1"),
        ('{"schema": 1, "kind": "latency", "valid": NaN}', "NaN is no number"),
        ('{"schema": 1, "kind": "latency", "valid": true}', "the key 'onsight' is missing"),
    ],
)
def test_a_foreign_record_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, says: str
) -> None:
    path = tmp_path / "foreign.json"
    if text is not None:
        path.write_text(text)
    assert call("--against", str(path)) == 1
    error = capsys.readouterr().err
    assert says in error and "foreign.json" in error and error.count("\n") == 1


def test_a_record_that_cannot_be_written_is_refused_before_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.json").mkdir()
    for out in ("file/record.json", "folder.json", "x" * 300 + ".json"):
        started = time.monotonic()
        assert call("--seconds", "60", "--fresh", "0", "--out", str(tmp_path / out)) == 1
        assert time.monotonic() - started < 30, "it measured first"
        assert "cannot write" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.json"]


def test_the_tables_are_whole_on_80_columns() -> None:
    """All six variants of the committed record, every number to be read."""
    from rich.console import Console

    from onsight.bench_screen import latency_tables

    record = Record.load(Path(__file__).parents[2] / "benchmarks" / "results" / "latency-resnet8.json")
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(*latency_tables(record))
    text = console.export_text()
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    for one in record.measurements:
        whole = one.latency_ms["end_to_end"]
        assert whole is not None and f"{whole.p50:.3f}" in text and f"{whole.p99:.3f}" in text


def test_a_slow_device_and_long_names_cost_no_number() -> None:
    from rich.console import Console

    from onsight.bench_screen import latency_tables

    record = Record.load(Path(__file__).parents[2] / "benchmarks" / "results" / "latency-resnet8.json")
    one = record.measurements[0]
    slow = {
        stage: replace(times, p50=1234.567, p90=2345.678, p99=3456.789) if times else None
        for stage, times in one.latency_ms.items()
    }
    named = replace(one, backend=replace(one.backend, name="tflite-runtime"), latency_ms=slow)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(*latency_tables(replace(record, measurements=(named,))))
    text = console.export_text()
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    assert all(number in text for number in ("1234.567", "2345.678", "3456.789"))
