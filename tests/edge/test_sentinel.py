"""The sentinel on pictures with a known look: what it says, when, and how often."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from onsight_edge.errors import ModelError
from onsight_edge.frame import Frame, Notice, Prediction
from onsight_edge.sentinel import Sentinel
from onsight_edge.spec import ModelSpec
from onsight_edge.statistics import InputStatistics, clipped_share, features, luma, swapped
from onsight_export.statistics import fit_statistics, logistic_weight

SECOND = 1_000_000_000
NOBODY = Prediction(0, 1.0, np.ones(2, np.float32), ("a", "b"))


def landscapes(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """(N, 32, 32, 3) RGB pictures: a blue sky over ground in brown and green, each of another light and contrast."""
    rng = np.random.default_rng(seed)
    horizon = rng.integers(8, 24, count)[:, None, None]
    rows = np.broadcast_to(np.arange(32)[None, :, None], (count, 32, 32))
    sky = np.array([110, 150, 220.0]) + rng.normal(0, 15, (count, 1, 1, 3))
    ground = np.array([130, 110, 60.0]) + rng.normal(0, 20, (count, 1, 1, 3))
    pictures = np.where((rows < horizon)[..., None], sky, ground)
    pictures = pictures * rng.uniform(0.6, 1.1, (count, 1, 1, 1)) + rng.normal(0, 12, (count, 32, 32, 3))
    return np.clip(pictures, 0, 255).astype(np.uint8)


STATISTICS = fit_statistics(landscapes(2000))
assert STATISTICS is not None


class Eyes:
    def __init__(self) -> None:
        self.seen: NDArray[np.uint8] = np.zeros((32, 32, 3), np.uint8)


def watch(pictures: NDArray[np.uint8], statistics: InputStatistics = STATISTICS, fps: float = 5) -> list[Notice]:
    eyes, told = Eyes(), []
    sentinel = Sentinel(eyes, statistics, clock_ns=lambda: 0)
    for at, picture in enumerate(pictures):
        eyes.seen = picture
        told += sentinel.look(Frame(picture, at, 0), NOBODY, round(at / fps * SECOND))
    return told


def test_pictures_like_the_trainings_are_passed_in_silence() -> None:
    assert watch(landscapes(300, seed=1)) == []


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("swapped", lambda p: p[..., ::-1]),
        ("dark", lambda p: p // 8),
        ("overexposed", lambda p: np.clip(p.astype(int) * 3 + 60, 0, 255).astype(np.uint8)),
        ("black", lambda p: p // 100),
        ("unlike", lambda p: np.full_like(p, 128)),
    ],
)
def test_what_is_wrong_is_said_once_and_so_is_that_it_is_over(kind: str, spoil: object) -> None:
    spoilt = spoil(landscapes(100, seed=2))  # type: ignore[operator]
    told = watch(np.concatenate([landscapes(30, seed=3), spoilt, landscapes(100, seed=4)]))
    assert [(one.kind, one.over) for one in told] == [(kind, False), (kind, True)]
    assert 30 / 5 <= told[0].at_ns / SECOND < 130 / 5 <= told[1].at_ns / SECOND
    assert "\n" not in told[0].text and told[0].text != told[1].text


def test_one_odd_picture_is_nothing() -> None:
    pictures = landscapes(60, seed=5)
    pictures[20:23] = 0
    pictures[40:42] = 255
    assert watch(pictures) == []


def test_a_scene_that_stays_is_no_evidence_for_a_swap() -> None:
    odd = landscapes(1, seed=6)[..., ::-1]
    assert watch(np.repeat(odd, 300, axis=0)) == []


def test_it_looks_no_more_often_than_it_may() -> None:
    eyes, looks = Eyes(), []

    class Counting(Eyes):
        @property
        def seen(self) -> NDArray[np.uint8]:  # type: ignore[override]
            looks.append(1)
            return np.zeros((32, 32, 3), np.uint8)

        @seen.setter
        def seen(self, value: NDArray[np.uint8]) -> None:
            return

    sentinel = Sentinel(Counting(), STATISTICS, clock_ns=lambda: 0)
    for at in range(300):  # 10 s at 30 fps
        sentinel.look(Frame(eyes.seen, at, 0), NOBODY, round(at / 30 * SECOND))
    assert 40 <= len(looks) <= 51
    looks.clear()
    clock = iter(range(0, 10**12, 20_000_000))  # every look takes 20 ms
    slow = Sentinel(Counting(), STATISTICS, clock_ns=lambda: next(clock))
    for at in range(300):
        slow.look(Frame(eyes.seen, at, 0), NOBODY, round(at / 30 * SECOND))
    assert len(looks) <= 11  # one a second: 2 % of the time


def test_grey_models_have_no_channels_to_swap() -> None:
    grey = landscapes(500).mean(axis=-1, keepdims=True).astype(np.uint8)
    statistics = fit_statistics(grey)
    assert statistics is not None and len(statistics.mean) == 3 and statistics.swap_weight == 0
    told = watch(np.concatenate([grey[:50], grey[:50] // 8]), statistics)
    assert [one.kind for one in told] == ["dark"]


def test_features_are_what_they_are_called() -> None:
    pictures = landscapes(50)
    found = features(pictures)
    assert np.allclose(found[:, :3], pictures.mean(axis=(1, 2)), atol=1e-3)
    assert np.allclose(np.expm1(found[:, 3:6]), pictures.std(axis=(1, 2)), rtol=1e-3)
    assert np.allclose(swapped(found), features(np.ascontiguousarray(pictures[..., ::-1])), atol=1e-3)
    assert np.allclose(luma(found), pictures.mean(axis=(1, 2, 3)), atol=1e-3)
    half = np.zeros((1, 4, 4, 3), np.uint8)
    half[0, :2, :, 1] = 255
    assert clipped_share(half)[0] == 0.5


def test_statistics_travel_in_the_spec_and_only_there_where_they_are() -> None:
    spec = ModelSpec("n", ("a", "b"), (32, 32))
    assert "input_statistics" not in spec.to_json()
    knowing = replace(spec, input_statistics=STATISTICS)
    assert ModelSpec.from_json(json.loads(json.dumps(knowing.to_json()))) == knowing
    assert knowing.preprocess_sha256 == spec.preprocess_sha256


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: v.pop("distance"),
        lambda v: v.update(more=1),
        lambda v: v.update(mean=[1.0] * 7),
        lambda v: v.update(precision=[[1.0] * 8] * 7),
        lambda v: v.update(luma_low=float("nan")),
        lambda v: v.update(luma_low=-1.0),
        lambda v: v.update(pictures=0),
        lambda v: v.update(mean="abc"),
    ],
)
def test_statistics_that_are_none_are_one_clear_line(spoil: object) -> None:
    value = ModelSpec("n", ("a", "b"), (32, 32), input_statistics=STATISTICS).to_json()
    spoil(value["input_statistics"])  # type: ignore[operator]
    with pytest.raises(ModelError, match="input_statistics") as caught:
        ModelSpec.from_json(value)
    assert "\n" not in str(caught.value)


def test_too_few_pictures_have_no_statistics() -> None:
    assert fit_statistics(landscapes(49)) is None


def test_the_weight_of_evidence_is_that_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    # pictures whose log odds are 0.5 * x: x with density so that p(x) / p(-x) = exp(0.5 x)
    evidence = rng.normal(1.0, 2.0, 20_000)  # normal(m, s): log odds 2 m / s^2 * x = 0.5 x
    assert logistic_weight(evidence) == pytest.approx(0.5, abs=0.05)
    assert logistic_weight(np.abs(evidence) + 5) == 1.0
    assert logistic_weight(-evidence) == 0.0
