"""The parity page and the variants record, of a waterfall made by hand."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_benchmarks.conditions import Conditions
from onsight_benchmarks.evaluation.made import made
from onsight_benchmarks.parity.page import render
from onsight_benchmarks.parity.record import VariantsRecord
from onsight_benchmarks.parity.recording import GOAL_POINTS, build_record
from onsight_benchmarks.parity.timing import Times, measure_times
from onsight_benchmarks.picture import Picture
from onsight_benchmarks.stats import summarise
from onsight_benchmarks.tables.page import markdown, page
from onsight_benchmarks.tables.variants import variants_markdown
from onsight_benchmarks.variants import check_targets
from onsight_edge.bundle import Bundle, write_manifest
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BenchmarkError, ModelError
from onsight_edge.files import write_json
from onsight_edge.postprocess import softmax
from onsight_edge.spec import ModelSpec
from onsight_export.parity.diagnosis import Diagnosis
from onsight_export.parity.hypotheses import Hypothesis
from onsight_export.parity.locate import LayerError
from onsight_export.parity.parity import Limits, Parity
from onsight_export.parity.reference import Reference
from onsight_export.parity.step import compare
from onsight_export.parity.tolerance import objections
from onsight_export.parity.waterfall import Pictures, Step

CLASSES = ("cat", "<script>alert(1)</script>", "quo\"te & 's")
COUNT = 60


def waterfall(broken: bool = False) -> Parity:
    """Keras and three files: one the same, one near, and one that is broken where asked."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (COUNT, 3)).astype(np.float32)
    reference, labels = softmax(logits), logits.argmax(axis=1)
    labels[:6] = (labels[:6] + 1) % 3
    names = tuple(f"test[{at}]" for at in range(COUNT))
    pixels = random.integers(0, 256, (COUNT, 8, 8, 3)).astype(np.uint8)
    noise = random.normal(0, 0.01, logits.shape).astype(np.float32)
    last = -logits if broken else logits + noise
    steps, diagnoses = [], {}
    for name, scores in (
        ("tflite-float32", reference),
        ("tflite-int8", softmax(logits + noise)),
        ("onnx-int8", softmax(last)),
    ):
        answers = compare(reference, scores, labels, CLASSES, names, count=5)
        form = name.split("-")[1]
        steps.append(Step(name, form, "litert 2", 4000, "ab" * 32, answers, objections(answers, form), scores))
    layers = (
        LayerError("<b>stem</b>", "Conv2D", "relu", ("<b>stem</b>", "relu"), (8, 8, 4), 108, 0.7, 0.7, 0.25),
        LayerError("scores", "Dense", "scores", ("scores",), (3,), 12, float("nan"), float("inf"), 0.25),
    )
    if broken:
        tried = (Hypothesis("red and blue swapped", 0.99, 0.2, True), Hypothesis("it expects 0..1", 0.3, 0.2, False))
        diagnoses["onnx-int8"] = Diagnosis("onnx-int8", "red and blue swapped", layers[0], tried, layers, None)
    spec = ModelSpec("three", CLASSES, (8, 8))
    described = {"kind": "run", "sha256": "cd" * 32, "bytes": 9000, "backend": "keras 3"}
    data = {
        "name": "pets",
        "uri": "pets",
        "sha256": "ef" * 32,
        "split": "test",
        "pictures": COUNT,
        "test_pictures": COUNT,
    }
    own = compare(reference, reference, labels, CLASSES, names)
    return Parity(
        Reference("Keras", spec, described, None),
        own,
        tuple(steps),
        diagnoses,
        Pictures(pixels, labels, names),
        data,
        Limits(),
    )


def times(parity: Parity, objection: str | None = None) -> Times:
    return Times(
        tuple(summarise([0.1 * (place + 1)] * 10) for place in range(len(parity.steps))),
        Picture("synthetic", (640, 480), "00" * 32),
        10,
        20,
        0,
        2,
        2.0,
        Conditions(1.0),
        () if objection is None else (objection,),
    )


def document(parity: Parity, measured: Times | None) -> dict[str, Any]:
    timed = None if measured is None else measured.to_json(step.name for step in parity.steps)
    return {"model": "<b>mine</b>", **parity.to_json(), "times": timed, "made": made('onsight parity "<b>"')}


class Page(html.parser.HTMLParser):
    """Checks that elements close in order, and collects what a reader or a browser is given."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br", "rect", "line", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line", "circle"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("broken", "timed"), [(False, True), (True, True), (True, False)])
def test_the_page_is_whole_and_needs_nothing_else(broken: bool, timed: bool) -> None:
    parity = waterfall(broken)
    measured = times(parity, "it was <b>noisy</b>") if timed else None
    text = render(parity, measured, document(parity, measured))
    found = Page(text)
    for _, attributes in found.tags:
        for name in ("src", "href", "data", "srcset", "action"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:", "#"))
    assert not re.search(r"https?:|@import|url\(", text) and "<script" not in text and "<b>mine" not in text
    assert "<b>stem" not in text and "<b>noisy" not in text
    assert "<script>alert(1)</script>" in found.text and "quo\"te & 's" in found.text and "<b>mine</b>" in found.text
    links = {a["href"][1:] for tag, a in found.tags if tag == "a" and a["href"]}
    assert links <= {a["id"] for _, a in found.tags if "id" in a} and len(links) == 6 + broken
    assert all(a.get("alt") for tag, a in found.tags if tag == "img")
    assert all(a.get("aria-label") or a.get("aria-hidden") for tag, a in found.tags if tag == "svg")
    count = {name: sum(tag == name for tag, _ in found.tags) for name in ("table", "caption", "h1")}
    assert count["table"] == count["caption"] and count["h1"] == 1
    pictures = sum(len(step.answers.worst) for step in parity.steps)
    assert sum(tag == "img" for tag, _ in found.tags) == pictures and pictures > 0
    spoken = found.text.replace("\N{NO-BREAK SPACE}", " ")
    assert f"{100 * parity.answers.accuracy:.2f} %" in spoken
    assert ("1 of 3 steps is broken" in spoken) == broken == ("red and blue swapped" in spoken)
    assert ("Not valid: it was" in spoken) == timed


def test_the_document_is_json() -> None:
    parity = waterfall(broken=True)
    value = json.loads(json.dumps(document(parity, times(parity)), allow_nan=False))
    assert value["broken"] == ["onnx-int8"] and value["steps"][2]["broken"]
    diagnosis = value["steps"][2]["diagnosis"]
    assert diagnosis["explanation"] == "red and blue swapped" and diagnosis["first_layer"]["layer"] == "<b>stem</b>"
    assert diagnosis["layers"][1]["own_error"] is None and value["steps"][0]["diagnosis"] is None
    assert value["times"]["inference_ms"]["tflite-int8"]["p50"] == pytest.approx(0.2) and value["times"]["valid"]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle of files without content: a record asks for its report only."""
    folder = tmp_path / "x.bundle"
    folder.mkdir()
    said = {"pictures": 100, "estimator": "mse", "left_float": ["stem"], "why": "it was nearest"}
    write_json(folder / "report.json", {"int8": {"tflite-int8": said, "onnx-int8": {**said, "left_float": []}}})
    for name in ("tflite-float32", "tflite-int8", "onnx-int8"):
        (folder / name).write_bytes(b"")
    variants = {name: name for name in ("tflite-float32", "tflite-int8", "onnx-int8")}
    write_manifest(folder, name="x", spec=ModelSpec("x", CLASSES, (8, 8)), variants=variants, extra=["report.json"])
    return Bundle.open(folder)


@dataclasses.dataclass
class Facts:
    """What a record takes of a run."""

    name: str = "three-pets"
    arch: str = "three"
    recipe: str = "standard"
    parameters: int = 120
    macs: int | None = 6912
    model_sha256: str = "cd" * 32


def record(bundle: Bundle, parity: Parity, objection: str | None = None) -> VariantsRecord:
    return build_record(parity, times(parity, objection), Facts(), bundle, len(CLASSES))  # type: ignore[arg-type]


def test_a_record_is_read_as_it_was_written(bundle: Bundle, tmp_path: Path) -> None:
    found = record(bundle, waterfall())
    found.save(tmp_path / "variants" / "three-standard.json")
    assert VariantsRecord.load(tmp_path / "variants" / "three-standard.json") == found
    assert found.valid and [one.variant for one in found.variants] == ["tflite-float32", "tflite-int8", "onnx-int8"]
    assert found.variants[0].quantized is None and found.variants[1].quantized is not None
    assert found.variants[1].quantized.left_float == ("stem",)
    assert [target.limit for target in found.targets] == [GOAL_POINTS] * 2
    (tmp_path / "variants" / "README.md").write_text("not a record")
    text = page(tmp_path)
    assert "### variants" in text and "| three standard | Keras |" in text and "left in float: stem" in text
    assert markdown(tmp_path / "variants" / "three-standard.json") in text


def test_a_table_has_a_row_for_every_file(bundle: Bundle) -> None:
    parity = waterfall(broken=True)
    text = variants_markdown([record(bundle, parity, "the machine was busy")])
    rows = [line for line in text.splitlines() if line.startswith("| three standard |")]
    assert [row.split(" | ")[1] for row in rows] == ["Keras", "tflite-float32", "tflite-int8", "onnx-int8"]
    assert "MISSED" in text and "onnx-int8: **broken:**" in text and "**Not valid:** the machine was busy." in text
    low, high = parity.steps[2].answers.drop_interval
    assert f"({low:+.2f} to {high:+.2f})" in rows[3] and rows[3].endswith("| 0.300 |")


def test_fewer_pictures_make_no_valid_record(bundle: Bundle) -> None:
    parity = waterfall()
    parity.data["test_pictures"] = 100
    assert record(bundle, parity).invalid_because == ("60 of 100 test pictures were used",)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("kind",), "accuracy", "is a record of 'accuracy'"),
        (("schema",), 9, "schema 9 is not 1"),
        (("variants", 1, "correct"), 3, "are not an accuracy of"),
        (("variants", 1, "only_keras"), 30, "do not give"),
        (("keras", "macs"), "many", "macs"),
        (("extra",), 1, "unknown key 'extra'"),
    ],
)
def test_records_that_contradict_themselves_are_refused(
    bundle: Bundle, path: tuple[str | int, ...], value: Any, words: str
) -> None:
    found = json.loads(json.dumps(record(bundle, waterfall()).to_json()))
    at = found
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(BenchmarkError, match=re.escape(words)):
        VariantsRecord.from_json(found)


def test_a_bundle_without_a_report_makes_no_record(bundle: Bundle) -> None:
    write_manifest(bundle.path, name="x", spec=bundle.spec, variants={"tflite-int8": "tflite-int8"}, extra=[])
    with pytest.raises(BenchmarkError, match="does not tell how its int8 files were quantized"):
        record(Bundle.open(bundle.path), waterfall())


def test_files_are_timed_in_turns() -> None:
    with Classifier.open("default") as one, Classifier.open("default") as other:
        found = measure_times([one, other], iterations=15)
    assert found.calls == 20 and [summary.count for summary in found.inference_ms] == [20, 20]
    assert all(0 < summary.p50 <= summary.max for summary in found.inference_ms) and found.conditions.seconds > 0


def test_what_is_no_run_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not there"):
        check_targets([tmp_path / "nothing"], tmp_path)
