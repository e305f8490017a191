from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from onsight_benchmarks.conditions import Conditions
from onsight_benchmarks.record_file import load_json, read_value, save_json
from onsight_benchmarks.sampler import Sample, Sampler, run
from onsight_benchmarks.series import MOST, series


def test_the_child_looks_when_asked_and_once_more_at_the_end(tmp_path: Path) -> None:
    taking, giving = os.pipe()
    os.write(giving, b"..")
    os.close(giving)
    out = io.StringIO()
    run(tmp_path, 0.01, taking, out)
    os.close(taking)
    first, *asked, last = out.getvalue().splitlines()
    assert json.loads(first) == {"sensor": None} and asked == ["", ""]
    answer = json.loads(last)
    assert len(answer["rows"]) == 4 and answer["tells_throttling"] is False
    times = [row["t"] for row in answer["rows"]]
    assert times == sorted(times)


def test_it_looks_by_itself_too() -> None:
    sampler = Sampler(hz=50)
    time.sleep(0.2)
    assert len(sampler.stop().rows) > 4


def test_a_sampler_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    sampler = Sampler()
    sampler.mark()
    found = sampler.stop()
    assert found.rows == () and found.failure is not None and "No such file" in found.failure


def test_the_child_ends_with_the_process_that_measures(tmp_path: Path) -> None:
    code = (
        "import time; from onsight_benchmarks.sampler import Sampler; s = Sampler(); "
        "print(s._process.pid, flush=True); time.sleep(60)"
    )
    measuring = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert measuring.stdout is not None
    child = int(measuring.stdout.readline())
    measuring.send_signal(signal.SIGKILL)
    measuring.communicate()
    until = time.monotonic() + 20
    while Path(f"/proc/{child}/stat").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < until, "the sampler outlives what it measures for"
        time.sleep(0.05)


def test_a_series_leaves_out_what_the_device_never_tells() -> None:
    rows = [Sample(10.0, temperature_c=50.04, mhz=2400.4), Sample(10.5, temperature_c=51.0)]
    found = series(rows, 10.0, tells_throttling=False)
    assert found is not None
    assert (found.t_s, found.temperature_c, found.mhz) == ((0.0, 0.5), (50.0, 51.0), (2400.0, None))
    assert (found.limit_mhz, found.governor, found.throttled, found.power_w) == (None,) * 4
    assert series([Sample(1.0), Sample(2.0)], 1.0, tells_throttling=False) is None
    assert series([], 1.0, tells_throttling=True) is None


def test_a_long_series_is_thinned_and_keeps_every_look_that_tells_something() -> None:
    rows = [Sample(float(t), temperature_c=50.0) for t in range(10 * MOST)]
    rows[777] = Sample(777.0, temperature_c=81.0, throttled=("throttled",))
    found = series(rows, 0.0, tells_throttling=True)
    assert found is not None and found.throttled is not None and found.temperature_c is not None
    assert MOST <= len(found.t_s) <= MOST + 3
    assert found.throttled[found.t_s.index(777.0)] == "throttled"
    assert found.throttled[found.t_s.index(778.0)] == ""
    assert found.t_s[-1] == 10 * MOST - 1
    assert len(found.t_s) == len(found.throttled) == len(found.temperature_c)


def test_a_series_survives_its_record(tmp_path: Path) -> None:
    from dataclasses import asdict

    rows = [Sample(0.0, governor="ondemand", power_w=None), Sample(0.5, governor="ondemand", power_w=2.5)]
    seen = Conditions(seconds=1.0, series=series(rows, 0.0, tells_throttling=True))
    save_json(tmp_path / "c.json", asdict(seen))
    assert '"governor": ["ondemand", "ondemand"],' in (tmp_path / "c.json").read_text()
    assert '"power_w": [null, 2.5]' in (tmp_path / "c.json").read_text()
    assert read_value(Conditions, load_json(tmp_path / "c.json"), "c.json") == seen
    assert read_value(Conditions, {"seconds": 1.0}, "older").series is None


def test_what_looks_cost_is_measured_against_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from onsight_benchmarks import sampling
    from onsight_benchmarks.tables.page import markdown

    monkeypatch.setattr(sampling, "SLICE_S", 0.2)
    monkeypatch.setattr(sampling, "HZ", 25.0)
    found = sampling.measure(rounds=2)
    costs = found.results["costs"]
    assert list(costs) == [
        f"{who}, {what}" for what in ("this machine", "like a Raspberry Pi") for who in ("thread", "process")
    ]
    for cost in costs.values():
        assert cost["looks"] > 0 and cost["of_the_time"] == pytest.approx(1 + 25 * cost["look_us"] / 1e6, abs=1e-4)
        assert cost["ratio_to_none"]["p50"].rounds == 2
    assert len(found.targets) == 4
    save_json(tmp_path / "s.json", found.to_json())
    assert "| process, like a Raspberry Pi |" in markdown(tmp_path / "s.json")


def test_the_time_around_looks_is_what_calls_took_beyond_the_median() -> None:
    import numpy as np

    from onsight_benchmarks.sampling import _Slice

    took = np.full(1000, 1_000_000)
    took[500] = 4_000_000
    ended = np.cumsum(took)
    near, far, outside = int(ended[501]), int(ended[800]), int(ended[5])
    assert _Slice(ended, took, (near, far, outside)).around_looks() == [3_000_000.0, 0.0]
