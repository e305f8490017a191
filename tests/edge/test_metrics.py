"""Accuracy, confusion, precision, recall and Wilson's interval."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.errors import DataError
from onsight_edge.metrics import accuracy, confusion, correct, evaluate, per_class, wilson


def test_accuracy_and_top() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5]])
    labels = np.array([0, 2, 0])
    assert correct(scores, labels) == 1 and accuracy(scores, labels) == pytest.approx(1 / 3)
    assert correct(scores, labels, top=2) == 2
    assert accuracy(scores, labels, top=9) == 1.0


def test_ties_go_to_the_lower_index_however_many_count() -> None:
    scores = np.full((1, 4), 0.25)
    assert [correct(scores, np.array([1]), top) for top in (1, 2, 3)] == [0, 1, 1]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=60))
def test_confusion_counts_every_picture_once(pairs: list[tuple[int, int]]) -> None:
    labels = np.array([t for t, _ in pairs], np.int64)
    predicted = np.array([p for _, p in pairs], np.int64)
    matrix = confusion(labels, predicted, 5)
    assert matrix.sum() == len(pairs)
    for true in range(5):
        for guess in range(5):
            assert matrix[true, guess] == pairs.count((true, guess))
    for index, score in enumerate(per_class(matrix)):
        assert score.support == (labels == index).sum() and score.predicted == (predicted == index).sum()
        assert (score.recall is None) == (score.support == 0)
        assert (score.precision is None) == (score.predicted == 0)


def test_per_class_by_hand() -> None:
    first, second = per_class(np.array([[3, 1], [2, 4]]))
    assert first.precision == pytest.approx(0.6) and first.recall == pytest.approx(0.75)
    assert first.f1 == pytest.approx(2 / 3)
    assert second.precision == pytest.approx(0.8) and second.recall == pytest.approx(2 / 3)


def test_wilson_bounds_are_where_the_normal_test_just_rejects() -> None:
    assert wilson(0, 10) == pytest.approx((0, 0.2775328), abs=1e-7)
    assert wilson(10, 10) == pytest.approx((0.7224672, 1), abs=1e-7)
    for hits, total in ((50, 100), (8500, 10_000), (1, 7)):
        for bound in wilson(hits, total):
            # the definition: the share is 1.96 standard errors of `bound` away from `bound`
            assert abs(hits / total - bound) == pytest.approx(1.959964 * (bound * (1 - bound) / total) ** 0.5, rel=1e-6)


@given(st.integers(0, 10_000), st.data())
def test_wilson_encloses_the_share(total: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, total))
    low, high = wilson(hits, total)
    assert 0 <= low <= high <= 1
    if total:
        assert low <= hits / total <= high


def test_evaluation_as_json() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0], [0.0, 1.0, 0.0]], np.float32)
    found = evaluate(scores, np.array([0, 1, 1, 1]), ("a", "b", "c"))
    assert found.accuracy == 0.75 and found.matrix.tolist() == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
    assert found.loss == pytest.approx(-np.log([0.9, 0.8, 0.4, 1.0]).mean(), abs=1e-6)
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert document["accuracy"] == 0.75 and document["top5_accuracy"] == 1.0
    assert document["per_class"]["c"] == {
        "support": 0, "predicted": 0, "precision": None, "recall": None, "f1": None,
    }  # fmt: skip


def test_a_quantized_zero_for_the_true_class_keeps_the_loss_finite() -> None:
    assert np.isfinite(evaluate(np.array([[1.0, 0.0]]), np.array([1]), ("a", "b")).loss)


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        (np.zeros((0, 2)), np.zeros(0, np.int64), "no pictures"),
        (np.zeros((2, 2)), np.zeros(3, np.int64), "must be"),
        (np.zeros((2, 3)), np.zeros(2, np.int64), "2 classes"),
        (np.full((1, 2), np.nan), np.zeros(1, np.int64), "NaN"),
        (np.zeros((1, 2)), np.array([2]), "outside"),
    ],
)
def test_what_cannot_be_evaluated(scores: np.ndarray, labels: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        evaluate(scores, labels, ("a", "b"))


def test_wilson_refuses_what_is_no_share() -> None:
    with pytest.raises(DataError):
        wilson(3, 2)
