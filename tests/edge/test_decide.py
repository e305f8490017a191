"""Decisions: steady, independent of the frame rate, and never far from the predictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.decide import Decider
from onsight_edge.errors import UsageError
from onsight_edge.frame import Decision, Prediction

CLASSES = ("cat", "dog", "fox")
MS = 1_000_000


def seen(*scores: float) -> Prediction:
    array = np.array(scores, np.float32)
    return Prediction(int(array.argmax()), float(array.max()), array, CLASSES)


CAT, DOG, NOBODY = seen(0.9, 0.05, 0.05), seen(0.1, 0.8, 0.1), seen(0.4, 0.3, 0.3)


def decider(smooth_s: float = 0.0, agree: int = 1, hysteresis: float = 0.0, threshold: float = 0.0) -> Decider:
    return Decider(CLASSES, smooth_s=smooth_s, agree=agree, hysteresis=hysteresis, threshold=threshold)


def labels(decide: Decider, predictions: list[Prediction], period_ms: int = 33) -> list[str]:
    return [decide(one, at * period_ms * MS).label for at, one in enumerate(predictions)]


def test_without_any_remedy_it_is_the_prediction() -> None:
    assert labels(decider(), [CAT, DOG, CAT]) == ["cat", "dog", "cat"]
    assert labels(decider(threshold=0.5), [CAT, NOBODY, DOG]) == ["cat", "unknown", "dog"]


def test_it_begins_with_unknown_and_needs_so_many_in_a_row() -> None:
    decide = decider(agree=3)
    made = [decide(one, at) for at, one in enumerate([CAT, CAT, DOG, CAT, CAT, CAT, CAT])]
    assert [one.label for one in made] == ["unknown"] * 5 + ["cat", "cat"]
    assert [one.changed for one in made] == [False] * 5 + [True, False]
    assert made[-1] == Decision("cat", pytest.approx(0.9), 5)


def test_one_odd_picture_changes_nothing() -> None:
    assert labels(decider(agree=2), [CAT, CAT, DOG, CAT, DOG, CAT]) == ["unknown", *["cat"] * 5]


def test_two_classes_that_are_equally_likely_do_not_flicker() -> None:
    close = [seen(0.5, 0.45, 0.05), seen(0.45, 0.5, 0.05)] * 10
    assert set(labels(decider(hysteresis=0.1), close)) == {"cat"}
    assert set(labels(decider(), close)) == {"cat", "dog"}


def test_a_class_is_left_for_unknown_only_well_below_the_threshold() -> None:
    decide = decider(hysteresis=0.1, threshold=0.5)
    rows = [seen(0.55, 0.25, 0.2), seen(0.45, 0.35, 0.2), seen(0.39, 0.31, 0.3), seen(0.45, 0.35, 0.2)]
    assert labels(decide, rows) == ["cat", "cat", "unknown", "unknown"]


@pytest.mark.parametrize("period_ms", [10, 33, 100])
def test_smoothing_takes_the_same_time_at_every_frame_rate(period_ms: int) -> None:
    decide = decider(smooth_s=0.5)
    decide(CAT, 0)
    at_ms, label = 0, "cat"
    while label == "cat":
        at_ms += period_ms
        label = decide(DOG, at_ms * MS).label
    # the scores cross where 0.05 + 0.75 (1 - e) = 0.9 - 0.8 (1 - e), e = exp(-t / 0.5 s): after 0.40 s
    assert abs(at_ms - 400) <= period_ms


def test_a_long_outage_is_not_smoothed_over() -> None:
    decide = decider(smooth_s=0.5)
    assert labels(decide, [CAT] * 10)[-1] == "cat"
    assert decide(DOG, 60_000 * MS).label == "dog"


@given(
    st.lists(st.tuples(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), st.integers(0, 200)), min_size=1),
    st.floats(0, 2),
    st.integers(1, 4),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_whatever_comes_a_decision_is_a_class_or_unknown_with_a_score(
    rows: list[tuple[list[float], int]], smooth_s: float, agree: int, hysteresis: float, threshold: float
) -> None:
    decide = decider(smooth_s, agree, hysteresis, threshold)
    at_ms, before, streak = 0, "unknown", 0
    for scores, passed_ms in rows:
        at_ms += passed_ms
        made = decide(seen(*scores), at_ms * MS)
        assert made.label in (*CLASSES, "unknown")
        assert -1e-6 <= made.score <= 1 + 1e-6
        assert made.changed == (made.label != before)
        streak += 1
        if made.changed:
            assert streak >= agree and made.since_ns == at_ms * MS
            streak = 0
        before = made.label


@pytest.mark.parametrize("wrong", [{"smooth_s": -1.0}, {"agree": 0}, {"hysteresis": 2.0}, {"threshold": -0.1}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        decider(**wrong)  # type: ignore[arg-type]
