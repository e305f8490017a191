"""Percentiles and early-stopping estimates are LoadGen's own, on recorded and on made-up times."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_benchmarks.early_stopping import estimate, min_passing, min_queries
from onsight_benchmarks.stats import percentile
from onsight_edge.errors import BenchmarkError

sys.path.insert(0, str(Path(__file__).parent))
from loadgen_replay import replay

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
PERCENTS = (50, 90, 95, 97, 99, 99.9)


def recorded() -> Iterator[list[int]]:
    """Every list of single values that a committed latency record holds, in nanoseconds."""
    for path in sorted(RESULTS.rglob("*.json")):
        record = json.loads(path.read_text())
        if record.get("kind") == "latency":
            for one in record["measurements"]:
                for values in (one["values_us"] or {}).values():
                    yield [round(1000 * value) for value in values]


def made_up(counts: Sequence[int]) -> Iterator[list[int]]:
    """Times without and with ties, with a heavy tail, and two-humped ones."""
    draw = np.random.default_rng(5)
    for count in counts:
        yield draw.integers(1_000, 1_000_000, count).tolist()
        yield draw.integers(1, 4, count).tolist()
        yield (1e5 * (1 + draw.pareto(1.1, count))).astype(np.int64).clip(1, 10**13).tolist()
        yield (np.where(draw.random(count) < 0.9, 1e5, 9e6) + draw.integers(0, 99, count)).astype(np.int64).tolist()


def check(traces: Sequence[tuple[list[int], int]], folder: Path) -> None:
    for (values, pictures), loadgen in zip(traces, replay(traces, folder), strict=True):
        ordered = sorted(values)
        for percent in PERCENTS:
            each = f"result_{percent:.2f}_percentile{'' if pictures == 1 else '_per_query'}_latency_ns"
            assert percentile(ordered, percent) == loadgen[each], (percent, len(values))
        early = {"ms": estimate(ordered, 0.99), "ss": estimate(ordered, 0.9) if pictures == 1 else None}
        for key, found in early.items():
            assert (found or 0) == loadgen.get(f"early_stopping_latency_{key}", 0), (key, len(values))
        assert loadgen["early_stopping_met"] == (len(values) >= min_queries(0.9 if pictures == 1 else 0.99))


def test_recorded_and_made_up_times(tmp_path: Path) -> None:
    traces = [(values, 1) for values in list(recorded())[::9]]
    traces += [(values, 1) for values in made_up([1, 10, 63, 64, 1000])]
    traces += [(values, 8) for values in made_up([7, 662])]
    assert len(traces) > 28, "no recorded traces were found"
    check(traces, tmp_path)


@pytest.mark.slow
def test_every_recorded_trace_and_every_small_number_of_queries(tmp_path: Path) -> None:
    traces = [(values, 1) for values in recorded()]
    traces += [(values, 1) for values in made_up([*range(1, 131), 661, 663, 5000, 24_576])]
    traces += [(values, 3) for values in made_up([1, 100, 661, 663, 5000])]
    check(traces, tmp_path)


def test_loadgens_minimums() -> None:
    assert (min_queries(0.9), min_queries(0.99)) == (64, 662)
    assert estimate(list(range(63)), 0.9) is None
    assert estimate(list(range(64)), 0.9) == 63.0


def test_the_estimate_lies_above_the_percentile_and_comes_down_to_it() -> None:
    draw = np.random.default_rng(3).exponential(size=20_000)
    gaps: list[float] = []
    for count in (64, 300, 2000, 20_000):
        ordered = np.sort(draw[:count])
        early = estimate(ordered, 0.9)
        assert early is not None and early >= percentile(ordered, 90)
        gaps.append(early - float(np.quantile(ordered, 0.9)))
    assert gaps == sorted(gaps, reverse=True)


@pytest.mark.parametrize("arguments", [(1, 0.0), (1, 1.0), (-1, 0.9), (1, 0.9, 1.0)])
def test_nonsense_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(BenchmarkError, match="shares between 0 and 1"):
        min_passing(*arguments)
