"""`onsight archs` as a person calls it, and the table of the docs against it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from onsight.main import main

pytest.importorskip("tensorflow")
DOCS = Path(__file__).parents[2] / "docs" / "architectures.md"


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["archs", *arguments])
    return int(ended.value.code or 0)


def test_the_docs_have_the_table_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert call() == 0
    printed = re.findall(
        r"^ ([a-z][\w-]+) +([\d,]+) +([\d.]+ M) +(\d+x\d+) +(\w+)", capsys.readouterr().out, flags=re.MULTILINE
    )
    written = re.findall(
        r"^\| `([\w-]+)` \| ([\d,]+) \| ([\d.]+ M) \| (\d+x\d+) \| (\w+) \|$", DOCS.read_text(), flags=re.MULTILINE
    )
    assert len(printed) == 6 and written == printed


def test_json_of_small_grey_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--imgsz", "6x5", "--grey", "--classes", "3", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["size_wh"], document["channels"], document["classes"]) == ([6, 5], 1, 3)
    archs = {arch["name"]: arch for arch in document["archs"]}
    assert {name for name, arch in archs.items() if arch["parameters"] is None} == {
        "seed-cnn",
        "mobilenetv1",
        "mobilenetv2",
    }
    # one channel instead of three in the stem, three classes instead of ten
    assert archs["onsight-nano"]["parameters"] == 96_186 - 2 * 9 * 16 - 7 * 33
    assert archs["seed-cnn"]["smallest"] == 10 and "layers" not in archs["resnet8"]


def test_layers_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("resnet8") == 0
    text = capsys.readouterr().out
    assert re.search(r"stack2_shortcut +Conv2D +16x16x32 +544 +131,072", text)
    assert "resnet8: 78,666 parameters, 12.5 M MACs" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_layers_of_one_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine_of_cli.py").write_text(
        "import keras\n"
        "def build(shape, classes, dropout):\n"
        "    x = keras.Input(shape)\n"
        "    y = keras.layers.Reshape((shape[0], -1))(x)\n"
        "    return keras.Model(x, keras.layers.Dense(classes, 'softmax')(keras.layers.LSTM(4, name='[b]')(y)))\n"
    )
    assert call("mine_of_cli:build", "resnet8", "--imgsz", "8", "--json") == 0
    mine, resnet = json.loads(capsys.readouterr().out)["archs"]
    assert [layer["kind"] for layer in mine["layers"]] == ["Reshape", "LSTM", "Dense"]
    assert mine["macs"] is None and mine["layers"][1]["macs"] is None and mine["layers"][2]["macs"] == 40
    assert mine["parameters"] == sum(layer["parameters"] for layer in mine["layers"])
    assert resnet["macs"] == sum(layer["macs"] for layer in resnet["layers"])
    assert call("mine_of_cli:build", "--imgsz", "8") == 0
    text = capsys.readouterr().out
    assert "[b]" in text and "?" in text and "not known to onsight" in text


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["resnet9"], 1, "did you mean resnet8"),
        (["seed-cnn", "--imgsz", "8"], 1, "seed-cnn needs pictures of at least 10x10"),
        (["--imgsz", "a"], 2, "--imgsz must be a number of pixels"),
        (["--classes", "1"], 2, "classes"),
        (["nowhere:build"], 1, "there is no module nowhere"),
        (["mobilenetv2-0"], 1, "the width multiplier"),
    ],
)
def test_one_line_about_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    assert call(*arguments) == status
    captured = capsys.readouterr()
    assert message in captured.err and "Traceback" not in captured.err and captured.out == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenetv1-0.25", "mobilenetv2-0.35"])
def test_mobilenets_become_full_integer_files_that_answer_as_keras(name: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from onsight_edge.spec import ModelSpec
    from onsight_export.tflite import convert, saved_model
    from onsight_export.variants import VARIANTS
    from onsight_train.archs import find_arch
    from onsight_train.frameworks import load_keras

    keras = load_keras()
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    pictures = (rng.integers(0, 256, (64, 1, 1, 3)) * rng.random((64, 32, 32, 3))).astype(np.uint8)
    pictures[0], pictures[1] = 0, 255
    model = find_arch(name).build((32, 32, 3), 3)
    for _ in range(40):  # batch norm's averages settle, so that untrained weights tell pictures apart
        model(pictures.astype(np.float32), training=True)
    expected = np.asarray(model(pictures.astype(np.float32), training=False))
    assert expected.std(axis=0).max() > 0.03
    spec = ModelSpec(name="m", classes=("a", "b", "c"), input_size_wh=(32, 32))
    with saved_model(model) as folder:
        data = convert(folder, VARIANTS["tflite-int8"], spec, pictures)
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    assert not [tensor["name"] for tensor in interpreter.get_tensor_details() if tensor["dtype"] == np.float32]
    given, taken = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = taken["quantization"]
    scores = []
    for picture in pictures:
        interpreter.set_tensor(given["index"], picture[np.newaxis])
        interpreter.invoke()
        scores.append((interpreter.get_tensor(taken["index"])[0].astype(np.float32) - zero) * scale)
    assert np.abs(np.stack(scores) - expected).mean() < 0.02
