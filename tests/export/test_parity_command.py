"""`onsight parity` as it is typed, and the record of a run's variants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onsight.main import main
from onsight_benchmarks.record_file import load_json


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    return int(ended.value.code or 0)


def bare(source: Path, target: Path, swap: bool) -> Path:
    """The float file without what it says of itself, with the first convolution's channels turned where asked."""
    import numpy as np
    import onnx

    model = onnx.load(source)
    del model.metadata_props[:]
    if swap:
        kernel = next(node for node in model.graph.node if node.op_type == "Conv").input[1]
        (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == kernel]
        turned = np.ascontiguousarray(onnx.numpy_helper.to_array(tensor)[:, ::-1])
        tensor.CopyFrom(onnx.numpy_helper.from_array(turned, kernel))
    onnx.save(model, target)
    return target


def test_a_broken_file_is_named_in_every_form(
    tiny: Any, exported: tuple[Path, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, page = exported[0] / "onnx-float32.onnx", tmp_path / "out" / "page.html"
    sound, swapped = bare(source, tmp_path / "sound.onnx", False), bare(source, tmp_path / "swapped.onnx", True)
    files = ("--file", sound, "--file", swapped, "--no-export", "--limit", "80")
    assert call("parity", tiny.run, *files, "--html", page, "--json") == 1
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["broken"] == ["swapped.onnx"] and document["data"]["pictures"] == 80
    assert [step["name"] for step in document["steps"]] == ["sound.onnx", "swapped.onnx"]
    assert document["steps"][0]["diagnosis"] is None
    assert document["steps"][1]["diagnosis"]["explanation"] == "red and blue swapped"
    assert document["times"]["inference_ms"]["sound.onnx"]["count"] == 100
    assert document["reference"]["name"] == "Keras" and document["reference"]["sha256"]
    assert f"wrote {page}" in printed.err and "red and blue swapped" in page.read_text(encoding="utf-8")
    assert call("parity", tiny.run, *files, "--no-times", "--layers") == 1
    shown = capsys.readouterr().out
    assert "swapped.onnx is broken: a score is" in shown and "  red and blue swapped: fed so" in shown
    assert "sound.onnx: layers, relative error" in shown and "the first layer off is conv2d" in shown


def test_a_sound_bundle_ends_well(tiny: Any, exported: tuple[Path, Any], capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--limit", "60", "--max-drop", "5", "--no-times")
    assert call("parity", exported[0], "--run", tiny.run, *flags) == 0
    shown = capsys.readouterr().out
    assert "no step is broken" in shown and "tflite-int16x8" in shown and "60 of 200 test pictures" in shown
    data = tiny.run.parent.parent / "blobs.npz"
    assert call("parity", exported[0], data, *flags, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["reference"]["name"] == "tflite-float32" and document["times"] is None


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("BUNDLE",), 2, "name the data set, or the run with --run"),
        (("BUNDLE", "--bundle", "BUNDLE"), 2, "is a bundle itself"),
        (("RUN", "--run", "RUN"), 2, "is none"),
        (("BUNDLE", "--run", "RUN", "--bundle", "BUNDLE"), 2, "give one"),
        (("RUN", "--html", "page.pdf"), 2, "--html names a .html file, not page.pdf"),
        (("RUN", "--no-export", "--file", "x.pt"), 1, "x.pt is no .tflite or .onnx file"),
        (("RUN", "--no-export", "--file", "x.onnx"), 1, "cannot read x.onnx"),
        (("RUN", "--no-export"), 1, "nothing to compare"),
        (("nothing",), 1, "nothing"),
    ],
)
def test_bad_calls_are_one_line(
    tiny: Any,
    exported: tuple[Path, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    status: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"BUNDLE": exported[0], "RUN": tiny.run}
    assert call("parity", *(places.get(one, one) for one in arguments)) == status
    printed = capsys.readouterr()
    assert words in printed.err and len(printed.err.strip().splitlines()) == 1 and printed.out == ""


def test_a_run_s_variants_are_recorded(tiny: Any, exported: tuple[Path, Any], tmp_path: Path) -> None:
    """With a run as training writes it: the tiny one has no metrics."""
    from dataclasses import dataclass

    from onsight_benchmarks.parity.record import VariantsRecord
    from onsight_benchmarks.parity.recording import build_record
    from onsight_benchmarks.parity.timing import measure_times
    from onsight_edge.bundle import Bundle
    from onsight_export.options import ExportOptions
    from onsight_export.parity.parity import measure
    from onsight_export.parity.reference import open_subject

    @dataclass
    class Facts:
        name: str = "tiny"
        arch: str = "tiny"
        recipe: str = "none"
        parameters: int = 1
        macs: int | None = None
        model_sha256: str = "00"

    with (
        open_subject(tiny.run, bundle=exported[0], options=ExportOptions()) as subject,
        measure(subject) as (parity, opened),
    ):
        times = measure_times([one.classifier for one in opened], iterations=10)
        record = build_record(parity, times, Facts(), Bundle.open(exported[0]), 4)  # type: ignore[arg-type]
    record.save(tmp_path / "tiny.json")
    assert VariantsRecord.load(tmp_path / "tiny.json") == record
    assert load_json(tmp_path / "tiny.json")["targets"][0]["what"] == "points that tflite-int8 loses against Keras"
    assert {one.variant for one in record.variants if one.quantized is not None} == {"tflite-int8", "onnx-int8"}
    said = {one.variant: one for one in exported[1].variants}
    for one in record.variants:
        if said[one.variant].pictures == 200:
            assert (one.correct, one.bytes) == (said[one.variant].correct, said[one.variant].bytes)
