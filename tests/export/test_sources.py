"""Networks that no run came with: .keras files and SavedModels, and what they expect pixels to be."""

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
from onsight_edge.spec import ModelSpec
from onsight_export.export import export_run
from onsight_export.fold import RANGES, takes_raw_pixels
from onsight_export.options import ExportOptions, default_out
from onsight_export.sources import open_source
from onsight_export.variants import parse_quant


def quietly(stage: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def uri(tiny: Any) -> str:
    return str(json.loads((tiny.run / "data.json").read_text())["uri"])


@pytest.fixture(scope="module")
def unscaled(tiny: Any) -> Any:
    """The tiny network without its Rescaling: it expects 0..1. Layers and weights are shared."""
    import keras

    return keras.Sequential([keras.Input(tiny.images.shape[1:]), *tiny.model.layers[1:]], name="unscaled")


def options(uri: str, quant: str = "float32", **more: Any) -> ExportOptions:
    return ExportOptions(parse_quant(quant), max_drop_points=3.0, data=uri, **more)


def test_a_keras_file_gives_the_files_that_its_run_gives(
    exported: tuple[Path, Any], tiny: Any, uri: str, tmp_path: Path
) -> None:
    report = export_run(tiny.run / "model.keras", tmp_path / "b.bundle", options(uri))
    assert report.source["kind"] == "keras"
    assert report.source["model_sha256"] == sha256_bytes((tiny.run / "model.keras").read_bytes())
    assert (report.name, report.pictures) == ("model", 200)
    bundle = Bundle.open(tmp_path / "b.bundle")
    assert bundle.spec.input_statistics is not None
    plain = dataclasses.replace(bundle.spec, input_statistics=None)
    assert plain == ModelSpec("model", ("red", "green", "blue", "grey"), (16, 16))
    with Classifier.open(tmp_path / "b.bundle", variant="tflite-float32") as classifier:
        np.testing.assert_allclose(classifier.scores(tiny.images), tiny.scores, atol=1e-5)


@pytest.mark.parametrize("text", ["0..1", "-1..1"])
def test_what_the_network_expects_is_folded_in(unscaled: Any, tiny: Any, text: str) -> None:
    mean, std = RANGES[text]
    spec = ModelSpec("x", ("red", "green", "blue", "grey"), (16, 16), mean=(mean,), std=(std,))
    folded = takes_raw_pixels(unscaled, spec)
    fed = (tiny.images[:20].astype(np.float32) - mean) / std
    wanted = np.asarray(unscaled(fed))
    np.testing.assert_allclose(np.asarray(folded(tiny.images[:20].astype(np.float32))), wanted, atol=1e-5)
    assert [layer.name for layer in folded.layers][2:] == [layer.name for layer in unscaled.layers]


def test_a_mean_and_std_by_channel_are_folded_in_and_the_files_take_raw_pixels(
    unscaled: Any, tiny: Any, uri: str, tmp_path: Path
) -> None:
    mean, std = (10.0, 0.0, -10.0), (255.0, 250.0, 260.0)
    given = ModelSpec("shifted", ("red", "green", "blue", "grey"), (16, 16), mean=mean, std=std)
    given.save(tmp_path / "spec.json")
    unscaled.save(tmp_path / "net.keras")
    asked = options(uri, "tflite-float32,tflite-int8", spec=tmp_path / "spec.json", calibration=60, estimator="minmax")
    report = export_run(tmp_path / "net.keras", tmp_path / "b.bundle", asked)
    assert [each.input["dtype"] for each in report.variants] == ["float32", "uint8"]
    bundle = Bundle.open(tmp_path / "b.bundle")
    plain = dataclasses.replace(bundle.spec, input_statistics=None)
    assert plain == dataclasses.replace(given, mean=(0.0,), std=(1.0,))
    wanted = np.asarray(unscaled(((tiny.images - np.array(mean)) / np.array(std)).astype(np.float32)))
    with Classifier.open(tmp_path / "b.bundle", variant="tflite-float32") as classifier:
        np.testing.assert_allclose(classifier.scores(tiny.images), wanted, atol=1e-4)


def test_a_range_that_is_clearly_another_is_refused_with_its_flag(uri: str, tmp_path: Path) -> None:
    import keras

    # by hand: a channel against the mean of the others, grey where none stands out by half a blob; for pixels 0..1
    last = keras.layers.Dense(4, activation="softmax")
    network = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D(), last])
    against = 300 * (1.5 * np.eye(3, 4) - 0.5 * (np.arange(4) < 3))
    last.set_weights([against, np.array([0, 0, 0, 300 * 13 / 255])])
    network.save(tmp_path / "net.keras")
    with pytest.raises(ModelError, match=r"seems to expect 0\.\.1.*, not raw pixels: .* say --range 0\.\.1") as caught:
        export_run(tmp_path / "net.keras", tmp_path / "b.bundle", options(uri))
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.keras"]
    source = open_source(tmp_path / "net.keras", options(uri, range="0..1"), quietly)
    assert source.spec.raw_pixels
    right = np.asarray(source.model(source.dataset.test.images.astype(np.float32))).argmax(axis=1)
    assert (right == source.dataset.test.labels).mean() > 0.8


def test_logits_are_told_from_probabilities(tiny: Any, uri: str, tmp_path: Path) -> None:
    import keras

    last = keras.layers.Dense(4, name="logits")
    network = keras.Sequential([keras.Input((16, 16, 3)), *tiny.model.layers[:-1], last])
    last.set_weights(tiny.model.layers[-1].get_weights())
    network.save(tmp_path / "net.keras")
    assert open_source(tmp_path / "net.keras", options(uri), quietly).spec.output == "logits"
    assert open_source(tiny.run / "model.keras", options(uri), quietly).spec.output == "probabilities"


def test_a_saved_model_exports_too(unscaled: Any, tiny: Any, uri: str, tmp_path: Path) -> None:
    import tensorflow as tf

    class Network(tf.Module):  # type: ignore[misc]
        """As TensorFlow itself saves one: no Keras around it, and an input of bytes."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = tiny.model

        @tf.function(input_signature=[tf.TensorSpec((None, 16, 16, 3), tf.uint8, name="pixels")])
        def serve(self, pixels: Any) -> dict[str, Any]:
            return {"p": self.inner(tf.cast(pixels, tf.float32), training=False)}

    module = Network()
    folder = tmp_path / "net.v1"
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    report = export_run(folder, tmp_path / "b.bundle", options(uri, "float32,int8", calibration=60, estimator="minmax"))
    assert (report.source["kind"], report.name) == ("saved-model", "net.v1")
    assert report.source["parameters"] == tiny.model.count_params()
    assert [each.variant for each in report.variants] == ["tflite-float32", "tflite-int8", "onnx-float32", "onnx-int8"]
    for variant in ("tflite-float32", "onnx-float32"):
        with Classifier.open(tmp_path / "b.bundle", variant=variant) as classifier:
            np.testing.assert_allclose(classifier.scores(tiny.images), tiny.scores, atol=1e-4)
    assert default_out(folder).name == "net.v1.bundle"


def test_what_does_not_fit_is_named(tiny: Any, uri: str, tmp_path: Path) -> None:
    import keras

    def message(path: Path, asked: ExportOptions, kind: type[OnsightError]) -> str:
        with pytest.raises(kind) as caught:
            export_run(path, tmp_path / "b.bundle", asked)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "b.bundle").exists()
        return str(caught.value)

    network = tiny.run / "model.keras"
    assert "--data DATA, or export the run" in message(network, ExportOptions(), UsageError)
    assert "not both" in message(network, options(uri, spec=Path("s.json"), range="0..1"), UsageError)
    assert "has its own" in message(tiny.run, options(uri, range="0..1"), UsageError)
    free = keras.Sequential([keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()])
    free.save(tmp_path / "free.keras")
    assert "any size: say which one with --spec" in message(tmp_path / "free.keras", options(uri), ModelError)
    three = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D()])
    three.save(tmp_path / "three.keras")
    assert "gives (3,)" in message(tmp_path / "three.keras", options(uri), ModelError)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "saved_model.pb").write_bytes(b"\x00not a graph")
    assert "cannot load the SavedModel" in message(tmp_path / "bad", options(uri), ModelError)
    ModelSpec("x", ("green", "red", "blue", "grey"), (16, 16)).save(tmp_path / "spec.json")
    assert "the order counts" in message(network, options(uri, spec=tmp_path / "spec.json"), DataError)
    assert "a .keras file or a SavedModel" in message(tmp_path / "spec.json", options(uri), ModelError)


@pytest.mark.parametrize("name", ["image", "onsight_range"])
def test_a_layer_may_be_called_what_the_fold_is_called(name: str) -> None:
    keras = pytest.importorskip("keras")

    layers = [keras.layers.Conv2D(2, 3, name=name), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((8, 8, 3), name="taken"), *layers])
    folded = takes_raw_pixels(model, ModelSpec("x", ("a", "b"), (8, 8), std=(255.0,)))
    pixels = np.full((1, 8, 8, 3), 51, np.float32)
    assert np.allclose(folded.predict(pixels, verbose=0), model.predict(pixels / 255, verbose=0), atol=1e-5)


@pytest.mark.parametrize("wrong", [{"estimator": "best"}, {"max_drop_points": float("nan")}, {"max_drop_points": -1.0}])
def test_options_are_checked_from_python_too(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        ExportOptions(**wrong)
