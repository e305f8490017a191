"""LoadGen itself issues the queries of real runs; its figures and ours lie beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onsight_benchmarks.latency import bench
from onsight_benchmarks.loadgen import issue_queries, read_detail
from onsight_edge.errors import BenchmarkError, MissingExtraError, UsageError
from onsight_edge.frame import Timings


@pytest.mark.parametrize(("scenario", "queries"), [("single-stream", 70), ("multi-stream", 670), ("offline", 20)])
def test_loadgen_and_we_see_the_same_queries(bundle: Path, scenario: str, queries: int) -> None:
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")
    found = bench(
        bundle,
        scenario=scenario,
        variants=("tflite-int8",),
        backends=("litert",),
        iterations=queries,
        warmup=1,
        fresh=0,
        pictures_per_query=2,
        batches=(1, 4),
        loadgen=True,
    )
    assert len(found.measurements) == (1 if scenario == "single-stream" else 2)
    for one in found.measurements:
        whole, theirs = one.latency_ms["end_to_end"], one.scenario
        assert whole is not None and theirs is not None and theirs.loadgen is not None
        assert theirs.queries == whole.count == queries
        if scenario == "offline":
            # LoadGen's time holds ours
            assert 0 < theirs.value <= one.throughput_fps
            assert (theirs.early_stopping, theirs.min_queries) == (None, None)
            continue
        ours = whole.p90 if scenario == "single-stream" else whole.p99
        assert theirs.value >= ours > 0
        assert theirs.early_stopping is not None and theirs.early_stopping >= theirs.value
    assert found.comparisons == () and "LoadGen" in found.method.order


def test_seconds_bound_loadgen_too() -> None:
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")
    answered = issue_queries("single-stream", lambda: Timings(1, 1, 1), pictures=1, queries=None, seconds=0.05)
    assert answered.taken.shape[1] == 4 and len(answered.taken) > 100


def test_an_error_within_a_query_comes_out_whole() -> None:
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")
    calls: list[int] = []

    def fails() -> Timings:
        calls.append(1)
        if len(calls) > 8:
            raise KeyboardInterrupt
        return Timings(1, 1, 1)

    with pytest.raises(KeyboardInterrupt):
        issue_queries("single-stream", fails, pictures=1, queries=50, seconds=None)
    assert len(calls) == 9


def test_offline_needs_a_size() -> None:
    with pytest.raises(UsageError, match="say how large with --iterations"):
        bench(scenario="offline", seconds=1.0, loadgen=True)


def test_without_loadgen_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    with pytest.raises(MissingExtraError, match=r"onsight\[loadgen\]"):
        issue_queries("single-stream", lambda: Timings(1, 1, 1), pictures=1, queries=5, seconds=None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "LoadGen left no log"),
        (':::MLLOG {"key": "error_x", "value": "no", "metadata": {"is_error": true}}', "LoadGen: error_x: no"),
    ],
)
def test_a_log_of_no_use(tmp_path: Path, text: str | None, says: str) -> None:
    path: Any = tmp_path / "detail.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BenchmarkError, match=says):
        read_detail(path)
