"""Replays recorded times through MLPerf LoadGen: run as a child with `_CLOCK` preloaded, prints what LoadGen found.

LoadGen measures by the system's clock. The preloaded library stands still at a time that only the replay moves, by the
next recorded value while a query is being answered: so LoadGen measures exactly the recorded times, without waiting.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
long long replayed_ns = 0;  /* 0: the real clock */
int clock_gettime(clockid_t id, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  if (id != CLOCK_REALTIME || replayed_ns == 0) return real(id, t);
  t->tv_sec = replayed_ns / 1000000000;
  t->tv_nsec = replayed_ns % 1000000000;
  return 0;
}
"""
PRELOADED = "LD_PRELOAD"


def replay(traces: Sequence[tuple[Sequence[int], int]], folder: Path) -> list[dict[str, Any]]:
    """What LoadGen says of each trace of nanoseconds; 1 picture a query is single-stream, more are multi-stream.

    Skips the calling test where LoadGen or a C compiler is missing.
    """
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("the replay needs Linux and a C compiler")
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(_CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", str(source), "-o", str(library), "-ldl"], check=True)
    (folder / "traces.json").write_text(json.dumps(traces))
    done = subprocess.run(
        [sys.executable, __file__, str(folder / "traces.json")],
        env={**os.environ, PRELOADED: str(library)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _main() -> None:
    clock = ctypes.c_longlong.in_dll(ctypes.CDLL(os.environ[PRELOADED]), "replayed_ns")
    traces = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps([_replay_one(values, pictures, clock) for values, pictures in traces]))


def _replay_one(values: Sequence[int], pictures: int, clock: ctypes.c_longlong) -> dict[str, Any]:
    import mlperf_loadgen as loadgen

    left: Iterator[int] = iter(values)

    def issue(samples: Sequence[Any]) -> None:
        clock.value += next(left)
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0) for sample in samples])

    settings = loadgen.TestSettings()
    settings.mode = loadgen.TestMode.PerformanceOnly
    scenarios = loadgen.TestScenario
    settings.scenario = scenarios.SingleStream if pictures == 1 else scenarios.MultiStream
    settings.multi_stream_samples_per_query = pictures
    settings.min_query_count = settings.max_query_count = len(values)
    settings.min_duration_ms = 0
    with tempfile.TemporaryDirectory() as folder:
        log = loadgen.LogSettings()
        log.enable_trace = False
        log.log_mode = loadgen.LoggingMode.EndOfTestOnly
        output = loadgen.LogOutputSettings()
        output.outdir = folder
        output.copy_summary_to_stdout = False
        log.log_output = output
        system = loadgen.ConstructSUT(issue, lambda: None)
        library = loadgen.ConstructQSL(pictures, pictures, lambda _: None, lambda _: None)
        clock.value = 10**18
        loadgen.StartTestWithLogSettings(system, library, settings, log, "")
        clock.value = 0
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(system)
        lines = (Path(folder) / "mlperf_log_detail.txt").read_text().splitlines()
    # a rate over no time stands there as inf, which is no JSON
    told = (line for line in lines if line.startswith(":::MLLOG") and ("latency_ns" in line or "early_stop" in line))
    events = (json.loads(line.split(" ", 1)[1]) for line in told)
    return {event["key"]: event["value"] for event in events}


if __name__ == "__main__":
    _main()
