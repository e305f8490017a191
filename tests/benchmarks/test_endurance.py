"""A long run with all outputs: a planted leak is found, no line of a rotated log is missed, a real run passes."""

from __future__ import annotations

import json
import math
import os
import socket
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.edge.broker_process import MOSQUITTO

from onsight_benchmarks.endurance import __main__ as command
from onsight_benchmarks.endurance.follow import Follower
from onsight_benchmarks.endurance.growth import growth
from onsight_benchmarks.endurance.judge import judge
from onsight_benchmarks.endurance.looks import Look, folder_bytes, look
from onsight_benchmarks.endurance.outputs import Places, flags, shown
from onsight_benchmarks.endurance.receivers import Receiver
from onsight_benchmarks.endurance.run import Seen
from onsight_benchmarks.report import Target
from onsight_benchmarks.tables.endurance import endurance as table
from onsight_edge.errors import BenchmarkError, UsageError
from onsight_edge.sinks.rotation import LogPolicy, put_aside

MINUTES, MINUTE = 4, 60.0
IDS = ["run-0", "run-30", "run-60"]


def wave(t_s: float) -> float:
    """Memory that comes and goes, as reloads and recordings do."""
    return 180 + 3 * math.sin(t_s / 9) + (8 if t_s % 60 < 5 else 0)


def seen(**changes: Any) -> Seen:
    """Four healthy minutes, looked at every 2 s."""
    times = [2.0 * n + 0.5 for n in range(int(MINUTES * MINUTE / 2))]
    looks = [
        Look(t, wave(t), wave(t) - 60, 23 if t % 60 < 54 else 20, 25, t % 60 >= 56, {"clips": 900, "outbox": 5})
        for t in times
    ]
    sink = {"error": None, "failures": 0, "restarts": 0, "dropped": 0, "counts": {}}
    sinks = [{**sink, "name": name} for name in ("jsonl", "csv", "mp4", "mqtt", "webhook")]
    results = [(n / 30 + 0.01, 1.0 + n % 10, 0) for n in range(int(MINUTES * MINUTE * 30))]
    summary = {"classified": len(results), "dropped": 0, "fps": 30.0, "sinks": sinks}
    good = Seen(
        looks,
        results,
        rows=len(results),
        events=IDS,
        summary=summary,
        reloads=10,
        reloaded=10,
        posted=Counter(IDS),
        published=Counter(IDS),
    )
    return replace(good, **changes)


def missed(one: Seen) -> list[str]:
    _, targets = judge(one, cycles=MINUTES, cycle_s=MINUTE, fps=30.0, budgets={"clips": 1000})
    return [target.what.partition(",")[0] for target in targets if not target.met]


def looks_with(change: Any) -> list[Look]:
    return [change(one) for one in seen().looks]


def with_sink(name: str, **values: Any) -> dict[str, Any]:
    summary = seen().summary
    return {**summary, "sinks": [{**one, **values} if one["name"] == name else one for one in summary["sinks"]]}


def test_a_healthy_run_meets_every_target() -> None:
    assert missed(seen()) == []


def test_memory_that_grows_is_found_and_a_peak_is_no_growth() -> None:
    leak = looks_with(
        lambda one: replace(one, rss_mib=one.rss_mib + one.t_s / 20, anon_mib=one.anon_mib + one.t_s / 20)
    )
    assert missed(seen(looks=leak)) == [
        "growth of resident memory over the last half",
        "growth of memory without files over the last half",
    ]
    peak = looks_with(lambda one: replace(one, rss_mib=one.rss_mib + 80 * (200 < one.t_s < 215)))
    assert missed(seen(looks=peak)) == []


def test_a_descriptor_or_a_thread_that_stays_is_found() -> None:
    fds = looks_with(lambda one: replace(one, fds=one.fds + int(one.t_s // 120)))
    assert missed(seen(looks=fds)) == ["file descriptors without clients"]
    threads = looks_with(lambda one: replace(one, threads=one.threads + (one.t_s > 150)))
    assert missed(seen(looks=threads)) == ["threads without clients"]
    passing = looks_with(lambda one: replace(one, fds=one.fds + 5 * (one.t_s % 60 < 58)))  # gone before the minute ends
    assert missed(seen(looks=passing)) == []


def test_a_budget_that_is_broken_once_is_found() -> None:
    once = looks_with(lambda one: replace(one, folders={**one.folders, "clips": 1001 if one.t_s == 150.5 else 900}))
    assert missed(seen(looks=once)) == ["clips: largest size by its budget"]


def test_older_frames_lost_results_and_outputs_that_failed_are_found() -> None:
    good = seen()
    old = [(t, age + 5 * (t >= 180), dropped) for t, age, dropped in good.results]
    assert missed(seen(results=old)) == ["p90 of the frame age"]
    lost = ["results that the logs or outputs without pictures lost"]
    assert missed(seen(rows=good.rows - 1)) == lost == missed(seen(disordered=1))
    assert missed(seen(summary=with_sink("jsonl", dropped=1))) == lost
    assert missed(seen(summary=with_sink("mp4", dropped=9))) == []  # pictures may be left out
    assert missed(seen(summary=with_sink("mp4", failures=1, restarts=1))) == ["outputs that failed"]
    assert missed(seen(summary=with_sink("mqtt", failures=5, restarts=5))) == []  # the broker was away on purpose
    assert missed(seen(summary=with_sink("mqtt", failures=5, restarts=4))) == ["outputs that failed"]
    assert missed(seen(failed={"GET /: 500": 2})) == ["requests of clients that failed"]
    assert missed(seen(reloaded=9)) == ["reloads that were not heeded"]
    assert missed(seen(status=1)) == ["exit status"]


def test_events_that_are_lost_or_doubled_are_found_but_not_those_that_wait() -> None:
    trouble = ["events that did not arrive"]
    assert missed(seen(published=Counter(IDS[:2]))) == trouble
    assert missed(seen(posted=Counter([*IDS, IDS[0]]))) == trouble
    waits = with_sink("mqtt", counts={"waiting": 1})
    assert missed(seen(published=Counter(IDS[:2]), summary=waits)) == []
    assert missed(seen(published=None)) == []  # without a broker


def test_a_cycle_without_looks_or_results_is_not_judged() -> None:
    with pytest.raises(BenchmarkError, match="cycle 3"):
        missed(seen(results=[one for one in seen().results if not 120 <= one[0] < 180]))


def test_the_slope_is_that_of_the_line_and_lies_in_its_interval() -> None:
    times = [2.0 * n for n in range(150)]
    found = growth(times, [wave(t) + t / 60 for t in times])
    assert found.low < 60 < found.high and found.per_hour == pytest.approx(60, abs=15)
    assert found.percent == pytest.approx(100 * found.per_hour * 298 / 3600 / found.level, abs=0.01)
    flat = growth(times, [5.0] * 150)
    assert (flat.per_hour, flat.low, flat.high, flat.percent) == (0, 0, 0, 0)
    with pytest.raises(BenchmarkError, match="at least"):
        growth([1.0, 2.0], [1.0, 2.0])


@pytest.mark.parametrize("compress", [False, True])
def test_no_line_of_a_rotated_log_is_missed(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "log.jsonl"
    follower = Follower(path)
    assert follower.lines() == []
    path.write_text("one\ntw")
    assert follower.lines() == ["one"]
    with path.open("a") as file:
        file.write("o\nthree\n")
    put_aside(path, LogPolicy(keep=1, compress=compress))
    assert follower.lines() == ["two", "three"]  # the new one is not there yet
    path.write_text("four\n")
    assert follower.lines() == ["four"] and follower.lines() == []
    assert follower.files == 2
    follower.close()


def test_a_look_at_this_process(tmp_path: Path) -> None:
    (tmp_path / "index.jsonl").write_text("not counted")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.jpg").write_text("four")
    before = look(os.getpid(), 1.0, {"snaps": tmp_path}, quiet=True)
    with socket.socket(), socket.socket():
        assert look(os.getpid(), 2.0, {}, quiet=False).fds == before.fds + 2
    assert before.folders == {"snaps": 4} == {"snaps": folder_bytes(tmp_path)}
    assert before.rss_mib > before.anon_mib > 1 and before.threads >= 1
    with pytest.raises(OSError):
        look(2**22 + 1, 0.0, {}, quiet=False)


def test_the_receiver_fails_now_and_then_and_counts_what_it_took() -> None:
    receiver = Receiver()
    try:
        told = Counter[str]()
        for n in range(30):
            body = json.dumps({"id": f"run-{n}"}).encode()
            try:
                urllib.request.urlopen(urllib.request.Request(receiver.url, body), timeout=20).close()
                told["taken"] += 1
            except urllib.error.HTTPError as error:
                told[str(error.code)] += 1
                error.close()
            except OSError:
                told["cut"] += 1
        assert told == {"taken": 26, "503": 3, "cut": 1}
        assert (receiver.requests, receiver.failed, len(receiver.ids)) == (30, 4, 26)
    finally:
        receiver.close()


def test_flags_in_the_record_name_no_folder_of_this_machine(tmp_path: Path) -> None:
    places = Places.under(tmp_path)
    given = flags(places, cycle_s=60, webhook="http://127.0.0.1:1/x", mqtt=None)
    assert str(tmp_path) in " ".join(given) and str(tmp_path) not in " ".join(shown(given, places))
    assert "--mqtt" not in given and {"--mqtt"} < set(flags(places, cycle_s=60, webhook="x", mqtt="mqtt://h"))
    assert places.budgets().keys() < places.folders.keys()


def test_wrong_calls(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--minutes"):
        command.measure(minutes=0.1)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="not empty"):
        command.measure(minutes=1, outputs=tmp_path)


@pytest.mark.slow
def test_a_short_run_with_everything(tmp_path: Path) -> None:
    found = command.measure(minutes=0.3, outputs=tmp_path / "out")
    assert found.kind == "endurance" and not found.valid
    of = {target.what: target for target in found.targets}
    # what depends neither on the machine nor on how long it ran
    steady = ("outputs that failed", "results that", "events that", "reloads", "requests", "exit status", "threads")
    assert [one for what, one in of.items() if what.startswith(steady) and not one.met] == []
    value = json.loads(json.dumps(found.to_json()))
    results = value["results"]
    assert results["classified"] > 200 and results["events"]["webhook"]["events"] > 5
    assert (results["events"]["mqtt"] is None) == (MOSQUITTO is None) == bool(value["method"]["left_out"])
    assert min(results["clients"][what] for what in ("pictures", "results", "answers", "scrapes")) > 2
    assert results["largest_bytes"]["recordings"] and results["largest_bytes"]["collected"]
    assert len(results["by_cycle"]) == 3 and results["reloads"] == 3
    assert str(tmp_path) not in json.dumps(value["method"])
    lines = table(results)
    assert lines[2].startswith("| resident |") and lines[-1].startswith("| 3 |")
    assert isinstance(found.targets[0], Target)
