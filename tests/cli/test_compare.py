"""`onsight compare` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onsight.main import main

RECORD = Path(__file__).parents[2] / "benchmarks" / "results" / "latency-resnet8.json"


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["compare", *arguments])
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Three of the committed record's measurements."""
    value = json.loads(RECORD.read_text())
    value["measurements"] = [one for one in value["measurements"] if one["backend"]["threads"] == 1][2:5]
    path = tmp_path / "epyc.json"
    path.write_text(json.dumps(value))
    return path


@pytest.fixture
def other(ours: Path, tmp_path: Path) -> Path:
    """The same as if taken elsewhere, in half of the time."""
    value = json.loads(ours.read_text())
    value["device"]["cpu"] = "Cortex-A76"
    for one in value["measurements"]:
        one["values_us"] = {stage: [v / 2 for v in values] for stage, values in one["values_us"].items()}
        for summary in filter(None, one["latency_ms"].values()):
            summary.update({key: v / 2 for key, v in summary.items() if key != "count"})
    path = tmp_path / "a76.json"
    path.write_text(json.dumps(value))
    return path


def test_records_beside_each_other(ours: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert call(str(ours), str(other), "--only", "tflite-*", "--html", str(page)) == 0
    out = capsys.readouterr().out
    assert "AMD EPYC" in out and "Cortex-A76" in out
    assert "B's fastest on Cortex-A76: tflite-int8/litert/1" in out and "0.50x" in out and "2.00 times as fast" in out
    assert "ratios between records are between sessions" in out
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_one_document(ours: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(str(ours), str(other), "--json", "--to", "B tflite-int8/litert/1") == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["reference"] == "B tflite-int8/litert/1" and len(document["measurements"]) == 6
    assert "between sessions" in err


def test_the_tables_are_whole_on_80_columns(ours: Path, other: Path) -> None:
    import io

    from rich.console import Console

    from onsight.compare_screen import comparison_tables
    from onsight_benchmarks.comparison.comparison import compare_records

    console = Console(width=80, file=io.StringIO())
    console.print(*comparison_tables(compare_records([ours, other])))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in shown and max(map(len, shown.splitlines())) <= 80
    assert "0.50x" in shown and "faster" in shown


def test_refusals(ours: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange = tmp_path / "strange.json"
    digits = {c: "0123456789abcdef"[15 - i] for i, c in enumerate("0123456789abcdef")}
    value = json.loads(other.read_text())
    for one in value["measurements"]:
        for digest in ("sha256", "source_sha256"):
            one["model"][digest] = "".join(digits[c] for c in one["model"][digest])
    strange.write_text(json.dumps(value))
    capsys.readouterr()
    assert call(str(other), str(strange)) == 1
    assert "--different-models" in capsys.readouterr().err
    assert call(str(other), str(strange), "--different-models") == 0
    assert call(str(ours), "--html", str(ours)) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert call() == 2
    assert call(str(tmp_path / "none.json")) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("onsight: cannot read ")


def test_bench_writes_its_record_as_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, out = tmp_path / "page.html", tmp_path / "mine.json"
    for scenario, shown in (("live", "Every frame"), ("single-stream", "Every call")):
        with pytest.raises(SystemExit) as ended:
            main(["bench", "--scenario", scenario, "--iterations", "10", "--fresh", "0", "--warmup", "1",
                  "--out", str(out), "--html", str(page)])  # fmt: skip
        assert ended.value.code == 0
        text = page.read_text()
        assert shown in text and "mine" in text and "does not count as valid" in text
    capsys.readouterr()
    assert call(str(out)) == 0
    out_text = capsys.readouterr().out
    assert (
        "\nnot valid: 10 queries were measured" in out_text and "\nFastest on" in out_text
    )  # one record needs no letter
