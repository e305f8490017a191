"""The pages of tables are what the command writes from the records, and a new kind of record needs one file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onsight_benchmarks.tables.page import fill, page, readme_of
from onsight_benchmarks.tables.registry import all_sections, all_tables
from onsight_benchmarks.tables.table import Loaded, header, row
from onsight_benchmarks.tables.targets import missed
from onsight_edge.errors import BenchmarkError, DataError

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
HELD = "run: python -m onsight_benchmarks.tables benchmarks/results --write"


def test_the_committed_pages_are_what_the_command_writes() -> None:
    assert page(RESULTS) == (RESULTS / "README.md").read_text(encoding="utf-8"), HELD
    readme = readme_of(RESULTS)
    assert readme is not None
    assert fill(readme, RESULTS) == readme.read_text(encoding="utf-8"), HELD


def test_what_a_file_of_tables_declares_is_found() -> None:
    assert {"latency", "accuracy", "variants", "sentinel", "live_loop"} <= all_tables().keys()
    assert {"latency", "missed"} <= all_sections().keys()


def test_sections_are_written_between_their_markers_alone(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- records: latency -->\nold\n<!-- /records -->\nafter\n")
    assert readme_of(tmp_path / "results") == readme
    empty = fill(readme, tmp_path / "results")
    assert empty == "before\n<!-- records: latency -->\n\nNo record yet.\n\n<!-- /records -->\nafter\n"
    shutil.copy(RESULTS / "latency-resnet8.json", tmp_path / "results")
    readme.write_text(empty)
    filled = fill(readme, tmp_path / "results")
    assert "tflite-int8/litert/1 | tflite-float32/litert/1 |" in filled and "No record" not in filled
    assert filled.startswith("before\n") and filled.endswith("<!-- /records -->\nafter\n")
    shutil.copy(RESULTS / "sentinel.json", tmp_path / "results")
    readme.write_text("<!-- records: sentinel -->\n<!-- /records -->\n")  # named like a kind
    assert "**sentinel**" in (filled := fill(readme, tmp_path / "results")) and "false alarms" in filled
    readme.write_text("<!-- records: elsewhere -->\n<!-- /records -->\n")
    with pytest.raises(DataError, match=r"'elsewhere'; known: .*latency, .*sentinel"):
        fill(readme, tmp_path / "results")


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    assert readme_of(tmp_path / "results") is None
    (tmp_path / "README.md").write_text("mine")
    assert readme_of(tmp_path / "results") is None


def test_misses_are_named() -> None:
    target = {"what": "a|b", "measured": 1.2, "limit": 1.1, "at_most": True, "met": False}
    good = {**target, "met": True}
    lines = missed([Loaded(Path("one.json"), {"targets": [target, good]}), Loaded(Path("two.json"), {})]).splitlines()
    assert lines[2:] == [r"| one | a\|b | 1.2 | at most 1.1 |"]
    assert missed([Loaded(Path("one.json"), {"targets": [good]})]) == "No target is missed."


def test_cells() -> None:
    assert header("a", ">b") == ["| a | b |", "| --- | --: |"]
    assert row("a", 1) == "| a | 1 |"


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": 1}', '{"schema": 2, "kind": "latency"}', "{"])
def test_what_is_no_record_is_refused_with_its_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match=r"odd\.json"):
        Loaded.load(path)
