"""The threshold that keeps a share of known pictures, and what it does to others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_export.reject import judge_threshold, threshold_for


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=200), st.floats(0.01, 1))
def test_it_keeps_the_share_and_no_larger_one_would(best: list[float], share: float) -> None:
    scores = np.array(best, np.float32)
    threshold = threshold_for(scores, share)
    assert 0 <= threshold <= 1
    assert (scores >= threshold).mean() >= share - 1e-6
    larger = threshold + 2e-6
    assert (scores >= larger).mean() < share + 1e-6 or larger > 1 or (scores >= larger).mean() <= share + 1 / len(best)


def test_scores_that_are_no_numbers_have_no_threshold() -> None:
    assert threshold_for(np.array([0.5, np.nan]), 0.95) == 0


def test_what_a_threshold_does() -> None:
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]], np.float32)
    labels = np.array([0, 1, 1, 0])
    found = judge_threshold(0.65, scores, labels, np.array([[0.5, 0.5], [0.9, 0.1], [0.7, 0.3]], np.float32))
    assert (found.false_rejects, found.accuracy_accepted) == (0.25, pytest.approx(2 / 3, abs=1e-6))
    assert found.false_accepts == pytest.approx(2 / 3, abs=1e-6)
    assert judge_threshold(0.95, scores, labels).accuracy_accepted is None
