"""Sinks that fail are tried again, told and counted, and never hold up the run."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from onsight_edge.errors import SinkError
from onsight_edge.events import SINK_BACK, SINK_FAILED
from onsight_edge.frame import Frame, Notice, Prediction, Result, Timings
from onsight_edge.sinks import RunInfo, SinkWorker, worker
from onsight_edge.sinks.events import EventsSink
from onsight_edge.sinks.jsonl import JsonlSink
from onsight_edge.sinks.sink import SinkReport
from onsight_edge.sinks.webhook import Receiver, WebhookSink

CLASSES = ("cat", "dog")
LIVE = RunInfo("0", True, 20.0, (320, 240), "m", CLASSES)


def result(index: int, label: int = 0) -> Result:
    scores = np.array([0.8, 0.2] if label == 0 else [0.2, 0.8], np.float32)
    frame = Frame(np.zeros((4, 4, 3), np.uint8), index, time.monotonic_ns())
    return Result(frame, Prediction(label, 0.8, scores, CLASSES), Timings(1, 2, 3), frame.captured_ns, 0, 20.0)


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.005)


class Moody:
    """A sink that works when it is told to."""

    name, wants_image, backlog = "moody", False, 4

    def __init__(self) -> None:
        self.got: list[int] = []
        self.works = True
        self.stumbles_over: int | None = None
        self.recoveries = self.closed = 0

    def open(self, info: RunInfo) -> None:
        return

    def write(self, result: Result) -> None:
        if result.frame.index == self.stumbles_over:
            raise ZeroDivisionError("a fault of the sink")
        if not self.works:
            raise SinkError("the disk is full")
        self.got.append(result.frame.index)

    def recover(self) -> None:
        self.recoveries += 1

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_PAUSES_S", (0.01,))


def test_a_sink_that_recovers_goes_on_with_what_it_could_not_write(quick: None) -> None:
    sink, told = Moody(), list[Notice]()
    serving = SinkWorker(sink, wait=False, tell=told.append)
    serving.offer(result(0))
    until(lambda: sink.got == [0])
    sink.works = False
    serving.offer(result(1))
    until(lambda: sink.recoveries >= 2)
    state = serving.state()
    assert (state.error, state.failures, state.restarts) == ("the disk is full", 1, 0)
    for index in range(2, 8):  # three too many for the queue
        serving.offer(result(index))
    sink.works = True
    until(lambda: sink.got == [0, 4, 5, 6, 7])
    serving.close()
    summary = serving.join(20)
    assert (summary.error, summary.failures, summary.restarts) == (None, 1, 1)
    assert (summary.written, summary.dropped, summary.last_failure) == (5, 3, "the disk is full")
    assert sink.closed == 1
    assert [(notice.kind, notice.over) for notice in told] == [(SINK_FAILED, False), (SINK_BACK, True)]
    assert "3 results are not in it" in told[1].text


def test_a_failed_sink_does_not_hold_up_a_run_that_waits_for_sinks(quick: None) -> None:
    sink = Moody()
    sink.works = False
    serving = SinkWorker(sink, wait=True)
    started = time.monotonic()
    for index in range(100):
        serving.offer(result(index))
    assert time.monotonic() - started < 10
    serving.close()
    summary = serving.join(20)
    assert summary.error == "the disk is full" and summary.written == 0 and summary.dropped == 100
    assert sink.closed == 1


def test_a_result_that_a_sink_stumbles_over_is_left_out(quick: None) -> None:
    sink = Moody()
    sink.stumbles_over = 1
    serving = SinkWorker(sink, wait=True)
    for index in range(4):
        serving.offer(result(index))
    serving.close()
    summary = serving.join(20)
    assert sink.got == [0, 2, 3]
    assert summary.last_failure == "ZeroDivisionError: a fault of the sink"
    assert (summary.error, summary.dropped, summary.restarts) == (None, 1, 1)


def test_what_a_sink_does_not_pick_is_neither_decoded_nor_counted() -> None:
    class Picky(Moody):
        wants_image = True

        def picks(self, result: Result) -> bool:
            return result.frame.index == 2

    decoded = []

    def full() -> np.ndarray:
        decoded.append(1)
        return np.zeros((8, 8, 3), np.uint8)

    sink = Picky()
    serving = SinkWorker(sink, wait=True)
    for index in range(4):
        one = result(index)
        frame = Frame(one.frame.image_bgr, index, one.frame.captured_ns, full=full)
        serving.offer(Result(frame, one.prediction, one.timings, one.published_ns, 0, 20.0))
    serving.close()
    assert serving.join(20).written == 1 and sink.got == [2] and decoded == [1]


def test_what_a_sink_says_of_its_connection_is_in_the_summary() -> None:
    class Connected(Moody):
        def report(self) -> SinkReport:
            return SinkReport("no broker", 2, 1, "refused", {"waiting": 3})

    serving = SinkWorker(Connected(), wait=True)
    serving.close()
    summary = serving.join(20)
    assert (summary.error, summary.failures, summary.restarts) == ("no broker", 2, 1)
    assert (summary.last_failure, summary.counts) == ("refused", {"waiting": 3})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here: needs root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_json_lines_go_on_when_a_full_disk_has_room_again(small_disk: Path, quick: None) -> None:
    ballast, log = small_disk / "ballast", small_disk / "log.jsonl"
    sink = JsonlSink(str(log))
    sink.open(LIVE)
    serving = SinkWorker(sink, wait=False)
    serving.offer(result(0))
    until(lambda: serving.state().written == 1)
    with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    sent = 1
    while serving.state().error is None:  # what is left of the last page takes some lines
        serving.offer(result(sent))
        sent += 1
        until(lambda written=sent: serving.state().written == written or serving.state().error is not None)
    assert "No space left" in str(serving.state().error)
    ballast.unlink()
    until(lambda: serving.state().error is None)
    serving.close()
    assert serving.join(20).dropped == 0
    frames = [line["frame"] for line in map(json.loads, log.read_text().splitlines()) if "frame" in line]
    assert frames == list(range(sent))


def test_an_event_that_did_not_fit_on_the_disk_is_written_later(small_disk: Path, quick: None) -> None:
    ballast, log = small_disk / "ballast", small_disk / "events.jsonl"
    sinks: list[EventsSink | WebhookSink] = [
        EventsSink(str(log)),
        WebhookSink(Receiver("http://127.0.0.1:9/"), small_disk / "box"),
    ]
    for sink in sinks:
        sink.open(LIVE)
    with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    workers = [SinkWorker(sink, wait=False) for sink in sinks]
    for index in range(60):  # an event each
        for serving in workers:
            serving.offer(result(index, index % 2))
    for serving in workers:
        until(lambda serving=serving: serving.state().error is not None)
    ballast.unlink()
    for serving in workers:
        until(lambda serving=serving: serving.state().written == 60)
        serving.close()
    waiting = workers[1].sink.report().counts["waiting"]  # type: ignore[attr-defined]
    assert workers[0].join(20).dropped == workers[1].join(20).dropped == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["frame"] for line in lines if "frame" in line] == list(range(60))
    assert waiting == 60


def test_notices_of_one_sink_reach_the_others_without_a_lock_between_them(quick: None) -> None:
    first, second = Moody(), Moody()
    first.works = False
    heard = threading.Event()
    serving = SinkWorker(first, wait=False, tell=lambda notice: (heard.set(), other.tell(notice))[0])
    other = SinkWorker(second, wait=False, tell=lambda notice: serving.tell(notice))
    serving.offer(result(0))
    assert heard.wait(20)
    for one in (serving, other):
        one.close()
        one.join(20)
