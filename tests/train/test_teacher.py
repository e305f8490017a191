"""Teachers: run folders that fit their student."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import ModelError
from onsight_edge.spec import ModelSpec
from onsight_train.archs import find_arch
from onsight_train.evaluate import predict_scores
from onsight_train.teacher import Teacher

SIZE_WH = (12, 12)


@pytest.fixture(scope="module")
def run(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    keras.utils.set_random_seed(0)
    find_arch("seed-cnn").build((12, 12, 3), 3).save(folder / "model.keras")
    ModelSpec("teacher", ("red", "green", "blue"), SIZE_WH).save(folder / "spec.json")
    return folder


def test_answers_are_the_model_s_in_the_student_s_order(keras: Any, run: Path, colours: Dataset) -> None:
    from onsight_train.evaluate import open_run

    images = colours.train.images[:7]
    expected = predict_scores(open_run(run)[0], images)
    same = Teacher.open(run, ("red", "green", "blue"), SIZE_WH, "rgb").scores(images)
    assert same.dtype == np.float32 and same == pytest.approx(expected, abs=1e-6)
    turned = Teacher.open(run, ("blue", "red", "green"), SIZE_WH, "rgb").scores(images)
    assert (turned == same[:, [2, 0, 1]]).all()


def test_what_does_not_fit_is_refused_in_one_line(keras: Any, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"takes rgb pictures of 12x12, the student rgb pictures of 32x12: .*--imgsz"):
        Teacher.open(run, ("red", "green", "blue"), (32, 12), "rgb")
    with pytest.raises(ModelError, match="the student grey pictures of 12x12"):
        Teacher.open(run, ("red", "green", "blue"), SIZE_WH, "grey")
    with pytest.raises(ModelError, match="the teacher lacks pink, it has blue, red; teach with") as caught:
        Teacher.open(run, ("green", "pink"), SIZE_WH, "rgb")
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="the teacher lacks c0, c1, c2 and 5 more, it has blue"):
        Teacher.open(run, [f"c{i}" for i in range(8)], SIZE_WH, "rgb")
    with pytest.raises(ModelError):
        Teacher.open(tmp_path, ("red",), SIZE_WH, "rgb")
