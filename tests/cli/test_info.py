"""`onsight info` as a person calls it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight.main import main
from onsight_edge.bundle import DEFAULT_MODEL

DOCS = Path(__file__).parents[2] / "docs" / "cli" / "info.md"
INT8 = DEFAULT_MODEL / "tflite-int8.tflite"


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["info", *map(str, arguments)])
    return int(ended.value.code or 0)


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert call(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_file_on_one_screen(capsys: pytest.CaptureFixture[str], monkeypatch: Any, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert call(str(INT8)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns and len(lines) <= 45
    text = " ".join(" ".join(lines).split())
    for known in (
        "airplane, automobile",
        "uint8 1x32x32x3, scale 1, zero point 0",
        "94,890 parameters",
        "20.7 M MACs for one picture",
        "none calculates in floating point",
        "labels.txt",
        "32x32 rgb, squash, raw pixels 0..255 -> probabilities",
    ):
        assert known in text
    assert re.search(r"CONV_2D +int8 +\d+ +[\d,]+ +[\d.]+%", "\n".join(lines))


def test_a_bundle_takes_one_row_a_variant(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert call("default") == 0
    text = capsys.readouterr().out
    assert re.search(r"tflite-int8 +[\d.]+ +uint8 +uint8 +94,890 +20.7 M +0/28 +88.\d\d%", text)
    assert "every digest agrees" in text and "--variant NAME" in text


def test_json_has_the_keys_that_the_docs_describe(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "default", "--ops", "--tensors")
    (file,) = found["files"]
    assert (found["kind"], file["variant"], file["macs"]) == (
        "bundle",
        "tflite-int8",
        20_693_312,
    )  # as `onsight archs` counts
    assert (
        file["sha256"] == json.loads((DEFAULT_MODEL / "manifest.json").read_text())["variants"]["tflite-int8"]["sha256"]
    )
    assert len(file["ops"]) == file["operators"] == sum(kind["number"] for kind in file["kinds"])
    assert sum(op["macs"] for op in file["ops"]) == file["macs"]
    assert file["inputs"][0] in file["tensors"] or file["inputs"][0]["about"]
    written = set(re.findall(r"`(\w+)`", DOCS.read_text(encoding="utf-8")))
    keys = {*found, *file, *file["ops"][0], *file["tensors"][0], *file["kinds"][0], *file["report"]}
    assert keys <= written


def test_a_variant_alone_and_what_has_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call("default", "--variant", "tflite-int8") == 0
    assert "SHA-256" in capsys.readouterr().out
    assert call("default", "--variant", "onnx-int8") == 1
    assert "it has tflite-int8" in capsys.readouterr().err
    assert call(str(INT8), "--variant", "tflite-int8") == 2
    assert "is a single file" in capsys.readouterr().err


def test_what_is_no_model_ends_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mangled = bytearray(INT8.read_bytes())
    mangled[8:200] = b"\xff" * 192
    (tmp_path / "mangled.tflite").write_bytes(mangled)
    (tmp_path / "cut.tflite").write_bytes(INT8.read_bytes()[:5000])
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG....")
    (tmp_path / "empty.keras").touch()
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("config.json", "[")
        archive.writestr("metadata.json", "{}")
    names = [path.name for path in tmp_path.iterdir()]
    for name in (*names, "missing.tflite", "[/]", "x" * 5000):
        assert call(str(tmp_path / name)) == 1, name
        error = capsys.readouterr().err
        assert error.startswith("onsight: ") and error.count("\n") == 1 and "Traceback" not in error, error


def test_a_file_larger_than_memory_ends_in_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    def too_much(path: Path) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Path, "read_bytes", too_much)
    assert call(str(INT8)) == 1
    assert "larger than the memory that is left" in capsys.readouterr().err


def test_a_damaged_bundle_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import shutil

    bundle = Path(shutil.copytree(DEFAULT_MODEL, tmp_path / "b.bundle"))
    data = bytearray((bundle / INT8.name).read_bytes())
    data[-1000] ^= 1
    (bundle / INT8.name).write_bytes(data)
    assert call(str(bundle)) == 1
    assert "not the file that was exported" in capsys.readouterr().err


def test_names_in_a_file_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    evil = "b\x1b[31m[red]ird\r\n"
    ends = [helper.make_tensor_value_info(name, 1, [1, 3]) for name in ("x", evil)]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], [evil], name=evil)], evil, ends[:1], ends[1:])
    model = helper.make_model(graph)
    helper.set_model_props(model, {"names": json.dumps([evil, "cat"]), evil: evil})
    onnx.save(model, tmp_path / "evil.onnx")
    assert call(str(tmp_path / "evil.onnx"), "--ops", "--tensors") == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and "\r" not in text and r"b\x1b[31m[red]ird" in text
    assert document(capsys, str(tmp_path / "evil.onnx"))["files"][0]["classes"] == [evil, "cat"]
    helper.set_model_props(model, {"names": r'["half \ud800 a pair", "cat"]'})
    onnx.save(model, tmp_path / "evil.onnx")
    assert document(capsys, str(tmp_path / "evil.onnx"))["files"][0]["classes"] == ["half ? a pair", "cat"]


def test_a_run_is_counted_by_keras(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In a process of its own: Keras is loaded by another child in any case."""
    pytest.importorskip("tensorflow")
    from onsight_edge.spec import ModelSpec
    from onsight_export.run import import_tensorflow

    import_tensorflow()
    import keras

    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(2)]
    run = tmp_path / "run"
    run.mkdir()
    keras.Sequential([keras.Input((6, 6, 3)), *layers]).save(run / "model.keras")
    ModelSpec("n", ("a", "b"), (6, 6), output="logits").save(run / "spec.json")
    found = document(capsys, str(run))
    (file,) = found["files"]
    assert (found["kind"], found["spec"]["output"], file["parameters"]) == ("run", "logits", 112 + 130)
    assert file["macs"] == 16 * 108 + 128 and file["warnings"] == []
    assert file["outputs"][0]["shape"] == [-1, 2] and file["float_operators"] is None


def test_keras_files_that_only_their_makers_can_load(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((8,)), keras.layers.Lambda(lambda x: x * 2), keras.layers.Dense(2)])
    model.save(tmp_path / "lambda.keras")
    (file,) = document(capsys, str(tmp_path / "lambda.keras"))["files"]
    assert (file["parameters"], file["macs"]) == (18, None)
    assert "Python code" in file["warnings"][0] and "Keras cannot load it" in file["warnings"][1]


def test_a_report_that_is_none_changes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from onsight_edge.bundle import write_manifest
    from onsight_edge.spec import ModelSpec

    (tmp_path / INT8.name).write_bytes(INT8.read_bytes())
    (tmp_path / "report.json").write_text("[1]")
    spec = ModelSpec.from_json(json.loads((DEFAULT_MODEL / "manifest.json").read_text())["spec"])
    write_manifest(tmp_path, name="n", spec=spec, variants={"tflite-int8": INT8.name}, extra=["report.json"])
    assert document(capsys, str(tmp_path))["files"][0]["parameters"] == 94_890
    (tmp_path / "report.json").write_text("[" * 200_000)  # deeper than the parser follows
    write_manifest(tmp_path, name="n", spec=spec, variants={"tflite-int8": INT8.name}, extra=["report.json"])
    assert document(capsys, str(tmp_path))["files"][0]["parameters"] == 94_890
    write_manifest(tmp_path, name="n", spec=spec, variants={"other-int8": INT8.name}, extra=[])
    assert call(str(tmp_path)) == 1
    assert "files of the format 'other' are not known" in capsys.readouterr().err


def test_reading_leaves_the_heavy_packages_out() -> None:
    code = (
        "import sys, onsight.main\n"
        "try: onsight.main.main(['info', 'default', '--json'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'tensorflow', 'keras', 'onnx', 'onnxruntime', 'ai_edge_litert.interpreter'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.isfinite(json.loads(done.stdout)["files"][0]["inputs"][0]["quantization"]["scales"]).all()
