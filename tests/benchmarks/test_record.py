from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onsight_benchmarks.provenance import provenance
from onsight_benchmarks.record import Record
from onsight_benchmarks.tables.page import markdown
from onsight_edge.errors import BenchmarkError, OnsightError


def test_a_record_survives_its_file(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    record.save(path)
    assert Record.load(path) == record
    value = json.loads(path.read_text())
    assert (value["schema"], value["kind"]) == (1, "latency")
    assert max(map(len, path.read_text().splitlines())) > 100  # lists of values stand on one line


def test_a_record_names_no_place_and_no_host(record: Record, bundle: Path) -> None:
    text = json.dumps(record.to_json())
    assert str(bundle.parent) not in text
    assert str(Path(__file__).parents[2]) not in text


def test_a_measurement_is_found_by_name(record: Record) -> None:
    found = record.find("onnx-float32", threads=2)
    assert found is not None and found.label == "onnx-float32/onnxruntime/2"
    assert record.find("tflite-int8", "onnxruntime") is None


def _drop(value: dict[str, Any]) -> None:
    del value["device"]["cores"]


def _foreign_key(value: dict[str, Any]) -> None:
    value["method"]["clipped"] = True


def _text_for_number(value: dict[str, Any]) -> None:
    value["measurements"][0]["latency_ms"]["inference"]["p50"] = "fast"


def _true_for_number(value: dict[str, Any]) -> None:
    value["measurements"][1]["backend"]["threads"] = True


def _short_pair(value: dict[str, Any]) -> None:
    value["method"]["picture"]["size_wh"] = [640]


def _newer(value: dict[str, Any]) -> None:
    value["schema"] = 2


def _other_kind(value: dict[str, Any]) -> None:
    value["kind"] = "overhead"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_drop, "device: the key 'cores' is missing"),
        (_foreign_key, "method: unknown key 'clipped'"),
        (_text_for_number, r"measurements\[0\]: latency_ms.inference: p50: expected float, found str 'fast'"),
        (_true_for_number, r"measurements\[1\]: backend: threads: expected int, found bool"),
        (_short_pair, "expected 2 items, found 1"),
        (_newer, "schema 2 is not 1"),
        (_other_kind, "a record of 'overhead'"),
    ],
)
def test_a_spoilt_record_is_refused_in_one_line(
    record: Record, tmp_path: Path, spoil: Callable[[dict[str, Any]], None], says: str
) -> None:
    value = copy.deepcopy(json.loads(json.dumps(record.to_json())))
    spoil(value)
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(value))
    with pytest.raises(BenchmarkError, match=says) as caught:
        Record.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_truncated_record_is_refused_wherever_it_was_cut(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    record.save(path)
    text = path.read_text()
    for share in (0.01, 0.3, 0.7, 0.99):
        path.write_text(text[: int(share * len(text))])
        with pytest.raises(BenchmarkError, match="it is not JSON") as caught:
            Record.load(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_what_is_no_finite_number_is_refused(record: Record, tmp_path: Path, number: str) -> None:
    path = tmp_path / "odd.json"
    record.save(path)
    fps = f'"throughput_fps": {record.measurements[0].throughput_fps}'
    text = path.read_text()
    assert fps in text
    path.write_text(text.replace(fps, f'"throughput_fps": {number}'))
    with pytest.raises(BenchmarkError, match=r"odd\.json.*(is no number|expected a finite number)"):
        Record.load(path)


def test_a_folder_and_a_device_are_no_records(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="it is a folder"):
        Record.load(tmp_path)
    with pytest.raises(BenchmarkError, match="it is no file"):
        Record.load(Path("/dev/zero"))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "foreign.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(BenchmarkError, match=r"foreign\.json is not a record"):
        Record.load(tmp_path / "foreign.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"x"', "{}", "[" * 100_000])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "foreign.json"
    path.write_text(text)
    for read in (Record.load, markdown):
        with pytest.raises(BenchmarkError, match=r"foreign\.json"):
            read(path)


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="No such file"):
        Record.load(tmp_path / "none.json")


def test_a_failed_write_leaves_nothing(record: Record, tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(OnsightError, match="cannot write"):
        record.save(tmp_path / "folder.json")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]


def test_a_record_as_markdown(record: Record, tmp_path: Path) -> None:
    record.save(tmp_path / "r.json")
    text = markdown(tmp_path / "r.json")
    assert text.count("| litert |") == 4
    assert "**Not valid:**" in text
    assert "tflite-int8/litert/1 / tflite-float32/litert/1, inference" in text


def test_the_commit_is_that_of_our_own_checkout_only(tmp_path: Path) -> None:
    assert provenance(tmp_path).commit is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert provenance(tmp_path).commit is None  # somebody else's repository around an installed package
    package = tmp_path / "edge" / "onsight_edge"
    package.mkdir(parents=True)
    (package / "a.py").write_text("")
    assert provenance(tmp_path).commit is None  # no commit yet
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    clean = provenance(tmp_path).commit
    assert clean is not None and len(clean) == 12
    (package / "a.py").write_text("changed = 1\n")
    assert provenance(tmp_path).commit == clean + "-dirty"
