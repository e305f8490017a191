import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_export.reject import judge_threshold, threshold_for


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=200), st.floats(0.01, 1))
def test_the_threshold_accepts_the_share_and_hardly_more(best: list[float], share: float) -> None:
    scores = np.array(best, np.float32)
    threshold = threshold_for(scores, share)
    assert (scores >= threshold).sum() >= math.ceil(share * len(best) - 1e-6)
    assert (scores > threshold + 2e-6).sum() < share * len(best) + 1  # the next higher score would refuse too many


def test_a_threshold_of_spread_scores_is_the_quantile() -> None:
    scores = np.arange(1, 101) / 128  # exact in binary
    assert threshold_for(scores, 0.95) == pytest.approx(6 / 128, abs=1e-6)
    assert threshold_for(scores, 1.0) == pytest.approx(1 / 128, abs=1e-6)


def test_what_a_threshold_does_is_counted() -> None:
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55]], np.float32)
    unknown = np.array([[0.5, 0.5], [0.95, 0.05]], np.float32)
    found = judge_threshold(0.58, scores, np.array([0, 1, 1, 1]), unknown)
    assert found.false_rejects == 0.25
    assert found.accuracy_accepted == pytest.approx(2 / 3, abs=1e-6)
    assert found.false_accepts == 0.5


def test_nothing_accepted_has_no_accuracy() -> None:
    found = judge_threshold(1.0, np.array([[0.5, 0.5]], np.float32), np.array([0]))
    assert found.false_rejects == 1.0 and found.accuracy_accepted is None and found.false_accepts is None
