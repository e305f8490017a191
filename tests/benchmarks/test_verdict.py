from __future__ import annotations

import math

import numpy as np
import pytest

from onsight_benchmarks.stats import Ratio, paired_ratio
from onsight_benchmarks.verdict import LEAST_ROUNDS, judge, verdict
from onsight_edge.errors import BenchmarkError


def rounds(seed: int, count: int, lasting: float = 0.0) -> np.ndarray:
    """Times of a busy machine: each round has its own disturbance, of which a share stays for the next."""
    draw = np.random.default_rng(seed)
    found, held = [], 0.0
    for _ in range(count):
        held = (
            lasting * held + float(draw.normal(0, 0.05)) + (float(draw.exponential(0.5)) if draw.random() < 0.1 else 0)
        )
        found.append(math.exp(held))
    return np.asarray(found)


@pytest.mark.parametrize("lasting", [0.0, 0.5])
@pytest.mark.parametrize("count", [30, 100])
def test_of_100_pairs_of_the_same_thing_at_least_95_show_no_difference(count: int, lasting: float) -> None:
    answers = [verdict(rounds(2 * i, count, lasting), rounds(2 * i + 1, count, lasting)).answer for i in range(100)]
    assert answers.count("no difference") >= 95


def test_a_real_difference_is_found_on_the_same_noise() -> None:
    answers = [verdict(1.15 * rounds(2 * i, 100), rounds(2 * i + 1, 100)).answer for i in range(50)]
    assert answers.count("slower") >= 48
    answers = [verdict(rounds(2 * i, 100), 1.15 * rounds(2 * i + 1, 100)).answer for i in range(50)]
    assert answers.count("faster") >= 48


@pytest.mark.parametrize(
    ("ratio", "answer"),
    [
        (Ratio(0.9, 0.85, 0.98, 30), "faster"),
        (Ratio(0.9, 0.85, 0.991, 30), "no difference"),
        (Ratio(1.1, 1.02, 1.2, 30), "slower"),
        (Ratio(1.1, 1.009, 1.2, 30), "no difference"),
        (Ratio(1.005, 1.004, 1.006, 10_000), "no difference"),
        (Ratio(3.0, 2.9, 3.1, LEAST_ROUNDS - 1), "no difference"),
        (Ratio(3.0, 2.9, 3.1, LEAST_ROUNDS), "slower"),
    ],
)
def test_the_whole_interval_must_lie_beyond_one_percent(ratio: Ratio, answer: str) -> None:
    found = judge(ratio)
    assert found.answer == answer and found.ratio == ratio
    assert str(found).startswith(answer)


def test_turned_round_the_answer_turns_too() -> None:
    of, to = rounds(1, 60), 1.3 * rounds(2, 60)
    assert (verdict(of, to).answer, verdict(to, of).answer) == ("faster", "slower")


def test_neighbours_that_suffer_together_widen_the_interval() -> None:
    """The block bootstrap sees that 30 rounds under one long disturbance are not 30 witnesses."""
    single = np.random.default_rng(0).normal(1, 0.05, 300)
    lasting = np.repeat(single[:60], 5)
    shuffled = np.random.default_rng(1).permutation(lasting)
    wide, narrow = (paired_ratio(values, np.ones(300)) for values in (lasting, shuffled))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_unequal_rounds_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="one value a round"):
        verdict([1.0, 2.0], [1.0])
