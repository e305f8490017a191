"""The learning-rate finder: what a sweep does, and what is read from it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import OnsightError, UsageError
from onsight_train.archs import find_arch
from onsight_train.rates import RateSweep, draw_sweep, find_rate, read_sweep, smooth
from onsight_train.recipes import Recipe

PLAIN = Recipe("plain", epochs=2, batch=16, lr=0.1, optimizer="sgd", cosine=True, warmup_epochs=1)
RATES = [10 ** (-5 + i / 16) for i in range(97)]  # 1e-5 to 10


def curve(best: float) -> list[float]:
    """A loss that is level, falls, is lowest at `best` and explodes."""
    return [2.3 - 1.5 / (1 + (best / 5 / rate) ** 2) + (rate / best / 2) ** 4 for rate in RATES]


@given(best=st.floats(1e-3, 0.5), noise=st.integers(0, 99))
def test_the_suggestion_is_a_stable_rate_within_the_fall(best: float, noise: int) -> None:
    losses = np.array(curve(best)) + np.random.default_rng(noise).normal(0, 0.02, len(RATES))
    sweep = read_sweep(RATES, losses.tolist())
    assert sweep.diverged or best > 0.2
    assert best / 8 < sweep.suggestion < 2 * best
    assert sweep.suggestion == sweep.lowest / 3 and sweep.clear
    assert len(sweep.rates) == len(sweep.losses) and all(map(math.isfinite, sweep.losses))


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50))
def test_smoothing_stays_within_what_it_smooths_and_keeps_what_is_level(losses: list[float]) -> None:
    smoothed = smooth(losses)
    assert len(smoothed) == len(losses) and smoothed[0] == pytest.approx(losses[0])
    assert min(losses) - 1e-6 <= min(smoothed) and max(smoothed) <= max(losses) + 1e-6
    assert smooth([3.0] * 20) == pytest.approx([3.0] * 20)


def test_a_level_loss_is_called_unclear() -> None:
    losses = 2.3 + np.random.default_rng(0).normal(0, 0.02, len(RATES))
    assert not read_sweep(RATES, losses.tolist()).clear
    assert not read_sweep(RATES, sorted(losses.tolist())).clear, "it only rises"


def test_a_loss_that_breaks_at_once_suggests_nothing() -> None:
    with pytest.raises(OnsightError, match=r"broke after 2 batches, at a rate of 1\.33352e-05; sweep from"):
        read_sweep(RATES, [2.3, 2.3, math.nan])


def test_ranges_that_make_no_sense(colours: Dataset) -> None:
    for low, high in ((0.0, 1.0), (1.0, 1.0), (1.0, math.inf)):
        with pytest.raises(UsageError, match="from a low one to a higher one"):
            find_rate(lambda: None, colours, PLAIN, 0, low=low, high=high)
    with pytest.raises(UsageError, match="at least 10 batches, not 9"):
        find_rate(lambda: None, colours, PLAIN, 0, batches=9)


def test_a_sweep_trains_at_every_rate_until_it_breaks(keras: Any, colours: Dataset, tmp_path: Path) -> None:
    models: list[Any] = []

    def build() -> Any:
        models.append(find_arch("seed-cnn").build(colours.train.images.shape[1:], 3))
        return models[-1]

    done: list[int] = []
    first = find_rate(build, colours, PLAIN, 1, batches=40, low=1e-4, high=100.0, watcher=done.append)
    assert first.diverged and len(first.rates) < 40 and done == list(range(1, done[-1] + 1))
    assert first.rates[0] == 1e-4 and first.rates[1] == pytest.approx(1e-4 * 1e6 ** (1 / 39))
    assert float(models[0].optimizer.learning_rate) == pytest.approx(1e-4 * 1e6 ** ((done[-1] - 1) / 39), rel=1e-5)
    again = find_rate(build, colours, PLAIN, 1, batches=40, low=1e-4, high=100.0)
    assert again == first
    draw_sweep(tmp_path / "sweep.png", first, "a title")
    picture = cv2.imread(str(tmp_path / "sweep.png"))
    assert picture is not None and min(picture.shape[:2]) > 300


def test_a_sweep_becomes_json() -> None:
    sweep = RateSweep((0.1, 0.3), (2.0, 1.0), 0.1, 0.3, False, True)
    assert RateSweep(**{k: tuple(v) if isinstance(v, list) else v for k, v in sweep.to_json().items()}) == sweep
