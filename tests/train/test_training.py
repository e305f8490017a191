"""Real trainings, tiny ones. All of training's tests that need TensorFlow are here, so that it is imported once."""

from __future__ import annotations

import csv
import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import DataError, ModelError, OnsightError
from onsight_edge.spec import ModelSpec
from onsight_train.archs import ARCHITECTURES, find_arch
from onsight_train.evaluate import open_run, predict_scores
from onsight_train.fit import fit
from onsight_train.history import Epoch
from onsight_train.recipes import RECIPES, Recipe, find_recipe
from onsight_train.run import Plan, Run, partial_folder, train_run

QUICK = Recipe("quick", epochs=2, batch=16, lr=3e-3, flip=True, pad=1, dropout=0.2)


def cnn(keras: Any, dataset: Dataset, seed: int = 0) -> Any:
    keras.utils.set_random_seed(seed)
    return find_arch("seed-cnn").build(dataset.train.images.shape[1:], len(dataset.classes))


@pytest.fixture(scope="module")
def trained(keras: Any, colours: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "first"
    plan = Plan(find_arch("seed-cnn"), QUICK, seed=3, name="colours", command=("onsight", "train"))
    return train_run(colours, plan, folder)


def test_parameters_are_those_of_the_originals(keras: Any) -> None:
    assert find_arch("seed-cnn").build((32, 32, 3), 10).count_params() == 315_722
    resnet = find_arch("resnet8").build((32, 32, 3), 10)
    assert resnet.count_params() == 78_666
    norms = [layer for layer in resnet.layers if isinstance(layer, keras.layers.BatchNormalization)]
    # what is left when batch norm is folded into the convolutions: MLPerf Tiny's 77.7 thousand
    assert resnet.count_params() - sum(norm.count_params() for norm in norms) == 77_706


def test_resnet8_is_wired_as_published(keras: Any) -> None:
    resnet = find_arch("resnet8").build((32, 32, 3), 10)
    shapes = [resnet.get_layer(f"stack{n}_add").output.shape[1:] for n in (1, 2, 3)]
    assert shapes == [(32, 32, 16), (16, 16, 32), (8, 8, 64)]
    shortcuts = [layer.name for layer in resnet.layers if getattr(layer, "kernel_size", None) == (1, 1)]
    assert shortcuts == ["stack2_shortcut", "stack3_shortcut"]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 36, 1)])
def test_networks_take_raw_pixels_of_the_data_s_shape(keras: Any, name: str, shape: tuple[int, int, int]) -> None:
    model = find_arch(name).build(shape, 4, dropout=0.5)
    assert model.input_shape == (None, *shape) and model.output_shape == (None, 4)
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    assert isinstance(layers[0], keras.layers.Rescaling) and layers[0].scale == 1 / 255 and layers[0].offset == 0
    assert all(not layer.name.startswith("_") for layer in model.layers), "such names break model.export"
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    # called, not predicted: tracing the graph of a deep network takes longer than all else here
    scores = np.asarray(model(np.full((2, *shape), 255, np.float32), training=False))
    assert scores.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_smallest_pictures(keras: Any, name: str) -> None:
    arch = find_arch(name)
    side = arch.smallest
    assert arch.build((side, side, 3), 2).output_shape == (None, 2)
    with pytest.raises(DataError, match=f"{side}x{side}.*--imgsz"):
        arch.build((side, side - 1, 3), 2)


def test_unknown_names_are_answered_with_the_known_and_the_closest() -> None:
    with pytest.raises(ModelError, match=r"'resnet9': did you mean resnet8\? known are seed-cnn, resnet8"):
        find_arch("resnet9")
    with pytest.raises(ModelError, match="known are tutorial, standard"):
        find_recipe("zzz")


def test_run_folder_is_whole(trained: Run) -> None:
    names = {path.name for path in trained.folder.iterdir()}
    assert names == {
        "model.keras", "spec.json", "data.json", "history.csv", "metrics.json", "learning_curves.png",
        "confusion_matrix.png",
    }  # fmt: skip
    assert [path.name for path in trained.folder.parent.iterdir()] == ["first"], "nothing is left beside it"
    spec = ModelSpec.load(trained.folder / "spec.json")
    assert spec.raw_pixels and spec.input_size_wh == (12, 12) and spec.classes == ("red", "green", "blue")
    for picture in ("learning_curves.png", "confusion_matrix.png"):
        image = cv2.imread(str(trained.folder / picture))
        assert image is not None and min(image.shape[:2]) > 300


def test_run_records_what_it_was(trained: Run, colours: Dataset) -> None:
    metrics = json.loads((trained.folder / "metrics.json").read_text())
    assert metrics == trained.metrics
    assert metrics["seed"] == 3 and metrics["arch"] == "seed-cnn" and metrics["command"] == ["onsight", "train"]
    assert metrics["recipe"] == QUICK.to_json() and metrics["dropout"] == 0.2
    assert metrics["epochs"] == {
        "planned": 2,
        "done": 2,
        "kept": 2,
        "stopped_early": False,
        "interrupted": False,
        "diverged": None,
    }
    assert metrics["dataset"]["sha256"] == colours.sha256 and metrics["dataset"]["test"] == 45
    assert {"onsight", "python", "keras", "numpy"} <= set(metrics["versions"])
    test = metrics["test"]
    assert set(test["per_class"]) == set(colours.classes) and test["pictures"] == 45
    low, high = test["accuracy_interval_95"]
    assert low <= test["accuracy"] <= high
    data = json.loads((trained.folder / "data.json").read_text())
    assert data["classes"] == list(colours.classes) and data["size_wh"] == [12, 12] and data["seed"] == 3
    with (trained.folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["val_loss"]) == pytest.approx(trained.fitted.history[1].val_loss, abs=1e-6)


def test_it_learns_and_the_saved_model_answers_what_was_measured(trained: Run, colours: Dataset) -> None:
    assert trained.test.accuracy > 0.9, "the colours differ by 60 of 255"
    model, spec = open_run(trained.folder)
    scores = predict_scores(model, colours.test.images)
    assert (scores.argmax(axis=1) == colours.test.labels).mean() == trained.test.accuracy
    assert spec == trained.spec


def test_saved_model_is_plain_keras_without_an_optimizer(trained: Run) -> None:
    with zipfile.ZipFile(trained.folder / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
        assert len(archive.read("model.weights.h5")) < 1.3 * 4 * trained.parameters + 50_000

    def modules(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["module"]} if "class_name" in value and value.get("module") else set()
            return own.union(*map(modules, value.values()))
        return set().union(*map(modules, value)) if isinstance(value, list) else set()

    assert modules(config) and all(name.startswith("keras") for name in modules(config))
    assert not config.get("compile_config")


def test_same_seed_same_weights_another_seed_others(keras: Any, colours: Dataset) -> None:
    def weights(seed: int) -> list[np.ndarray]:
        model = cnn(keras, colours, seed)
        fit(model, colours, dataclasses.replace(QUICK, epochs=1), seed=seed)
        return list(model.get_weights())

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(first, again, strict=True))
    assert any(not np.allclose(a, b, atol=1e-3) for a, b in zip(first, other, strict=True))


def test_patience_stops_and_restores_the_best_weights(keras: Any, noise: Dataset) -> None:
    model = cnn(keras, noise)
    fitted = fit(model, noise, Recipe("long", epochs=60, batch=16, lr=3e-3), seed=0, patience=2)
    losses = [row.val_loss for row in fitted.history]
    assert fitted.stopped_early and not fitted.interrupted
    assert fitted.kept == 1 + int(np.argmin(losses)) and len(losses) == fitted.kept + 2
    scores = predict_scores(model, noise.validation.images)
    loss = -np.log(scores[np.arange(48), noise.validation.labels]).mean()
    assert loss == pytest.approx(min(losses), rel=1e-4)
    assert loss < losses[-1]


def test_without_patience_the_last_weights_are_kept(keras: Any, noise: Dataset) -> None:
    model = cnn(keras, noise)
    fitted = fit(model, noise, Recipe("long", epochs=8, batch=16, lr=3e-3), seed=0)
    assert fitted.kept == 8 and not fitted.stopped_early
    scores = predict_scores(model, noise.validation.images)
    loss = -np.log(scores[np.arange(48), noise.validation.labels]).mean()
    assert loss == pytest.approx(fitted.history[-1].val_loss, rel=1e-4)


def test_standard_recipe_warms_up_and_ends_at_zero(keras: Any, colours: Dataset) -> None:
    keras.utils.set_random_seed(0)
    model = find_arch("resnet8").build(colours.train.images.shape[1:], 3)
    recipe = RECIPES["standard"].with_overrides(epochs=5, batch=24)
    fitted = fit(model, colours, recipe, seed=0)
    rates = [row.lr for row in fitted.history]
    assert rates[0] == pytest.approx(0.1) and rates == sorted(rates, reverse=True) and rates[-1] < 1e-6


def test_divergence_is_one_line_and_leaves_nothing(keras: Any, colours: Dataset, tmp_path: Path) -> None:
    plan = Plan(find_arch("seed-cnn"), QUICK.with_overrides(lr=1e30))
    with pytest.raises(OnsightError, match=r"diverged: the loss became .* in epoch 1; try a lower --lr than 1e\+30"):
        train_run(colours, plan, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_what_was_reached_survives_an_error(keras: Any, colours: Dataset, tmp_path: Path) -> None:
    class Unplugged:
        def batch(self, epoch: int, index: int, loss: float, accuracy: float) -> None:
            if epoch == 1:
                raise OnsightError("the disk is gone")

        def epoch(self, row: Epoch) -> None: ...

        def saved(self, epoch: int, index: int, seconds: float) -> None: ...

    partial = partial_folder(tmp_path / "run")
    with pytest.raises(OnsightError, match=r"the disk is gone; the best model until then is in .*run\.partial"):
        train_run(colours, Plan(find_arch("seed-cnn"), QUICK), tmp_path / "run", Unplugged())
    model, _ = open_run(partial)
    assert predict_scores(model, colours.test.images).shape == (45, 3)
    with pytest.raises(OnsightError, match="usable run once renamed"):
        train_run(colours, Plan(find_arch("seed-cnn"), QUICK), tmp_path / "run")


def test_places_that_cannot_be_written_are_refused_at_once(colours: Dataset, tmp_path: Path) -> None:
    plan = Plan(find_arch("seed-cnn"), QUICK)
    with pytest.raises(OnsightError, match="exists already"):
        train_run(colours, plan, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OnsightError, match=r"cannot write .*run: Not a directory"):
        train_run(colours, plan, tmp_path / "file" / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_damaged_runs_are_refused(trained: Run, tmp_path: Path) -> None:
    import shutil

    run = Path(shutil.copytree(trained.folder, tmp_path / "run"))
    data = (run / "model.keras").read_bytes()
    (run / "model.keras").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r"cannot load .*model\.keras"):
        open_run(run)
    (run / "model.keras").write_bytes(data)
    dataclasses.replace(trained.spec, input_size_wh=(16, 12)).save(run / "spec.json")
    with pytest.raises(ModelError, match=r"takes .*12, 12.*16"):
        open_run(run)
    (run / "model.keras").unlink()
    with pytest.raises(ModelError, match=r"no model\.keras"):
        open_run(run)
