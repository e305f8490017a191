"""Losses against their definitions written out in NumPy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from onsight_train.objective import make_accuracy, make_loss
from onsight_train.recipes import Recipe

PLAIN = Recipe("plain", epochs=1, batch=8, lr=0.1)
CLASSES = 4


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The student's and a teacher's probabilities of eight pictures, and one-hot labels."""
    random = np.random.default_rng(3)
    student, teacher = random.dirichlet(np.ones(CLASSES), (2, 8)).astype(np.float32)
    return student, teacher, np.eye(CLASSES, dtype=np.float32)[random.integers(0, CLASSES, 8)]


def cross_entropy(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return -(targets * np.log(probabilities)).sum(axis=1)


def softened(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    powers = probabilities ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("change", "teacher"),
    [({}, False), ({"class_weights": True}, False), ({"label_smoothing": 0.1}, False), ({"distill": 0.5}, False),
     ({}, True), ({"mixup": 0.2, "cutmix": 1.0}, False)],
)  # fmt: skip
def test_keras_s_own_loss_where_it_is_all_there_is(keras: Any, change: dict[str, Any], teacher: bool) -> None:
    recipe = dataclasses.replace(PLAIN, **change)
    loss = make_loss(recipe, CLASSES, teacher)
    assert type(loss) is keras.losses.CategoricalCrossentropy
    assert (
        loss.get_config() == keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing).get_config()
    )


def test_smoothing_spreads_the_weight_of_a_picture(keras: Any, answers: tuple[np.ndarray, ...]) -> None:
    student, _, labels = answers
    weights = np.linspace(0.5, 3, 8, dtype=np.float32)
    recipe = dataclasses.replace(PLAIN, label_smoothing=0.2, class_weights=True)
    found = float(make_loss(recipe, CLASSES)(labels * weights[:, None], student))
    spread = labels * 0.8 + 0.2 / CLASSES
    assert found == pytest.approx((weights * cross_entropy(spread, student)).mean(), rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_distillation_is_hinton_s(
    keras: Any, answers: tuple[np.ndarray, ...], temperature: float, share: float, smoothing: float
) -> None:
    student, teacher, labels = answers
    weights = np.linspace(0.5, 3, 8, dtype=np.float32)
    recipe = dataclasses.replace(PLAIN, distill=share, temperature=temperature, label_smoothing=smoothing)
    targets = np.concatenate([labels * weights[:, None], teacher], axis=1)
    found = float(make_loss(recipe, CLASSES, teacher=True)(targets, student))
    soft, own = softened(teacher, temperature), softened(student, temperature)
    apart = (soft * np.log(soft / own)).sum(axis=1)
    hard = cross_entropy(labels * (1 - smoothing) + smoothing / CLASSES, student)
    expected = (weights * ((1 - share) * hard + share * temperature**2 * apart)).mean()
    assert found == pytest.approx(expected, rel=1e-4)


def test_validation_has_no_teacher(keras: Any, answers: tuple[np.ndarray, ...]) -> None:
    student, _, labels = answers
    recipe = dataclasses.replace(PLAIN, distill=0.9, label_smoothing=0.1)
    found = float(make_loss(recipe, CLASSES, teacher=True)(labels, student))
    assert found == pytest.approx(float(make_loss(recipe, CLASSES)(labels, student)), rel=1e-6)


def test_a_student_that_answers_alike_has_nothing_to_learn(keras: Any, answers: tuple[np.ndarray, ...]) -> None:
    student, _, labels = answers
    loss = make_loss(dataclasses.replace(PLAIN, distill=1.0), CLASSES, teacher=True)
    assert float(loss(np.concatenate([labels, student], axis=1), student)) == pytest.approx(0, abs=1e-5)


def test_probabilities_of_exactly_0_and_1_stay_finite(keras: Any) -> None:
    sure = np.eye(CLASSES, dtype=np.float32)
    loss = make_loss(dataclasses.replace(PLAIN, distill=0.9), CLASSES, teacher=True)
    assert np.isfinite(float(loss(np.concatenate([sure, sure[::-1]], axis=1), sure)))


def test_accuracy_reads_the_labels_behind_everything(keras: Any, answers: tuple[np.ndarray, ...]) -> None:
    student, teacher, labels = answers
    right = float((student.argmax(axis=1) == labels.argmax(axis=1)).mean())
    blended = 0.6 * labels + 0.4 * labels[::-1]
    for targets in (labels, 7 * labels, blended, np.concatenate([labels, 9 * teacher], axis=1)):
        metric = make_accuracy(CLASSES)
        metric.update_state(targets, student)
        assert metric.name == "accuracy" and float(metric.result()) == pytest.approx(right)
