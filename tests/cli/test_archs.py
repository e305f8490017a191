"""`onsight archs` as a person calls it, and the table of the docs against it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

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
def test_mobilenets_become_files_that_answer_as_keras(name: str) -> None:
    from onsight_edge.spec import ModelSpec
    from onsight_export.quantize import Int8Options, Labelled, make_int8_tflite
    from onsight_export.tflite import convert, saved_model
    from onsight_export.tflite_metadata import add_metadata
    from onsight_export.variants import VARIANTS
    from onsight_train.archs import find_arch
    from onsight_train.frameworks import load_keras

    keras = load_keras()
    keras.utils.set_random_seed(0)
    labels = np.arange(64) % 3
    drawn = np.random.default_rng(0).integers(0, 160, (64, 32, 32, 3))
    drawn[np.arange(64), :, :, labels] += 60  # the class is the colour
    drawn[0], drawn[1] = 0, 255  # so that the input's scale is 1
    pictures = drawn.astype(np.uint8)
    model = find_arch(name).build((32, 32, 3), 3)
    for _ in range(60):  # batch norm's averages settle
        model(pictures.astype(np.float32), training=True)
    # a training in one step: the last layer measures how near a picture is to the mean of each class
    pool = keras.Model(model.input, model.get_layer("pool").output)
    features = np.asarray(pool(pictures.astype(np.float32), training=False))
    mean = features.mean(axis=0)
    kernel = np.stack([features[labels == label].mean(axis=0) - mean for label in range(3)], axis=1)
    kernel *= 6 / np.abs((features - mean) @ kernel).max()
    model.get_layer("scores").set_weights([kernel, -mean @ kernel])
    expected = np.asarray(model(pictures.astype(np.float32), training=False))
    assert (expected.argmax(axis=1) == labels).mean() > 0.6
    spec = ModelSpec(name="m", classes=("a", "b", "c"), input_size_wh=(32, 32))
    chosen, checked = Int8Options(estimator="minmax"), Labelled(pictures, labels, expected)
    with saved_model(model) as folder:
        full = add_metadata(convert(folder, VARIANTS["tflite-float32"]), spec)
        integer = make_int8_tflite(model, folder, spec, pictures, checked, chosen).data
    scores, kinds = _answers(full, pictures)
    assert scores == pytest.approx(expected, abs=1e-3)
    scores, kinds = _answers(integer, pictures)
    assert np.float32 not in kinds, "full integer"
    # without a training, roundings count for much: what is asked is that both tell the pictures apart alike
    ours, theirs = (rows - rows.mean(axis=0) for rows in (scores, expected))
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.8


def _answers(data: bytes, pictures: Any) -> tuple[Any, set[type]]:
    """The scores of a .tflite file, and the kinds of its tensors."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = given["quantization"] if given["dtype"] != np.float32 else (1.0, 0)
    rows = []
    for picture in pictures:
        interpreter.set_tensor(taken["index"], picture[np.newaxis].astype(taken["dtype"]))
        interpreter.invoke()
        rows.append((interpreter.get_tensor(given["index"])[0].astype(np.float32) - zero) * scale)
    return np.stack(rows), {tensor["dtype"] for tensor in interpreter.get_tensor_details()}
