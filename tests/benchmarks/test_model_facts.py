from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from onsight_benchmarks.model_facts import describe_model, known_accuracy
from onsight_edge.bundle import DEFAULT_MODEL, ModelFile, open_model, write_manifest


def test_the_shipped_model_says_what_it_was_made_of_and_how_right_it_is() -> None:
    file = open_model("default")
    report = json.loads((DEFAULT_MODEL / "report.json").read_text())
    assert describe_model(file).source_sha256 == report["source"]["model_sha256"]
    found = known_accuracy(file)
    assert found is not None
    assert (found.correct, found.pictures, found.dataset) == (report["variants"][0]["correct"], 10_000, "cifar10")
    assert found.dataset_sha256 == report["dataset"]["sha256"]


def test_a_bare_file_says_neither() -> None:
    file = replace(open_model("default"), bundle=None)
    assert describe_model(file).source_sha256 is None
    assert known_accuracy(file) is None


def test_another_file_than_the_tested_one_has_no_accuracy() -> None:
    assert known_accuracy(replace(open_model("default"), sha256="0" * 64)) is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"source": 3, "variants": [1]}', '{"variants": {"a": 1}}'])
def test_a_report_that_says_nothing_usable_is_no_report(tmp_path: Path, text: str) -> None:
    shipped = open_model("default")
    folder = tmp_path / "odd.bundle"
    folder.mkdir()
    (folder / "tflite-int8.tflite").write_bytes(shipped.data)
    (folder / "report.json").write_text(text)
    names = {"tflite-int8": "tflite-int8.tflite"}
    write_manifest(folder, name="odd", spec=shipped.spec, variants=names, extra=["report.json"])
    file: ModelFile = open_model(folder)
    assert describe_model(file).source_sha256 is None
    assert known_accuracy(file) is None
