"""Honest evaluation: intervals, worst pictures, corruptions, copies, and the page."""

from __future__ import annotations

import html.parser
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_benchmarks.evaluation import robustness as robust
from onsight_benchmarks.evaluation.analysis import Analysis, analyse
from onsight_benchmarks.evaluation.intervals import bootstrap
from onsight_benchmarks.evaluation.leakage import picture_names, search
from onsight_benchmarks.evaluation.made import made
from onsight_benchmarks.evaluation.page import Report, data_uri, render
from onsight_benchmarks.evaluation.sheet import worst_sheet
from onsight_benchmarks.evaluation.worst import worst
from onsight_edge.calibration import ece
from onsight_edge.corruptions import CORRUPTIONS
from onsight_edge.datasets import Split
from onsight_edge.metrics import evaluate
from onsight_edge.postprocess import softmax

Array = np.ndarray  # type: ignore[type-arg]
CLASSES = ("cat", "<script>alert(1)</script>", "quo\"te & 's")


def drawn(count: int, seed: int = 0, classes: int = 3) -> tuple[Array, Array]:
    """Calibrated scores, labels drawn from them."""
    random = np.random.default_rng(seed)
    scores = softmax(random.normal(0, 2, (count, classes)).astype(np.float32))
    labels = (scores.cumsum(axis=1) < random.random((count, 1))).sum(axis=1).clip(0, classes - 1)
    return scores, labels


def photos(count: int, side: int = 16, seed: int = 0) -> Array:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 4, 4, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((1, side // 4, side // 4, 1), np.uint8)).astype(np.uint8)


def test_intervals_hold_the_figure_and_shrink_with_more_pictures() -> None:
    widths = []
    for count in (200, 3200):
        scores, labels = drawn(count)
        found = bootstrap(scores, labels, resamples=300)
        evaluation = evaluate(scores, labels, ("a", "b", "c"))
        assert found.loss[0] < evaluation.loss < found.loss[1]
        assert found.macro_f1[0] < evaluation.macro_f1 < found.macro_f1[1]
        assert 0 <= found.ece[0] < found.ece[1]
        widths.append(found.loss[1] - found.loss[0])
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.35)  # root of 16
    assert bootstrap(scores, labels, resamples=50) == bootstrap(scores, labels, resamples=50)
    assert bootstrap(scores, labels, resamples=50) != bootstrap(scores, labels, seed=1, resamples=50)


@pytest.mark.slow
def test_95_percent_intervals_of_the_loss_hold_the_truth_19_times_in_20() -> None:
    large, labels = drawn(400_000, seed=99)
    truth = evaluate(large, labels, ("a", "b", "c")).loss
    held = 0
    for seed in range(300):
        low, high = bootstrap(*drawn(300, seed), resamples=400).loss
        held += low <= truth <= high
    assert 0.91 <= held / 300 <= 0.98


def test_the_calibration_error_s_interval_holds_a_real_error() -> None:
    scores, labels = drawn(3000)
    sure = softmax(4 * np.log(scores))
    low, high = bootstrap(sure, labels, resamples=200).ece
    assert low < ece(sure, labels) < high and high - low < 0.06


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 50), st.integers(0, 100))
def test_worst_pictures_are_the_worst(count: int, wanted: int, seed: int) -> None:
    scores, labels = drawn(count, seed)
    mistakes, least = worst(
        scores, labels, ("a", "b", "c"), picture_names(Split(photos(count), labels), "test"), wanted
    )
    wrong = scores.argmax(axis=1) != labels
    assert len(mistakes) == min(wanted, int(wrong.sum()))
    assert [one.score for one in mistakes] == sorted((float(s) for s in scores.max(axis=1)[wrong]), reverse=True)[
        :wanted
    ]
    assert all(one.truth != one.predicted and one.name == f"test[{one.index}]" for one in mistakes)
    assert [one.true_score for one in least] == sorted(one.true_score for one in least)
    assert not {one.index for one in mistakes} & {one.index for one in least}
    assert len(least) == min(wanted, count - len(mistakes))


def brightness(pixels: Array) -> Array:
    """A classifier of how light a picture is."""
    light = pixels.reshape(len(pixels), -1).mean(axis=1) / 255
    return np.stack([1 - light, light], axis=1).astype(np.float32)


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_corruptions_are_counted(colour: Any) -> None:
    images = np.concatenate([np.full((6, 8, 8, 3), 60, np.uint8), np.full((4, 8, 8, 3), 200, np.uint8)])
    labels = np.array([0] * 6 + [1] * 4)
    told: list[tuple[str, int]] = []
    found = robust.measure(
        brightness,
        images,
        labels,
        clean=10,
        colour=colour,
        chunk=4,
        advance=lambda name, done: told.append((name, done)),
    )
    assert set(found.correct) == set(CORRUPTIONS) and found.correct["defocus-blur"] == (10,) * 5
    assert found.correct["dark"] == (10, 6, 6, 6, 6)  # light 200 becomes 147, then 107
    assert sum(done for _, done in told) == robust.PASSES * 10 and robust.PASSES == 35
    json = found.to_json()
    assert json["by_corruption"]["dark"]["accuracy"] == [1.0, 0.6, 0.6, 0.6, 0.6]
    assert json["mean_accuracy"] == pytest.approx(
        np.mean([c["mean"] for c in json["by_corruption"].values()]), abs=1e-5
    )
    assert json["relative_accuracy"] == json["mean_accuracy"]


def test_pictures_in_another_channel_order_are_spoilt_alike() -> None:
    images = photos(1)
    rgb = robust.corrupted(images, "jpeg", 5, colour="rgb", seed=0)
    bgr = robust.corrupted(np.ascontiguousarray(images[..., ::-1]), "jpeg", 5, colour="bgr", seed=0)
    assert (bgr[..., ::-1] == rgb).all()


def planted() -> tuple[Split, dict[str, Split], Array]:
    test, train, other = photos(8, 32, 1), photos(40, 32, 2), photos(10, 32, 3)
    test[2], test[5] = train[7], other[4][:, ::-1]
    labels = np.zeros(8, np.int64)
    right = np.array([True, True, False, True, False, True, True, True])
    learnt = {"train": Split(train, np.ones(40, np.int64)), "validation": Split(other, np.zeros(10, np.int64))}
    return Split(test, labels), learnt, right


def test_copies_are_named_and_left_out() -> None:
    part, learnt, right = planted()
    found = search(part, "test", learnt, right)
    assert found.names == (("test[2]", "train[7]"), ("test[5]", "validation[4]"))
    assert found.searched == 50 and found.other_label == 1
    assert found.accuracy_with == 0.5 and found.accuracy_without == pytest.approx(5 / 6)
    json = found.to_json()
    assert (json["with_copy"], json["exact"], json["mirrored"]) == (2, 1, 1)


def report(robustness: bool = True, leakage: bool = True, side: int = 32) -> Report:
    part, learnt, right = planted()
    scores, labels = drawn(8)
    analysis = analyse(scores, labels, CLASSES, picture_names(part, "test"), count=4)
    measured = robust.measure(
        lambda p: np.tile(np.eye(3, dtype=np.float32)[:1], (len(p), 1)), part.images, labels, clean=3
    )
    copies = search(part, "test", learnt, right) if leakage else None
    document = {
        "model": "<b>mine</b>.tflite",
        "kind": "file",
        "sha256": "00ff",
        "backend": "litert 2",
        "data": {"name": "pets", "uri": "pets", "sha256": "11aa", "split": "test"},
        "made": made('onsight val "<b>"'),
        **analysis.to_json(),
        **({"corruptions": measured.to_json()} if robustness else {}),
        **({"duplicates": copies.to_json()} if copies else {}),
    }
    images = np.repeat(np.repeat(part.images, side // 32, axis=1), side // 32, axis=2)
    pixels = np.concatenate([split.images for split in learnt.values()])
    return Report(document, analysis, images, "rgb", measured if robustness else None, copies, pixels)


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
        if tag not in ("meta", "link", "img", "br", "rect", "line", "circle", "polygon", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line", "circle", "polygon", "polyline"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("robustness", "leakage"), [(True, True), (False, False)])
def test_the_page_is_whole_and_needs_nothing_else(robustness: bool, leakage: bool) -> None:
    text = render(report(robustness, leakage))
    page = Page(text)
    for _, attributes in page.tags:
        for name in ("src", "href", "data", "srcset", "action"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:", "#"))
    assert not re.search(r"https?:|@import|url\(", text)
    links = {a["href"][1:] for tag, a in page.tags if tag == "a" and a["href"]}
    assert links <= {a["id"] for _, a in page.tags if "id" in a} and len(links) == 6 + robustness + leakage
    assert all(a.get("alt") for tag, a in page.tags if tag == "img")
    count = {name: sum(tag == name for tag, _ in page.tags) for name in ("table", "caption", "h1", "svg", "script")}
    assert count["table"] == count["caption"] and count["h1"] == 1 and count["script"] == 0
    assert count["svg"] == 1 + robustness * len(CORRUPTIONS)
    assert all(a.get("aria-label") for tag, a in page.tags if tag == "svg")


def test_names_cannot_break_the_page() -> None:
    text = render(report())
    page = Page(text)
    assert "<script" not in text and "<b>mine" not in text and "&lt;script&gt;" in text
    assert (
        "<script>alert(1)</script>" in page.text and "quo\"te & 's" in page.text and "<b>mine</b>.tflite" in page.text
    )


def test_the_page_says_what_the_document_says() -> None:
    made_report = report()
    text = Page(render(made_report)).text.replace("\N{NO-BREAK SPACE}", " ")
    document = made_report.document
    assert f"{100 * document['accuracy']:.2f} %" in text and "2 of the 8 pictures (25.00 %) have a copy" in text
    assert f"{100 * document['corruptions']['mean_accuracy']:.1f} %" in text and "00ff" in text and "11aa" in text


def test_large_pictures_are_reduced_in_the_page_and_grey_ones_shown() -> None:
    assert len(data_uri(photos(1, 512)[0], "rgb")) < 40_000
    assert data_uri(photos(1)[0][:, :, :1], "grey").startswith("data:image/png;base64,")


def test_many_classes_make_no_matrix() -> None:
    scores, labels = drawn(60, classes=40)
    analysis = analyse(scores, labels, tuple(f"class {n}" for n in range(40)), tuple(map(str, range(60))))
    made_report = report(False, False)
    document = {**made_report.document, **analysis.to_json()}
    text = render(Report(document, analysis, photos(60), "rgb"))
    assert 'class="heat"' not in text and "class 39" in text
    Page(text)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 30), st.integers(0, 20))
def test_a_sheet_of_any_number(count: int, wanted: int) -> None:
    scores, labels = drawn(count)
    analysis: Analysis = analyse(scores, labels, CLASSES, tuple(map(str, range(count))), count=wanted)
    sheet = worst_sheet("title", analysis, photos(count), "rgb")
    assert sheet.ndim == 3 and sheet.dtype == np.uint8 and (sheet != 250).any()
