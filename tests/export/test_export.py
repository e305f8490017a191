"""A whole export: eight files, each held against Keras, and what keeps a bundle from being written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_edge.bundle import Bundle
from onsight_edge.classifier import Classifier
from onsight_edge.errors import DataError, ModelError, OnsightError, UsageError
from onsight_edge.files import sha256_bytes
from onsight_edge.golden import load_golden
from onsight_edge.metrics import wilson
from onsight_edge.spec import ModelSpec
from onsight_export import checks
from onsight_export.export import export_run
from onsight_export.options import ExportOptions
from onsight_export.quantize import ESTIMATORS
from onsight_export.report import VariantReport
from onsight_export.run import load_run_data, open_run
from onsight_export.variants import VARIANTS, parse_quant

ALL = list(VARIANTS)


def test_the_bundle_holds_every_variant_and_opens(exported: tuple[Path, Any], tiny: Any) -> None:
    out, _ = exported
    bundle = Bundle.open(out)
    assert list(bundle.variants) == ALL
    assert bundle.spec.input_statistics is not None
    assert dataclasses.replace(bundle.spec, input_statistics=None) == ModelSpec.load(tiny.run / "spec.json")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["manifest.json", "report.json", "golden.npz", *(f"{name}.{name.split('-')[0]}" for name in ALL)]
    )
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []


# measured 2026-11 on these pictures: float 1e-6, float16 2e-3, 8 bits 0.05
@pytest.mark.parametrize(
    ("variant", "tolerance", "agreement"),
    [
        ("tflite-float32", 1e-5, 1.0),
        ("onnx-float32", 1e-5, 1.0),
        ("tflite-float16", 0.01, 0.99),
        ("tflite-dynamic", 0.15, 0.97),
        ("tflite-int8", 0.25, 0.95),
        ("tflite-int16x8", 0.1, 0.97),
        ("onnx-float16", 0.02, 0.99),
        ("onnx-int8", 0.25, 0.95),
    ],
)
def test_each_variant_says_what_keras_says(
    exported: tuple[Path, Any], tiny: Any, variant: str, tolerance: float, agreement: float
) -> None:
    with Classifier.open(exported[0], variant=variant) as classifier:
        scores = classifier.scores(tiny.images)
    assert tiny.scores.std(axis=0).max() > 0.1  # the reference itself tells classes apart
    assert np.abs(scores - tiny.scores).max() < tolerance
    assert (scores.argmax(axis=1) == tiny.scores.argmax(axis=1)).mean() >= agreement


@pytest.mark.parametrize("variant", ALL)
def test_a_variant_takes_raw_pixels_and_describes_itself(exported: tuple[Path, Any], tiny: Any, variant: str) -> None:
    out, _ = exported
    file = out / Bundle.open(out).variants[variant].file
    with Classifier.open(file) as classifier:  # a bare file, away from its manifest
        fitted = dataclasses.replace(classifier.spec, threshold=0.0, input_statistics=None)
        assert fitted == ModelSpec.load(tiny.run / "spec.json") and classifier.spec.input_statistics is not None
        tensor = classifier.backend.input
        if variant == "tflite-int8":
            assert (tensor.dtype, tensor.scale, tensor.zero_point) == ("uint8", 1.0, 0)
            assert classifier.backend.output.dtype == "uint8"
        else:
            assert tensor.dtype == ("uint8" if variant.startswith("onnx") else "float32")
            assert not tensor.quantized


def test_the_report_says_what_the_files_do(exported: tuple[Path, Any], tiny: Any) -> None:
    out, report = exported
    written = json.loads((out / "report.json").read_text())
    assert written == json.loads(json.dumps(report.to_json()))
    assert written["schema"] == 2
    assert (written["name"], written["pictures"], written["command"]) == ("tiny", 200, "onsight export")
    assert written["source"]["model_sha256"] == sha256_bytes((tiny.run / "model.keras").read_bytes())
    assert written["dataset"]["split"] == "test"
    calibration = written["calibration"]
    assert (calibration["split"], calibration["pictures"], calibration["added"]) == ("train", 100, ["all 0", "all 255"])
    assert (calibration["compared_on"], calibration["compared_pictures"]) == ("validation", 80)
    for name in ("tflite-int8", "onnx-int8"):
        found = written["int8"][name]
        assert (found["pictures"], found["left_float"]) == (100, [])
        assert {each["estimator"] for each in found["tried"]} == set(ESTIMATORS)
    right = int((tiny.scores.argmax(axis=1) == tiny.labels).sum())
    assert written["keras"] == {"correct": right, "accuracy": right / 200, "interval": list(wilson(right, 200))}
    for each in written["variants"]:
        data = (out / each["file"]).read_bytes()
        assert (each["sha256"], each["bytes"]) == (sha256_bytes(data), len(data))
        with Classifier.open(out, variant=each["variant"]) as classifier:
            scores = classifier.scores(tiny.images)
        found = int((scores.argmax(axis=1) == tiny.labels).sum())
        assert (each["correct"], each["accuracy"], each["interval"]) == (found, found / 200, list(wilson(found, 200)))
        assert each["drop_points"] == pytest.approx(100 * (right - found) / 200)
        assert each["largest_difference"] == pytest.approx(np.abs(scores - tiny.scores).max(), rel=1e-4, abs=1e-6)
        assert 0 <= each["mean_difference"] <= each["largest_difference"]
        assert each["agreement"] == (scores.argmax(axis=1) == tiny.scores.argmax(axis=1)).mean()
    assert str(tiny.run) not in (out / "report.json").read_text()


def test_quantized_files_are_smaller(exported: tuple[Path, Any]) -> None:
    sizes = {each.variant: each.bytes for each in exported[1].variants}
    assert sizes["tflite-float16"] < 0.7 * sizes["tflite-float32"]
    assert sizes["tflite-int8"] < 0.5 * sizes["tflite-float32"]
    assert sizes["onnx-int8"] < 0.8 * sizes["onnx-float32"]  # names weigh more than weights in so small a network


def test_the_same_run_gives_the_same_bytes(exported: tuple[Path, Any], tiny: Any, tmp_path: Path) -> None:
    options = ExportOptions(max_drop_points=3.0, calibration=100, limit=20)
    export_run(tiny.run, tmp_path / "again.bundle", options)
    for name in ALL:
        file = f"{name}.{name.split('-')[0]}"
        assert (tmp_path / "again.bundle" / file).read_bytes() == (exported[0] / file).read_bytes(), name


def test_a_zip_is_the_same_bundle_in_one_file_the_same_twice(
    exported: tuple[Path, Any], tiny: Any, tmp_path: Path
) -> None:
    options = ExportOptions(parse_quant("float32"), limit=20)
    for name in ("one", "two"):
        export_run(tiny.run, tmp_path / f"{name}.bundle.zip", options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.bundle.zip", "two.bundle.zip"]
    assert (tmp_path / "one.bundle.zip").read_bytes() == (tmp_path / "two.bundle.zip").read_bytes()
    bundle = Bundle.open(tmp_path / "one.bundle.zip")
    assert list(bundle.variants) == ["tflite-float32", "onnx-float32"]
    assert bundle.read(bundle.variants["onnx-float32"]) == (exported[0] / "onnx-float32.onnx").read_bytes()
    with pytest.raises(OnsightError, match="exists already"):
        export_run(tiny.run, tmp_path / "one.bundle.zip", options)


def test_sensitivity_names_every_layer_and_kept_layers_stay_float(tiny: Any, tmp_path: Path) -> None:
    kernels = [layer.name for layer in tiny.model.layers if hasattr(layer, "kernel")]  # Keras numbers them by session
    kept = kernels.pop(2)
    options = ExportOptions(
        parse_quant("int8"),
        max_drop_points=3.0,
        calibration=60,
        estimator="minmax",
        sensitivity=True,
        keep_float=(kept,),
        golden="test",
    )
    report = export_run(tiny.run, tmp_path / "b.bundle", options)
    for name in ("tflite-int8", "onnx-int8"):
        found = report.int8[name]
        assert {each["layer"] for each in found["sensitivity"]} >= set(kernels)
        assert kept in found["left_float"]
    bundle = Bundle.open(tmp_path / "b.bundle")
    assert bundle.read(bundle.files["sensitivity.png"]).startswith(b"\x89PNG")
    frames = load_golden(bundle.read(bundle.files["golden.npz"])).frames
    shown = {picture[..., ::-1].tobytes() for picture in tiny.images}
    assert all(frame.tobytes() in shown for frame in frames)


def test_every_variant_has_a_threshold_of_its_own_that_keeps_the_known(exported: tuple[Path, Any], tiny: Any) -> None:
    out, report = exported
    bundle = Bundle.open(out)
    known = load_run_data(open_run(tiny.run), None).validation.images
    assert len(known) >= 20
    for each in report.variants:
        assert each.reject is not None and each.reject.false_accepts is None
        threshold = bundle.variant(each.variant).spec.threshold
        bare = Classifier.open(out / each.file)
        with bare, Classifier.open(out, variant=each.variant) as classifier:
            assert threshold == each.reject.threshold == bare.spec.threshold == classifier.spec.threshold > 0
            accepted = (classifier.scores(known).max(axis=1) >= threshold).mean()
            assert 0.95 <= accepted <= 0.95 + 1.01 / len(known)
            scores = classifier.scores(tiny.images)
        kept = scores.max(axis=1) >= threshold
        assert each.reject.false_rejects == pytest.approx(1 - kept.mean(), abs=1e-6)
        right = scores.argmax(axis=1) == tiny.labels
        assert each.reject.accuracy_accepted == pytest.approx(right[kept].mean(), abs=1e-6)
        assert each.accuracy == right.mean()  # the threshold plays no part in it


def test_pictures_of_no_known_class_are_counted(tiny: Any, tmp_path: Path) -> None:
    strange = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8)
    np.savez(
        tmp_path / "strange.npz",
        x_train=strange[:10], y_train=np.arange(10) % 2, x_test=strange[10:], y_test=np.arange(50) % 2,
        classes=np.array(["noise", "static"]),
    )  # fmt: skip
    asked = ExportOptions(parse_quant("tflite-float32"), limit=50, unknowns=str(tmp_path / "strange.npz"))
    report = export_run(tiny.run, tmp_path / "b.bundle", asked)
    reject = report.variants[0].reject
    assert report.unknowns == {"name": "strange", "pictures": 50}  # and not where it lies
    with Classifier.open(tmp_path / "b.bundle") as classifier:
        passed = (classifier.scores(strange[10:]).max(axis=1) >= reject.threshold).mean()
    assert reject.false_accepts == pytest.approx(passed, abs=1e-6)
    with pytest.raises(DataError, match="which the network knows"):
        known = dataclasses.replace(asked, unknowns=open_run(tiny.run).data["uri"])
        export_run(tiny.run, tmp_path / "c.bundle", known)
    assert not (tmp_path / "c.bundle").exists()


def test_without_reject_nothing_is_unknown(tiny: Any, tmp_path: Path) -> None:
    report = export_run(tiny.run, tmp_path / "b", ExportOptions(parse_quant("tflite-float32"), limit=50, reject=0))
    assert report.variants[0].reject is None and report.reject == 0
    assert Bundle.open(tmp_path / "b").variant("tflite-float32").spec.threshold == 0


def test_a_limit_is_spread_evenly_and_reported(tiny: Any, tmp_path: Path) -> None:
    report = export_run(tiny.run, tmp_path / "b", ExportOptions(parse_quant("tflite-float32"), limit=50))
    assert (report.pictures, report.dataset["test_pictures"]) == (50, 200)
    assert report.calibration is None
    assert report.keras["correct"] == int((tiny.scores[::4].argmax(axis=1) == tiny.labels[::4]).sum())


def plant(monkeypatch: pytest.MonkeyPatch, spoil: Any) -> None:
    """Let `spoil` change what TensorFlow's converter makes of the network."""
    from onsight_export import convert

    real = convert.tflite.convert
    monkeypatch.setattr(convert.tflite, "convert", lambda *arguments: spoil(real, *arguments))


def darken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrate on black pictures alone: every activation's range collapses, a real, bad conversion."""

    def dark(real: Any, folder: Any, variant: Any, calibration: np.ndarray) -> bytes:
        calibration = calibration // 16
        calibration[0, 0, 0] = 255  # a bright corner, so that the range of the input holds every pixel
        return bytes(real(folder, variant, calibration))

    plant(monkeypatch, dark)


def test_a_variant_that_lost_too_much_leaves_no_bundle(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    darken(monkeypatch)
    with pytest.raises(ModelError, match=r"tflite-int16x8.*loses \d+\.\d\d points.*--max-drop 1") as caught:
        export_run(tiny.run, tmp_path / "b.bundle", ExportOptions(parse_quant("tflite-int16x8"), 1.0, 40))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_was_allowed_is_not_refused(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    darken(monkeypatch)
    options = ExportOptions(parse_quant("tflite-int16x8"), 100.0, 40, min_agreement=0)
    report = export_run(tiny.run, tmp_path / "b.bundle", options)
    assert report.variants[0].drop_points > 1.0
    assert Bundle.open(tmp_path / "b.bundle").variants.keys() == {"tflite-int16x8"}


def test_too_little_agreement_leaves_no_bundle(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    darken(monkeypatch)
    with pytest.raises(ModelError, match=r"tflite-int16x8 on \d\d\.\d\d% \(at least 99.5%\): no bundle was written"):
        options = ExportOptions(parse_quant("tflite-int16x8"), 100.0, 40, min_agreement=0.995)
        export_run(tiny.run, tmp_path / "b.bundle", options)
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_is_not_raw_pixels_is_refused(exported: tuple[Path, Any], tiny: Any) -> None:
    with pytest.raises(ModelError, match=r"tflite-int8: its input is uint8 with scale 1.0.* not float32"):
        checks.check_file(
            exported[0] / "tflite-int8.tflite",
            VARIANTS["tflite-int8"],
            pixels=tiny.images,
            labels=tiny.labels,
            reference=tiny.scores,
            weights=checks.kernel_weights(tiny.model),
            float_io=True,
        )


def test_a_conversion_without_the_weights_is_caught(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def weightless(real: Any, folder: Any, variant: Any, *others: Any) -> bytes:
        import tensorflow as tf

        network = tiny.model
        function = tf.function(lambda image: network(image, training=False))
        concrete = function.get_concrete_function(tf.TensorSpec((1, 16, 16, 3), tf.float32))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], network)
        return bytes(converter.convert())

    plant(monkeypatch, weightless)
    with pytest.raises(ModelError, match="tflite-float32: the conversion lost the weights"):
        export_run(tiny.run, tmp_path / "b.bundle", ExportOptions(parse_quant("tflite-float32"), 100.0))
    assert list(tmp_path.iterdir()) == []


def test_a_size_below_the_weights_is_caught(exported: tuple[Path, Any], tiny: Any) -> None:
    with pytest.raises(ModelError, match="lost the weights"):
        checks.check_file(
            exported[0] / "tflite-int8.tflite",
            VARIANTS["tflite-int8"],
            pixels=tiny.images,
            labels=tiny.labels,
            reference=tiny.scores,
            weights=10 * checks.kernel_weights(tiny.model),
        )


def test_two_classes_in_the_wrong_order_are_caught(exported: tuple[Path, Any], tiny: Any) -> None:
    with pytest.raises(ModelError, match=r"onnx-float32: a score is .* away from Keras's"):
        checks.check_file(
            exported[0] / "onnx-float32.onnx",
            VARIANTS["onnx-float32"],
            pixels=tiny.images,
            labels=tiny.labels,
            reference=tiny.scores[:, [1, 0, 2, 3]],
            weights=checks.kernel_weights(tiny.model),
        )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda scores: scores * 2, "not probabilities"),
        (lambda scores: np.full_like(scores, 0.25), "the same for every picture"),
        (lambda scores: np.where(scores > 0.5, np.nan, scores), "not finite"),
    ],
)
def test_scores_that_cannot_be_this_networks_are_caught(tiny: Any, spoil: Any, message: str) -> None:
    from onsight_edge.frame import TensorInfo

    output = TensorInfo("scores", (1, 4), "float32")
    checks.check_scores(VARIANTS["tflite-dynamic"], tiny.scores, tiny.scores, output)
    with pytest.raises(ModelError, match=message):
        checks.check_scores(VARIANTS["tflite-dynamic"], spoil(tiny.scores), tiny.scores, output)


def report_of(variant: str, agreement: float, pictures: int) -> VariantReport:
    tensor = {"name": "x", "shape": [1], "dtype": "float32"}
    return VariantReport(
        variant, "f", "0", 1, "b", tensor, tensor, pictures, pictures, 1.0, (0.9, 1.0), 0.0, agreement, 0.1, 0.01
    )


@pytest.mark.parametrize(
    ("variant", "agreement", "pictures", "passes"),
    [
        ("tflite-int8", 0.90, 1000, True),
        ("tflite-int8", 0.89, 1000, False),
        ("tflite-int16x8", 0.89, 1000, False),
        ("onnx-float16", 0.99, 1000, True),
        ("onnx-float16", 0.98, 1000, False),
        ("tflite-float32", 0.999, 1000, True),
        ("tflite-float32", 0.998, 1000, False),
        ("tflite-float32", 0.9, 10, True),  # one picture may always differ
        ("tflite-float32", 0.8, 10, False),
    ],
)
def test_agreement_is_asked_of_every_variant(variant: str, agreement: float, pictures: int, passes: bool) -> None:
    reports = [report_of("tflite-dynamic", 1.0, pictures), report_of(variant, agreement, pictures)]
    if passes:
        checks.check_agreement(reports, 0.9)
    else:
        with pytest.raises(ModelError, match=f"names: {variant} on .*: no bundle was written"):
            checks.check_agreement(reports, 0.9)


def test_a_slow_variant_is_checked_on_fewer_pictures_and_says_so(tiny: Any, exported: tuple[Path, Any]) -> None:
    assert VARIANTS["tflite-int16x8"].most_pictures == 2000
    fewer = dataclasses.replace(VARIANTS["tflite-int16x8"], most_pictures=50)
    report = checks.check_file(
        exported[0] / "tflite-int16x8.tflite",
        fewer,
        pixels=tiny.images,
        labels=tiny.labels,
        reference=tiny.scores,
        weights=checks.kernel_weights(tiny.model),
    )
    assert report.pictures == 50
    with Classifier.open(exported[0], variant="tflite-int16x8") as classifier:
        right = int((classifier.scores(tiny.images[::4]).argmax(axis=1) == tiny.labels[::4]).sum())
    assert report.correct == right
    keras_right = int((tiny.scores[::4].argmax(axis=1) == tiny.labels[::4]).sum())
    assert report.drop_points == pytest.approx(100 * (keras_right - right) / 50)


def test_a_bundle_that_is_there_is_not_touched(exported: tuple[Path, Any], tiny: Any) -> None:
    before = (exported[0] / "manifest.json").read_bytes()
    with pytest.raises(OnsightError, match="exists already"):
        export_run(tiny.run, exported[0])
    assert (exported[0] / "manifest.json").read_bytes() == before


def test_bad_runs_are_named(tiny: Any, spoiled: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.bundle"

    def message(run: Path) -> str:
        with pytest.raises(OnsightError) as caught:
            export_run(run, out)
        assert not out.exists()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "is not there" in message(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no model.keras" in message(tmp_path / "empty")
    keras_file, data_file = spoiled / "model.keras", spoiled / "data.json"
    whole, data = keras_file.read_bytes(), json.loads(data_file.read_text())
    keras_file.write_bytes(whole[: len(whole) // 2])
    assert f"cannot load {keras_file}" in message(spoiled)
    keras_file.write_bytes(whole)
    data_file.write_text("{")
    assert "is not JSON" in message(spoiled)
    data_file.write_text(json.dumps(data | {"uri": str(tmp_path / "gone.npz")}))
    assert "gone.npz is not there" in message(spoiled)
    data_file.write_text(json.dumps(data | {"sha256": "0" * 64}))
    assert "has changed since" in message(spoiled)
    data_file.write_text(json.dumps(data))
    spec = ModelSpec.load(spoiled / "spec.json")
    dataclasses.replace(spec, classes=("green", "red", "blue", "grey")).save(spoiled / "spec.json")
    assert "the order counts" in message(spoiled)
    dataclasses.replace(spec, input_size_wh=(8, 8)).save(spoiled / "spec.json")
    assert "takes (8, 8, 3)" in message(spoiled)


def test_options_that_make_no_sense_are_usage_errors() -> None:
    for wrong in ({"calibration": 0}, {"opset": 12}, {"limit": -1}, {"variants": ()}):
        with pytest.raises(UsageError):
            ExportOptions(**wrong)


def test_a_moved_data_set_is_found_where_it_is_now(tiny: Any, spoiled: Path) -> None:
    data = json.loads((spoiled / "data.json").read_text())
    (spoiled / "data.json").write_text(json.dumps(data | {"uri": "/nowhere.npz"}))
    with pytest.raises(DataError):
        load_run_data(open_run(spoiled))
    assert len(load_run_data(open_run(spoiled), data["uri"]).test) == 200


def test_grey_pictures_and_logits_export_too(tmp_path: Path) -> None:
    import keras

    random = np.random.default_rng(0)
    labels = np.arange(160) % 2
    images = (random.integers(0, 120, (160, 9, 7)) + 90 * labels[:, None, None]).astype(np.uint8)
    np.savez(tmp_path / "grey.npz", x_train=images[:80], y_train=labels[:80], x_test=images[80:], y_test=labels[80:])
    pooled = keras.layers.GlobalAveragePooling2D()
    network = keras.Sequential([keras.Input((9, 7, 1)), keras.layers.Rescaling(1 / 255), pooled, keras.layers.Dense(2)])
    network.set_weights([np.array([[-8, 8]], np.float32), np.array([3.3, -3.3], np.float32)])
    run = tmp_path / "run"
    run.mkdir()
    network.save(run / "model.keras")
    spec = ModelSpec("grey", ("0", "1"), (7, 9), colour="grey", output="logits")
    spec.save(run / "spec.json")
    (run / "data.json").write_text(json.dumps({"uri": str(tmp_path / "grey.npz"), "colour": "grey"}))
    report = export_run(
        run, tmp_path / "b.bundle", ExportOptions(parse_quant("int8,float32"), calibration=20, estimator="minmax")
    )
    assert len(report.variants) == 4
    assert report.keras["accuracy"] > 0.9
    assert all(each.agreement > 0.95 for each in report.variants)
    assert [each.input["shape"] for each in report.variants] == 2 * [[1, 9, 7, 1]] + 2 * [[-1, 9, 7, 1]]
