from __future__ import annotations

import random
import time

import numpy as np
import pytest

from onsight_benchmarks.measurement import Moment
from onsight_benchmarks.rounds import BLOCK
from onsight_benchmarks.sampler import Sample
from onsight_benchmarks.sustained import (
    KEPT,
    Slice,
    _Keeper,
    in_words,
    measure_sustained,
    moments,
    slice_seconds,
    sum_up,
)


def test_every_call_counts_and_slices_follow_each_other() -> None:
    made = [0, 0]

    def subject(number: int):  # type: ignore[no-untyped-def]
        def measure(calls: int) -> np.ndarray:
            made[number] += calls
            time.sleep(0.0005)
            return np.full((calls, 4), (number + 1) * 1_000_000, np.int64)

        return measure

    told: list[float] = []
    one, two = measure_sustained([subject(0), subject(1)], 0.5, random.Random(0), told.append)
    assert one.count == sum(part.count for part in one.slices) <= made[0]  # settling calls are not measured
    assert one.count % BLOCK == 0 and len(one.kept) == one.count
    assert one.total_ns == one.count * 1_000_000
    assert {part.p50_ms for part in two.slices} == {2.0}
    ends = [part.t_s for part in one.slices]
    assert ends == sorted(ends) and ends[-1] >= 0.5 and len(ends) >= 2
    assert told[-1] == 1.0 and told == sorted(told)


def test_a_single_subject_never_pauses() -> None:
    made = 0

    def measure(calls: int) -> np.ndarray:
        nonlocal made
        made += calls
        return np.full((calls, 1), 5, np.int64)

    (found,) = measure_sustained([measure], 0.05, random.Random(0))
    assert found.count == made


def test_what_is_kept_is_a_uniform_draw_of_bounded_size() -> None:
    keeper = _Keeper(1)
    total = 4 * KEPT
    for start in range(0, total, 50_000):
        keeper.add(np.arange(start, start + 50_000, dtype=np.int64)[:, np.newaxis])
        keeper.close_slice(float(start), None)
    found = keeper.finish()
    assert found.count == total and found.kept.shape == (KEPT, 1)
    values = found.kept[:, 0]
    assert len(np.unique(values)) == KEPT
    shares = np.histogram(values, bins=8, range=(0, total))[0] / KEPT
    assert shares == pytest.approx(np.full(8, 1 / 8), abs=0.01)


def test_slices_learn_what_the_device_was_like_then() -> None:
    slices = [Slice(1.0, 10, 0.1, 0.2, 0.3, 40.0), Slice(2.0, 8, 0.2, 0.3, 0.4, 41.0)]
    looks = [
        Sample(100.4, temperature_c=50.0, mhz=2400),
        Sample(100.9, temperature_c=55.0, mhz=2400),
        Sample(101.5, temperature_c=81.0, mhz=1500, throttled=("soft temperature limit",)),
        Sample(102.01, temperature_c=81.5),
    ]
    first, second = moments(slices, looks, 100.0)
    assert first == Moment(1.0, 10, 0.1, 0.2, 55.0, 2400, (), 40.0, 0.3)
    assert second == Moment(2.0, 8, 0.2, 0.3, 81.5, 1500, ("soft temperature limit",), 41.0, 0.4)
    assert moments(slices[:1], [], 100.0)[0].temperature_c is None
    assert moments(slices, looks[:1], 100.0)[1].temperature_c == 50.0  # of the look before, where there is none


def over_time(*p50: float, **more: object) -> list[Moment]:
    return [Moment(float(t), 100, ms, 2 * ms, **more) for t, ms in enumerate(p50, 1)]  # type: ignore[arg-type]


def test_cold_against_steady() -> None:
    found = sum_up(over_time(*[1.0] * 10, *[1.1] * 10, *[1.2] * 10))
    assert (found.seconds, found.cold_s, found.cold_p50_ms, found.steady_p50_ms) == (30.0, 10.0, 1.0, 1.2)
    assert found.ratio == 1.2 and found.cold_p99_ms == 2.0
    assert found.settled_s == 20.0
    assert found.hottest_c is None and found.throttled == () and found.rss_growth_mib is None


def test_one_that_is_steady_from_the_start_and_one_that_never_is() -> None:
    assert sum_up(over_time(*[1.0] * 30)).settled_s == 0.0
    assert sum_up(over_time(*np.linspace(1, 4, 30).tolist())).settled_s is None
    assert sum_up(over_time(1.0)).ratio == 1.0


def test_growth_leaves_out_what_the_first_calls_made() -> None:
    slices = [Moment(float(t), 1, 1.0, 1.0, rss_mib=40.0 + t) for t in range(1, 31)]
    assert sum_up(slices).rss_growth_mib == 20.0


def test_in_words() -> None:
    hot = [
        Moment(
            float(t), 9, 0.1 if t <= 60 else 0.118, 0.2, 81.0 if t > 60 else 50.0, None, ("throttled",) * (t > 60), 60.0
        )
        for t in range(3, 181, 3)
    ]
    assert in_words("tflite-int8/litert/1", sum_up(hot)) == (
        "tflite-int8/litert/1: after 3 minutes 1.18x of the first 10 s (p50 0.100 -> 0.118 ms), "
        "memory +0.0 MiB since then, at up to 81 °C, "
        "settled after 60 s, held back by throttled"
    )
    assert "steady from the start" in in_words("x", sum_up(over_time(*[1.0] * 30)))
    assert "never settled" in in_words("x", sum_up(over_time(*np.linspace(1, 4, 30).tolist())))


@pytest.mark.parametrize(("seconds", "length"), [(1, 0.1), (60, 1), (180, 3), (600, 10), (36000, 10)])
def test_slices_are_a_sixtieth_of_the_time_within_bounds(seconds: float, length: float) -> None:
    assert slice_seconds(seconds) == length
