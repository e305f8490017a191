"""MLPerf LoadGen as the one who asks: it issues the queries, takes the time, and says what it found.

Extra `[loadgen]`. LoadGen is a library that calls us for every query, so its own time and that of its Python binding
lie between its figures and ours; both stand in the record. API: loadgen/bindings/python_api.cc and
loadgen/test_settings.h of https://github.com/mlcommons/inference
"""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onsight_benchmarks.early_stopping import min_queries
from onsight_benchmarks.measurement import STAGES, Scenario
from onsight_benchmarks.rounds import Block
from onsight_edge.errors import BenchmarkError, MissingExtraError
from onsight_edge.frame import Timings

_DETAIL = "mlperf_log_detail.txt"
# our name -> LoadGen's, the percentile that counts, and where LoadGen's early-stopping estimate of it stands
_NAMES = {
    "single-stream": ("SingleStream", 90, "early_stopping_latency_ss"),
    "multi-stream": ("MultiStream", 99, "early_stopping_latency_ms"),
    "offline": ("Offline", 0, ""),
}


@dataclass(frozen=True, slots=True, eq=False)
class Issued:
    """What came of LoadGen's queries.

    Attributes:
        scenario: with LoadGen's own headline and estimate.
        taken: our own times of the same queries, (calls, stages) nanoseconds as in STAGES.
    """

    scenario: Scenario
    taken: Block


def issue_queries(
    scenario: str, answer: Callable[[], Timings], *, pictures: int, queries: int | None, seconds: float | None
) -> Issued:
    """Let LoadGen issue queries.

    Args:
        scenario: `single-stream`, `multi-stream` or `offline`.
        answer: answers `pictures` pictures, a query of the first two, or a batch of the last.
        pictures: see there.
        queries: how many; None for no least. `offline` needs it: batches, all of them in LoadGen's one query.
        seconds: LoadGen's least duration; None for none. Not for `offline`, whose only query is of a fixed size.

    Raises:
        MissingExtraError: LoadGen is not installed.
        BenchmarkError: it failed or left no figures.
    """
    loadgen = import_loadgen()
    server = _Server(answer, pictures, loadgen)
    settings = _settings(loadgen, scenario, pictures, queries, seconds, _fastest_ns(answer))
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
        log = loadgen.LogSettings()
        log.enable_trace = False
        log.log_mode = loadgen.LoggingMode.EndOfTestOnly
        output = loadgen.LogOutputSettings()
        output.outdir = folder
        output.copy_summary_to_stdout = False
        log.log_output = output
        system = loadgen.ConstructSUT(server.issue, _nothing)
        library = loadgen.ConstructQSL(pictures, pictures, _nothing, _nothing)
        try:
            loadgen.StartTestWithLogSettings(system, library, settings, log, "")
        finally:
            loadgen.DestroyQSL(library)
            loadgen.DestroySUT(system)
        if server.error is not None:
            raise server.error
        found = read_detail(Path(folder) / _DETAIL)
    taken = np.asarray(server.taken, np.int64).reshape(-1, len(STAGES))
    return Issued(_described(scenario, found, pictures, len(taken)), taken)


def import_loadgen() -> Any:
    """LoadGen's Python binding.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import mlperf_loadgen
    except ImportError as error:
        raise MissingExtraError("mlcommons-loadgen", "loadgen", "--loadgen") from error
    return mlperf_loadgen


class _Server:
    """Answers LoadGen's queries and notes what each answer took. An error is kept: it must not pass through C++."""

    def __init__(self, answer: Callable[[], Timings], pictures: int, loadgen: Any) -> None:
        self.taken: list[tuple[int, int, int, int]] = []
        self.error: BaseException | None = None
        self._answer, self._pictures = answer, pictures
        self._complete, self._response = loadgen.QuerySamplesComplete, loadgen.QuerySampleResponse

    def issue(self, samples: Sequence[Any]) -> None:
        for start in range(0, len(samples), self._pictures):
            part = samples[start : start + self._pictures]
            if self.error is None:
                try:
                    started = time.perf_counter_ns()
                    timings = self._answer()
                    ended = time.perf_counter_ns()
                    self.taken.append(
                        (timings.preprocess_ns, timings.inference_ns, timings.postprocess_ns, ended - started)
                    )
                except BaseException as error:  # Ctrl-C too; raised again where LoadGen has returned
                    self.error = error
            self._complete([self._response(sample.id, 0, 0) for sample in part])


def _fastest_ns(answer: Callable[[], Timings]) -> int:
    taken = []
    for _ in range(5):
        started = time.perf_counter_ns()
        answer()
        taken.append(time.perf_counter_ns() - started)
    return max(1, min(taken))


def _settings(
    loadgen: Any, scenario: str, pictures: int, queries: int | None, seconds: float | None, fastest_ns: int
) -> Any:
    name = _NAMES[scenario][0]
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, name)
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = 0 if seconds is None or scenario == "offline" else round(1000 * seconds)
    settings.min_query_count = queries or 1
    if scenario == "offline":
        # one query of max(min_query_count, 1.1 * duration * expected rate) pictures: see test_settings_internal.cc
        settings.min_query_count = (queries or 1) * pictures
        settings.offline_expected_qps = 1
    else:
        settings.multi_stream_samples_per_query = pictures
        if seconds is None:
            settings.max_query_count = queries or 1
        # LoadGen makes its queries beforehand, twice as many as would fill the duration if each took this
        settings.single_stream_expected_latency_ns = settings.multi_stream_expected_latency_ns = fastest_ns
    return settings


def read_detail(path: Path) -> dict[str, Any]:
    """The figures in LoadGen's detail log: a line of JSON each, some of which hold `inf` and are left out.

    Raises:
        BenchmarkError: there is none, or LoadGen found an error.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BenchmarkError(f"LoadGen left no log: {error.strerror}") from error
    found: dict[str, Any] = {}
    for line in lines:
        head, _, text = line.partition(" ")
        if head != ":::MLLOG":
            continue
        try:
            event = json.loads(text)
        except ValueError:
            continue
        if event.get("metadata", {}).get("is_error"):
            raise BenchmarkError(f"LoadGen: {event['key']}: {event['value']}")
        found[event["key"]] = event["value"]
    return found


def _described(scenario: str, found: dict[str, Any], pictures: int, calls: int) -> Scenario:
    version = importlib.metadata.version("mlcommons-loadgen")
    _, percent, early_key = _NAMES[scenario]
    try:
        if scenario == "offline":
            rate = float(found["result_samples_per_second"])
            return Scenario(scenario, pictures, calls, "pictures_per_s", round(rate, 3), loadgen=version)
        per_query = "_per_query" if scenario == "multi-stream" else ""
        value = float(found[f"result_{percent}.00_percentile{per_query}_latency_ns"])
        early = float(found.get(early_key, 0)) or None
    except (KeyError, TypeError, ValueError) as error:
        raise BenchmarkError(f"LoadGen's log lacks its result: {error!r}") from error
    return Scenario(
        name=scenario,
        pictures_per_query=pictures,
        queries=calls,
        metric=f"p{percent}_ms",
        value=round(value / 1e6, 6),
        min_queries=min_queries(percent / 100),
        early_stopping=None if early is None else round(early / 1e6, 6),
        loadgen=version,
    )


def _nothing(*_: Any) -> None:
    return None
