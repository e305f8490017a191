"""Tuning with real models: what takes part, what is refused, what is chosen and written down."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight.tune_screen import lines
from onsight_benchmarks import tune_check
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.plan import open_all
from onsight_benchmarks.record_file import save_json
from onsight_benchmarks.rounds import BLOCK, measure_rounds
from onsight_benchmarks.tables.page import markdown
from onsight_benchmarks.tuning.accuracy import Accuracy, Floor, Labelled, measure_accuracies, read_report
from onsight_benchmarks.tuning.arms import Arm, block_calls, prepare
from onsight_benchmarks.tuning.outcome import choose
from onsight_benchmarks.tuning.race import Race
from onsight_benchmarks.tuning.tune import Tuned, tune
from onsight_edge.bundle import DEFAULT_MODEL, Bundle, write_manifest
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BackendError, BenchmarkError, UsageError
from onsight_edge.golden import FILE, Golden, golden_bytes

TFLITE = ("tflite-int8", "tflite-float32")


def with_report(bundle: Path, target: Path, drops: dict[str, float], golden: Golden | None = None) -> Path:
    """A copy of the TFLite variants with a report that says how many points each lost."""
    target.mkdir()
    files = {variant: f"{variant}.tflite" for variant in TFLITE}
    for file in files.values():
        (target / file).write_bytes((bundle / file).read_bytes())
    variants = [
        {"variant": name, "accuracy": round(0.9 - drop / 100, 6), "drop_points": drop, "pictures": 1000}
        for name, drop in drops.items()
    ]
    report = {
        "pictures": 1000,
        "dataset": {"sha256": "d" * 64, "test_pictures": 1000, "name": "pets"},
        "keras": {"accuracy": 0.9},
        "max_drop_points": 1.0,
        "variants": variants,
    }
    (target / "report.json").write_text(json.dumps(report))
    extra = ["report.json"]
    if golden is not None:
        (target / FILE).write_bytes(golden_bytes(golden))
        extra.append(FILE)
    spec = Bundle.open(bundle).spec
    write_manifest(target, name="pets", spec=spec, variants=files, extra=extra, golden=None if golden is None else FILE)
    return target


@pytest.fixture
def heavier(bundle: Path, tmp_path: Path) -> Path:
    """`onnx-float32`, and under the name of `onnx-int8` the same network on a picture that is convolved first."""
    onnx = pytest.importorskip("onnx")
    folder = tmp_path / "heavier.bundle"
    folder.mkdir()
    model = onnx.load(bundle / "onnx-float32.onnx")
    onnx.save(model, folder / "onnx-float32.onnx")
    kernel = np.random.default_rng(0).normal(size=(3, 3, 15, 15)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "kernel"))
    pool = next(node for node in model.graph.node if node.op_type == "GlobalAveragePool")
    pool.input[0] = "convolved"
    convolve = onnx.helper.make_node("Conv", ["planes", "kernel"], ["convolved"], pads=[7, 7, 7, 7])
    model.graph.node.insert(1, convolve)
    onnx.save(model, folder / "onnx-int8.onnx")
    files = {variant: f"{variant}.onnx" for variant in ("onnx-int8", "onnx-float32")}
    write_manifest(folder, name="heavier", spec=Bundle.open(bundle).spec, variants=files, extra=[])
    return folder


@pytest.fixture(scope="session")
def tuned(bundle: Path) -> Tuned:
    """One short but real tuning of every combination."""
    return tune(bundle, budget_s=2, exhaustive=True)


def test_every_combination_is_accounted_for(tuned: Tuned) -> None:
    labels = {one.label for one in tuned.tried}
    assert len(labels) == len(tuned.tried) == 3
    assert [one.fate for one in tuned.tried].count("chosen") == 1 and tuned.tried[0].fate == "chosen"
    for one in tuned.tried:
        assert one.end_to_end_ms is not None and one.calls >= one.rounds > 0
        assert one.fate in ("chosen", "even", "slower") and bool(one.because) == (one.fate != "chosen")
        assert (one.rung is not None) == (one.fate == "slower")
        assert one.ratio is not None
    assert {one.backend for one in tuned.report.results["skipped"]} == {"tflite-runtime"}


def test_a_network_of_five_operations_is_found_faster_than_a_residual_one(tuned: Tuned) -> None:
    assert tuned.tried[0].model.variant == "onnx-float32"
    assert tuned.exhaustive is not None and tuned.exhaustive.best.startswith("onnx-float32")
    assert set(tuned.exhaustive.p50_ms) == {one.label for one in tuned.tried}
    assert tuned.exhaustive.ratio.rounds == tuned.exhaustive.rounds
    (target,) = tuned.report.targets
    assert (target.measured, target.limit) == (tuned.exhaustive.ratio.median, 1.03)


def test_the_profile_is_the_choice(tuned: Tuned, bundle: Path) -> None:
    profile, choice = tuned.profile, tuned.tried[0]
    assert profile is not None and choice.end_to_end_ms is not None
    assert (profile.variant, profile.backend, profile.threads) == (
        choice.model.variant,
        choice.backend.name,
        choice.backend.threads,
    )
    assert (profile.p50_ms, profile.p95_ms) == (choice.end_to_end_ms.p50, choice.end_to_end_ms.p95)
    assert profile.model.sha256 == json.loads((bundle / "manifest.json").read_text())["sha256"]


def test_the_record_is_json(tuned: Tuned) -> None:
    record = json.loads(json.dumps(tuned.report.to_json(), allow_nan=False))
    assert (record["kind"], record["results"]["choice"]) == ("tune", tuned.tried[0].label)
    assert len(record["results"]["tried"]) == 3
    assert record["method"]["budget_s"] == 2 and record["method"]["max_drop_points"] is None


def test_records_become_tables(tuned: Tuned, tmp_path: Path) -> None:
    save_json(tmp_path / "tune.json", tuned.report.to_json())
    table = markdown(tmp_path / "tune.json")
    assert "| onnx-float32 | onnxruntime | 1 |" in table and "| chosen |" in table and "measured in full" in table


def test_the_choice_is_checked_several_times(tmp_path: Path) -> None:
    report = tune_check.measure(["default"], times=2, budget_s=1, threads=(1,))
    assert [one.ratio.median for one in report.results["tunings"]] == [1.0, 1.0]  # there is nothing to choose from
    (target,) = report.targets
    assert target.met and "the worst of 2 tunings" in target.what
    save_json(tmp_path / "check.json", report.to_json())
    assert "| tflite-int8/litert/1 | tflite-int8/litert/1 | 1.00x (1.00-1.00) |" in markdown(tmp_path / "check.json")
    with pytest.raises(UsageError, match="--times"):
        tune_check.measure(times=0)
    with pytest.raises(BenchmarkError, match="different names"):
        tune_check.measure(["default", DEFAULT_MODEL])


def test_int8_is_compared_with_float32_in_the_same_runtime(tuned: Tuned) -> None:
    (one,) = tuned.int8  # there is no onnx-int8
    assert one.of.startswith("tflite-int8/litert/") and one.to.startswith("tflite-float32/litert/")
    slow = replace(one, ratio=replace(one.ratio, median=1.2, low=1.1, high=1.3, rounds=20))
    assert slow.slower and not replace(slow, ratio=replace(slow.ratio, low=0.9)).slower


def test_int8_that_is_slower_is_said(heavier: Path) -> None:
    found = tune(heavier, budget_s=2, threads=(1,))
    assert found.profile is not None and found.profile.variant == "onnx-float32"
    (one,) = found.int8
    assert one.slower and one.ratio.median > 1.2
    said = [line for line in lines(found) if line.startswith("int8 is slower here: onnx-int8/onnxruntime/1 takes ")]
    assert len(said) == 1 and said[0].endswith("of the time of onnx-float32/onnxruntime/1")


def test_nothing_known_of_the_accuracy_is_said(tuned: Tuned) -> None:
    assert any("accuracy" in note for note in tuned.notes)


def test_what_loses_too_much_takes_no_part(bundle: Path, tmp_path: Path) -> None:
    pets = with_report(bundle, tmp_path / "pets", {"tflite-int8": 2.0, "tflite-float32": 0.0})
    found = tune(pets, budget_s=1)
    assert found.profile is not None and found.profile.variant == "tflite-float32"
    assert found.profile.accuracy == 0.9
    rejected = found.tried[-1]
    assert (rejected.fate, rejected.calls) == ("accuracy", 0)
    assert rejected.because == "loses 2.00 points, at most 1 allowed"
    assert tune(pets, budget_s=1, max_drop=5, variants=("tflite-int8",)).profile is not None


def test_all_rejected_leaves_no_profile(bundle: Path, tmp_path: Path) -> None:
    pets = with_report(bundle, tmp_path / "pets", {"tflite-int8": 0.5, "tflite-float32": 0.0})
    found = tune(pets, budget_s=1, min_accuracy=0.95)
    assert found.profile is None and {one.fate for one in found.tried} == {"accuracy"}
    found = tune(pets, budget_s=1, p95_ms=0.001, max_drop=0.1)
    assert found.profile is None and found.report.results["choice"] is None
    assert [one.fate for one in found.tried] == ["p95", "accuracy"]


def test_a_floor_without_any_knowledge_is_refused(bundle: Path) -> None:
    for floor in ({"max_drop": 1.0}, {"min_accuracy": 0.5}):
        with pytest.raises(BenchmarkError, match="nothing is known of the accuracy"):
            tune(bundle, budget_s=1, **floor)  # type: ignore[arg-type]


def test_wrong_golden_answers_take_no_part(bundle: Path, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3), np.uint8)
    with Classifier.open(bundle, variant="tflite-int8") as one:
        scores = np.stack([one.classify(frame).scores for frame in frames])
    golden = Golden(
        frames,
        {"tflite-int8": np.roll(scores, 1, axis=1), "tflite-float32": scores},
        dict.fromkeys(TFLITE, 0.01),
    )
    drops = dict.fromkeys(TFLITE, 0.0)
    found = tune(with_report(bundle, tmp_path / "pets", drops, golden), budget_s=1, threads=(1, 2))
    assert found.profile is not None and found.profile.variant == "tflite-float32"
    wrong = [one for one in found.tried if one.fate == "golden"]
    assert [one.model.variant for one in wrong] == ["tflite-int8"] * 2
    assert all("golden samples otherwise than at the export" in one.because for one in wrong)


def test_an_arm_that_fails_is_left_out(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Classifier.classify_timed

    def fails(self: Classifier, frame: Any) -> Any:
        if self.backend.name == "onnxruntime":
            raise BackendError("onnxruntime failed to run the model: no")
        return real(self, frame)

    monkeypatch.setattr(Classifier, "classify_timed", fails)
    found = tune(bundle, budget_s=1)
    assert found.profile is not None and found.profile.backend == "litert"
    assert [one.because for one in found.tried if one.fate == "failed"] == ["onnxruntime failed to run the model: no"]


def test_a_bare_file(bundle: Path) -> None:
    found = tune(bundle / "onnx-float32.onnx", budget_s=1, threads=(1, 2))
    assert found.profile is not None and found.profile.variant is None
    assert found.profile.backend == "onnxruntime" and found.profile.model.name == "onnx-float32"


def test_numbers_that_make_no_sense(bundle: Path) -> None:
    for wrong in ({"budget_s": 0}, {"p95_ms": 0}, {"p95_ms": -1}):
        with pytest.raises(UsageError, match="above 0"):
            tune(bundle, **wrong)  # type: ignore[arg-type]


def test_a_report_of_another_kind_says_nothing(bundle: Path, tmp_path: Path) -> None:
    assert read_report(bundle).variants == {}
    assert read_report(bundle / "onnx-float32.onnx").variants == {}
    pets = with_report(bundle, tmp_path / "pets", {"tflite-int8": 0.25})
    said = read_report(pets)
    assert said.variants["tflite-int8"] == Accuracy(0.8975, 0.25, 1000, "report")
    assert (said.keras, said.dataset_sha256, said.max_drop_points) == (0.9, "d" * 64, 1.0)
    report = read_report("default")
    assert report.variants["tflite-int8"].accuracy == pytest.approx(0.8855)


def test_accuracy_is_measured_on_pictures(bundle: Path) -> None:
    spec = Bundle.open(bundle).spec
    images = np.random.default_rng(1).integers(0, 256, (60, 32, 32, 3), np.uint8)
    with (
        Classifier.open(bundle, variant="tflite-int8") as good,
        Classifier.open(bundle, variant="onnx-float32") as other,
    ):
        labels = good.scores(images).argmax(axis=1)
        data = Labelled("noise", "", images, labels)
        same = float(np.mean(other.scores(images).argmax(axis=1) == labels))
        asked = {"tflite-int8": (good, 1.0), "onnx-float32": (other, 2.0)}
        found = measure_accuracies(asked, data, Floor(1.0, None), read_report(bundle), lambda what, share: None)
        assert found["tflite-int8"] == Accuracy(1.0, 0.0, 60, "noise")
        assert found["onnx-float32"].accuracy == pytest.approx(same)
        assert found["onnx-float32"].drop_points == pytest.approx(100 * (1 - same))
        asked = {"tflite-int8": (good, 1.0), "onnx-int8": (other, 9.0)}  # far slower than one that is right enough
        assert set(measure_accuracies(asked, data, Floor(1.0, None), read_report(bundle), lambda w, s: None)) == {
            "tflite-int8"
        }
        labels = (labels + 1) % len(spec.classes)  # now the fast one is never right, so the slow one is asked
        data = Labelled("noise", "", images, labels)
        floor = Floor(None, 0.5)
        assert len(measure_accuracies(asked, data, floor, read_report(bundle), lambda what, share: None)) == 2


def test_with_data_the_report_is_not_asked(bundle: Path, tmp_path: Path) -> None:
    pets = with_report(bundle, tmp_path / "pets", {"tflite-int8": 9.0, "tflite-float32": 9.0})
    images = np.random.default_rng(1).integers(0, 256, (20, 32, 32, 3), np.uint8)
    with Classifier.open(bundle, variant="tflite-int8") as one:
        labels = one.scores(images).argmax(axis=1)
    found = tune(pets, budget_s=1, data=Labelled("noise", "", images, labels))
    assert found.profile is not None and found.profile.accuracy == 1.0
    assert found.tried[0].accuracy == Accuracy(1.0, 0.0, 20, "noise")


def test_a_slow_variant_is_asked_where_the_fast_one_is_wrong(heavier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Bundle.open(heavier).spec
    files = {"onnx-int8": "onnx-float32.onnx", "onnx-float16": "onnx-int8.onnx"}  # now int8 is the light one
    report = {
        "pictures": 60,
        "dataset": {"sha256": "d" * 64, "test_pictures": 60, "name": "colours"},
        "keras": {"accuracy": 1.0},
        "max_drop_points": 1.0,
        "variants": [],
    }
    (heavier / "report.json").write_text(json.dumps(report))
    write_manifest(heavier, name="swapped", spec=spec, variants=files, extra=["report.json"])
    colours = np.random.default_rng(2).integers(0, 256, (60, 1, 1, 3), np.uint8)
    images = np.repeat(np.repeat(colours, 32, axis=1), 32, axis=2)
    with Classifier.open(heavier, variant="onnx-float16") as one:
        labels = one.scores(images).argmax(axis=1)
    with Classifier.open(heavier, variant="onnx-int8") as one:
        assert np.mean(one.scores(images).argmax(axis=1) == labels) < 0.9
    monkeypatch.setattr("onsight_benchmarks.tuning.accuracy.TOO_SLOW", 1.01)
    found = tune(heavier, budget_s=1, data=Labelled("colours", "d" * 64, images, labels))
    assert found.profile is not None and found.profile.variant == "onnx-float16"
    assert {one.model.variant: one.fate for one in found.tried} == {"onnx-float16": "chosen", "onnx-int8": "accuracy"}


def test_equally_fast_means_fewer_threads_then_the_more_accurate(bundle: Path) -> None:
    combinations, _ = open_all(bundle, threads=(1, 2), variants=TFLITE)
    try:
        arms = prepare(combinations, make_frame()[0], lambda what, share: None)
    finally:
        for one in combinations:
            one.classifier.close()
    assert [arm.label for arm in arms] == [f"{v}/litert/{t}" for v in TFLITE for t in (1, 2)]
    known = {"tflite-int8": Accuracy(0.8, 1.0, 10, "report"), "tflite-float32": Accuracy(0.81, 0.0, 10, "report")}

    def order(times_us: list[float]) -> list[int]:
        race = Race(
            4, lambda alive: [np.array([1000 * times_us[i]], np.int64) for i in alive], iter(range(99)).__next__
        )
        race.run(range(4), until=1)
        return choose(arms, range(4), race, known)

    assert order([1000, 1000, 1000, 1000]) == [2, 0, 3, 1]
    assert order([1000, 990, 1010, 987])[0] == 0  # 1010 is over 1.5 % above the fastest
    assert order([1000, 900, 990, 950]) == [1, 3, 2, 0]


def test_slow_arms_make_fewer_calls_a_block() -> None:
    assert block_calls(0.0003, 0.0003) == BLOCK
    assert block_calls(0.006, 0.0003) == 1
    assert block_calls(0.0009, 0.0003) == 6
    assert block_calls(0.2, 0.15) == 1
    assert block_calls(0.01, 0.01) == 5


def test_the_subject_of_a_slow_arm_is_capped(bundle: Path) -> None:
    from onsight_benchmarks.tuning.arms import subject

    combinations, _ = open_all(bundle, variants=("tflite-int8",))
    (arm,) = prepare(combinations, make_frame()[0], lambda what, share: None)
    slow = Arm(arm.variant, arm.one, seconds=0.5)
    (blocks,) = measure_rounds([subject(slow, make_frame()[0], 0.01)], iterations=1, rng=random.Random(0))
    assert [len(block) for block in blocks] == [1]
    assert len(subject(slow, make_frame()[0], 0.01)(2)) == 0  # nothing to settle
    assert len(subject(arm, make_frame()[0], arm.seconds)(2)) == 2
    combinations[0].classifier.close()


def test_of_all_that_miss_the_p95_the_fastest_comes_first(bundle: Path) -> None:
    found = tune(bundle, variants=("tflite-float32", "tflite-int8"), threads=(1,), budget_s=1, p95_ms=0.001)
    assert found.profile is None and [one.fate for one in found.tried] == ["p95", "p95"]
    medians = [one.end_to_end_ms.p50 for one in found.tried if one.end_to_end_ms is not None]
    assert len(medians) == 2 and medians == sorted(medians)
