"""`onsight val` on model files and bundles: without TensorFlow, classes matched by name."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight.main import main
from onsight.scorers import map_labels
from onsight_edge.archive import write_archive
from onsight_edge.bundle import DEFAULT_MODEL, Bundle, open_model, write_manifest
from onsight_edge.classifier import Classifier
from onsight_edge.datasets import load_dataset
from onsight_edge.errors import DataError
from onsight_edge.files import write_json

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Pictures under three of the shipped model's ten class names, in an order of their own."""
    random = np.random.default_rng(0)
    names = np.array(["truck", "cat", "airplane"])
    arrays = {}
    for part, count in (("train", 30), ("test", 24)):
        arrays[f"x_{part}"] = random.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % 3
    np.savez(tmp_path / "few.npz", classes=names, **arrays)
    return tmp_path / "few.npz"


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_classes_are_matched_by_name(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("val", "default", str(few), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    with np.load(few) as arrays, Classifier.open("default") as classifier:
        predicted = classifier.scores(arrays["x_test"]).argmax(axis=1)
        names = [("truck", "cat", "airplane")[label] for label in arrays["y_test"]]
    right = sum(CIFAR[guess] == name for guess, name in zip(predicted, names, strict=True))
    assert document["correct"] == right and document["pictures"] == 24
    assert document["per_class"]["truck"]["support"] == 8 and document["per_class"]["dog"]["support"] == 0
    assert document["per_class"]["dog"]["recall"] is None
    assert document["kind"] == "bundle" and document["variant"] == "tflite-int8" and document["data"]["split"] == "test"


def test_table(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("val", "default", str(few), "--split", "train", "--backend", "litert", "--limit", "9") == 0
    shown = capsys.readouterr().out
    assert "truck" in shown and "precision" in shown and "95 % interval" in shown and "few train" in shown


def test_labels_are_mapped_to_the_model_s_order() -> None:
    found = map_labels(np.array([0, 1, 2, 0]), ("c", "a", "b"), ("a", "b", "c", "d"))
    assert found.tolist() == [2, 0, 1, 2]
    with pytest.raises(DataError, match=r"does not know the data set's z: it knows a, b"):
        map_labels(np.array([0]), ("a", "z"), ("a", "b"))


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("default",), 2, "name the data set: onsight val default DATA"),
        (("nothing", "few.npz"), 1, "no model at nothing"),
        (("default", "nowhere"), 1, "nowhere"),
        (("default", "few.npz", "--variant", "tflite-int4"), 1, "no variant 'tflite-int4'"),
        (("default", "other.npz"), 1, "does not know the data set's zebra"),
    ],
)
def test_bad_calls(
    few: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    status: int,
    words: str,
) -> None:
    monkeypatch.chdir(few.parent)
    with np.load(few) as arrays:
        np.savez("other.npz", **{**arrays, "classes": np.array(["truck", "zebra", "cat"])})
    assert call("val", *arguments) == status
    assert words in capsys.readouterr().err


def test_a_device_needs_no_training_package(few: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'torch', 'onnx', 'matplotlib', 'jinja2'):\n    sys.modules[name] = None\n"
        "for name in ('onsight_train', 'onsight_export'):\n"
        "    sys.modules[name] = None\n"  # importing them now fails
        f"from onsight.main import main\nmain(['val', 'default', {str(few)!r}, '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pictures"] == 24


def test_a_bundle_is_tested_on_the_pictures_it_did_not_learn_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unsplit set is split as it was for the training, whose seed rides in the bundle."""
    random = np.random.default_rng(0)
    np.savez(
        tmp_path / "unsplit.npz",
        classes=np.array(CIFAR),
        images=random.integers(0, 256, (200, 32, 32, 3)).astype(np.uint8),
        labels=np.arange(200) % 10,
    )
    digests = {}
    for seed in (0, 5):
        bundle = Path(shutil.copytree(DEFAULT_MODEL, tmp_path / f"seed{seed}.bundle"))
        write_json(bundle / "report.json", {"dataset": {"seed": seed, "validation": 0.2}})
        opened = {"name": "x", "spec": Bundle.open(DEFAULT_MODEL).spec}
        write_manifest(bundle, **opened, variants={"tflite-int8": "tflite-int8.tflite"}, extra=["report.json"])
        assert call("val", str(bundle), str(tmp_path / "unsplit.npz"), "--json") == 0
        digests[seed] = json.loads(capsys.readouterr().out)["data"]["sha256"]
        loaded = load_dataset(str(tmp_path / "unsplit.npz"), size_wh=(32, 32), validation=0.2, seed=seed)
        assert digests[seed] == loaded.sha256
        write_archive(bundle, tmp_path / "same.bundle.zip")
        assert call("val", str(tmp_path / "same.bundle.zip"), str(tmp_path / "unsplit.npz"), "--json") == 0
        assert json.loads(capsys.readouterr().out)["data"]["sha256"] == digests[seed]
        (tmp_path / "same.bundle.zip").unlink()
    assert digests[0] != digests[5]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_reading_a_folder_shows_a_bar_on_a_terminal(tmp_path: Path) -> None:
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            image = np.random.default_rng(10 * label + number).integers(0, 256, (32, 32, 3), np.uint8)
            assert cv2.imwrite(str(tmp_path / "pets" / name / f"{number}.png"), image)
    terminal, theirs = os.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "onsight", "val", "default", "pets", "--json"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux's end of a terminal
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    assert b"reading pets" in shown and b"100%" in shown
    assert json.loads(done.communicate()[0])["data"]["name"] == "pets" and done.returncode == 0


def test_everything_at_once_in_every_form(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(few) as arrays:
        changed = dict(arrays)
    scene = cv2.resize(np.random.default_rng(3).integers(0, 256, (6, 6, 3)).astype(np.uint8), (32, 32))
    changed["x_train"][5], changed["x_test"][4] = scene, scene[:, ::-1]
    np.savez(few, **changed)
    page, sheet = tmp_path / "out" / "page.html", tmp_path / "out" / "worst.png"
    flags = (
        "--corruptions",
        "--duplicates",
        "--limit",
        "6",
        "--worst",
        "3",
        "--html",
        str(page),
        "--sheet",
        str(sheet),
    )
    assert call("val", "default", str(few), "--json", *flags) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert f"wrote {page}" in printed.err and f"wrote {sheet}" in printed.err
    assert document["pictures"] == 6 and document["calibration"]["temperature"] == open_model().spec.temperature
    assert len(document["worst"]["most_confident_mistakes"]) <= 3 and len(document["calibration"]["reliability"]) == 15
    assert len(document["corruptions"]["by_corruption"]) == 7 and document["corruptions"]["pictures"] == 6
    # all 30 training pictures are searched, whatever --limit takes of the test pictures
    assert document["duplicates"]["searched"] == 30
    assert document["made"]["versions"]["onsight"] and document["made"]["date"].endswith("Z")
    text = page.read_text(encoding="utf-8")
    assert document["sha256"] in text and "</html>" in text and "http" not in text
    assert cv2.imread(str(sheet)) is not None
    assert call("val", "default", str(few), "--corruptions", "--duplicates", "--limit", "6") == 0
    shown = capsys.readouterr().out
    assert "calibration error" in shown and "gaussian-noise" in shown and "have one among the 30 learnt from" in shown


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--html", "page.pdf"), "--html names a .html file, not page.pdf"),
        (("--sheet", "page.jpg"), "--sheet names a .png file, not page.jpg"),
        (("--html", "folder/x.html"), "lies in folder"),
        (("--duplicates", "--split", "train"), "train has none beside it"),
    ],
)
def test_outputs_that_cannot_be(
    few: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(few.parent)
    (few.parent / "folder").mkdir()
    data = "folder" if "lies in" in words else "few.npz"
    assert call("val", "default", data, *flags) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.strip().splitlines()) == 1


def test_the_page_s_package_is_asked_for_before_anything_is_measured(few: Path) -> None:
    code = (
        "import sys\nsys.modules['jinja2'] = None\n"
        f"from onsight.main import main\nmain(['val', 'default', {str(few)!r}, '--html', 'page.html'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=few.parent, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.strip().splitlines() == [done.stderr.strip()] and "'onsight[plots]'" in done.stderr


def test_a_temperature_in_the_spec_changes_scores_and_no_answer(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = Bundle.open(DEFAULT_MODEL)
    shutil.copy(DEFAULT_MODEL / "tflite-int8.tflite", tmp_path / "model.tflite")
    documents = {}
    for temperature in (1.0, 3.0):
        spec = tmp_path / f"{temperature}.json"
        dataclasses.replace(shipped.spec, temperature=temperature).save(spec)
        assert call("val", str(tmp_path / "model.tflite"), str(few), "--spec", str(spec), "--json") == 0
        documents[temperature] = json.loads(capsys.readouterr().out)
    assert documents[3.0]["confusion"] == documents[1.0]["confusion"]
    assert documents[3.0]["calibration"]["temperature"] == 3.0
    assert documents[3.0]["calibration"]["overconfidence"] < documents[1.0]["calibration"]["overconfidence"] - 0.1
