"""Sinks write real files; their workers neither block nor lose without counting."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight_edge.errors import DataError, SinkError
from onsight_edge.frame import SOURCE_LOST, Decision, Frame, Notice, Prediction, Result, Timings
from onsight_edge.sinks import RunInfo, SinkWorker, window
from onsight_edge.sinks.events import EventsSink
from onsight_edge.sinks.jsonl import JsonlSink
from onsight_edge.sinks.mp4 import Mp4Sink
from onsight_edge.sinks.status import StatusSink, plain_line
from onsight_edge.sinks.window import WindowSink, failing_display, missing_for_window
from onsight_edge.sources.synthetic import SyntheticSource, read_number

CLASSES = ("cat", "dog")
FILE = RunInfo("clip.mp4", False, 25.0, (320, 240), "m", CLASSES)
LIVE = RunInfo("0", True, 20.0, (320, 240), "m", CLASSES)


def result(index: int, *, captured_ns: int = 0, image: np.ndarray | None = None, truth: str | None = None) -> Result:
    frame = Frame(np.zeros((48, 64, 3), np.uint8) if image is None else image, index, captured_ns, truth)
    scores = np.array([0.8, 0.2], np.float32)
    return Result(frame, Prediction(0, 0.8, scores, CLASSES), Timings(1, 2, 3), captured_ns + 5_000_000, 2, 24.5)


def numbered(count: int, size_wh: tuple[int, int] = (320, 240)) -> list[np.ndarray]:
    source = SyntheticSource(None, size_wh, count)
    images = []
    while (frame := source.read()) is not None:
        images.append(frame.image_bgr)
    return images


def numbers_in(path: Path) -> list[int]:
    capture = cv2.VideoCapture(str(path))
    numbers = []
    while True:
        taken, image = capture.read()
        if not taken:
            return numbers
        numbers.append(read_number(image))


def test_jsonl_has_a_line_a_result_and_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old " * 1000)
    sink = JsonlSink(str(path))
    sink.open(FILE)
    assert path.read_text().startswith("old")  # a run that never begins leaves the old log alone
    for index in range(3):
        sink.write(result(index, truth="dog"))
        assert path.read_text().count("\n") == index + 1  # there for whoever reads along
    sink.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["frame"] for line in lines] == [0, 1, 2]
    assert lines[0] | {"top": None, "at": None} == {
        "at": None,
        "frame": 0,
        "label": "cat",
        "score": 0.8,
        "top": None,
        "age_ms": 5.0,
        "preprocess_ms": 0.0,
        "inference_ms": 0.0,
        "postprocess_ms": 0.0,
        "dropped": 2,
        "fps": 24.5,
        "truth": "dog",
    }


def test_jsonl_has_notices_between_the_results(tmp_path: Path) -> None:
    sink = JsonlSink(str(tmp_path / "out.jsonl"))
    sink.open(LIVE)
    sink.write(replace(result(0), decision=Decision("dog", 0.61, 0)))
    sink.notice(Notice("dark", "too dark: more light", 0))
    sink.close()
    first, second = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines())
    assert (first["label"], first["decision"], first["decision_score"]) == ("cat", "dog", 0.61)
    assert second | {"at": None} == {"notice": "dark", "text": "too dark: more light", "over": False, "at": None}


def test_events_are_lines_where_the_decision_changes_and_go_on_after_the_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    before = datetime.now(timezone.utc)
    for labels in (["cat", "cat", "dog"], ["dog", "dog", "unknown"]):
        sink = EventsSink(str(path))
        sink.open(LIVE)
        for index, label in enumerate(labels):
            one = result(index, captured_ns=time.monotonic_ns())
            sink.write(replace(one, decision=Decision(label, 0.5, 0)))
        sink.notice(Notice("source-lost", "the camera is gone", time.monotonic_ns()))
        sink.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("event", line.get("notice")) for line in lines] == [
        *("cat", "dog", "source-lost"),
        *("dog", "unknown", "source-lost"),
    ]
    assert lines[1]["before"] == "cat" and lines[1]["frame"] == 2 and lines[3]["before"] is None
    for line in lines:
        at = datetime.fromisoformat(line["at"].replace("Z", "+00:00"))
        assert abs((at - before).total_seconds()) < 60


def test_events_begin_a_line_of_their_own_after_a_writer_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "o')
    sink = EventsSink(str(path))
    sink.open(LIVE)
    for label in ("cat", "dog"):
        sink.write(replace(result(0, captured_ns=time.monotonic_ns()), decision=Decision(label, 0.5, 0)))
    sink.close()
    first, *others = path.read_text().splitlines()
    assert first == '{"event": "o' and [json.loads(line)["event"] for line in others] == ["cat", "dog"]


def test_a_sink_outlives_a_picture_that_cannot_be_decoded_in_full() -> None:
    class Looker:
        name, wants_image, backlog = "looker", True, 8

        def __init__(self) -> None:
            self.got: list[int] = []

        def open(self, info: RunInfo) -> None:
            return

        def write(self, result: Result) -> None:
            self.got.append(result.frame.index)

        def close(self) -> None:
            return

    def damaged() -> np.ndarray:
        raise DataError("torn")

    looker = Looker()
    worker = SinkWorker(looker, wait=True)
    for index in range(3):
        one = result(index)
        worker.offer(replace(one, frame=replace(one.frame, full=damaged if index == 1 else None)))
    worker.close()
    summary = worker.join(10)
    assert looker.got == [0, 2] and (summary.written, summary.dropped, summary.error) == (2, 1, None)


def test_events_on_a_full_disk_keep_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "old"}\n')
    sink = EventsSink(str(path))
    sink.open(LIVE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))
    try:
        with pytest.raises(SinkError, match="cannot write"):
            sink.write(result(0, captured_ns=time.monotonic_ns()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    sink.close()
    assert path.read_text() == '{"event": "old"}\n'


def test_jsonl_takes_a_file_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = JsonlSink(str(path))
    sink.open(FILE)
    one = result(0)
    sink.write(replace(one, frame=replace(one.frame, name=os.fsdecode(b"caf\xe9.png"))))
    sink.close()
    assert json.loads(path.read_text(encoding="utf-8"))["name"] == "caf?.png"


def test_sinks_do_without_standard_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SinkError, match="cannot write standard output: it is closed"):
        JsonlSink("-").open(FILE)
    sink = StatusSink()
    sink.open(LIVE)
    sink.write(result(0))
    sink.close()


def test_jsonl_without_a_result_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink = JsonlSink(str(path))
    sink.open(FILE)
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_jsonl_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    for target in (tmp_path, tmp_path / "no" / "out.jsonl", tmp_path / ("x" * 300), tmp_path / ("x" * 300) / "out"):
        with pytest.raises(SinkError, match="cannot write") as caught:
            JsonlSink(str(target)).open(FILE)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_jsonl_on_a_full_disk_is_one_line() -> None:
    sink = JsonlSink("/dev/full")
    sink.open(FILE)
    with pytest.raises(SinkError, match="cannot write /dev/full: No space left on device"):
        sink.write(result(0))
    sink.close()
    assert Path("/dev/full").exists()


def test_jsonl_cuts_off_a_line_that_did_not_fit(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "out.jsonl"
    sink = JsonlSink(str(path))
    sink.open(FILE)
    sink.write(result(0))
    size = path.stat().st_size
    import signal

    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))  # room for 20 bytes of the next line
    try:
        with pytest.raises(SinkError, match="File too large"):
            sink.write(result(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    sink.close()
    assert path.stat().st_size == size
    assert [json.loads(line)["frame"] for line in path.read_text().splitlines()] == [0]


def test_mp4_of_a_file_has_every_frame_and_no_temporary_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = Mp4Sink(path)
    sink.open(FILE)
    images = numbered(12)
    for index, image in enumerate(images):
        before = image.copy()
        sink.write(result(index, image=image))
        np.testing.assert_array_equal(image, before)
    assert not path.exists()
    sink.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.mp4"]
    assert numbers_in(path) == list(range(12))
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == 25.0


def test_mp4_of_a_live_source_plays_in_real_time(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = Mp4Sink(path)
    sink.open(LIVE)  # 20 fps
    images = numbered(5)
    # 0, 0.1, 0.15 s; then 10 s of nothing, which is shortened to 2 s; then one more
    for image, seconds in zip(images, (0.0, 0.1, 0.15, 10.15, 10.2), strict=True):
        sink.write(result(0, image=image, captured_ns=10**12 + round(seconds * 1e9)))
    sink.close()
    numbers = numbers_in(path)
    assert numbers[:4] == [0, 1, 1, 2]
    assert [numbers.count(n) for n in range(5)] == [1, 2, 1, 40, 1]


@pytest.mark.parametrize("size_wh", [(101, 77), (320, 241)])
def test_mp4_takes_odd_and_changing_sizes(tmp_path: Path, size_wh: tuple[int, int]) -> None:
    path = tmp_path / "out.mp4"
    sink = Mp4Sink(path)
    sink.open(FILE)
    sink.write(result(0, image=numbered(1, size_wh)[0]))
    sink.write(result(1, image=numbered(1, (640, 480))[0]))
    sink.write(result(2, image=numbered(1, (60, 400))[0]))
    sink.close()
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert len(numbers_in(path)) == 3


def test_mp4_that_got_no_frame_or_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    sink = Mp4Sink(tmp_path / "out.mp4")
    sink.open(FILE)
    sink.close()
    for path, message in (
        (tmp_path / "out.avi", "must end in .mp4"),
        (tmp_path / "no" / "out.mp4", "its folder is not there"),
        (tmp_path / ("x" * 300 + ".mp4"), "File name too long|cannot write"),
        (tmp_path / ("x" * 300) / "out.mp4", "File name too long|its folder is not there"),
    ):
        with pytest.raises(SinkError, match=message):
            Mp4Sink(path).open(FILE)
    assert list(tmp_path.iterdir()) == []


def test_mp4_that_comes_out_short_is_not_published(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"what was there before")
    sink = Mp4Sink(path)
    sink.open(FILE)
    sink.write(result(0))
    sink._written += 1  # as when the disk swallowed one
    with pytest.raises(SinkError, match="1 of 2 frames are in it"):
        sink.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.mp4"]
    assert path.read_bytes() == b"what was there before"


def test_status_prints_one_plain_line_a_second_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    sink = StatusSink(stream)
    sink.open(LIVE)
    for index in range(50):
        sink.write(result(index, truth="cat"))
    sink.close()
    assert stream.getvalue() == "cat 0.80  24.5 fps  age 5.0 ms  dropped 2  frame 0  truth cat\n"
    assert plain_line(result(3)).endswith("frame 3")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_status_tells_what_is_wrong_and_shows_nothing_old_while_the_source_is_lost() -> None:
    plain = io.StringIO()
    sink = StatusSink(plain)
    sink.open(LIVE)
    sink.notice(Notice("dark", "the pictures are too dark", 0))
    sink.notice(Notice("dark", "light again", 0, over=True))
    assert plain.getvalue().splitlines() == ["notice: the pictures are too dark", "over: light again"]

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    sink = StatusSink(screen)
    sink.open(LIVE)
    sink.write(result(7))
    sink.notice(Notice(SOURCE_LOST, "camera 0 is gone", 0))
    sink.close()
    told = screen.getvalue()
    assert "camera 0 is gone" in told
    assert told.rindex("waiting for the source") > told.rindex("cat")  # the old answer does not come back at the end


def test_status_renews_one_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    sink = StatusSink(stream)
    sink.open(LIVE)
    for index in range(3):
        sink.write(result(index, truth="dog"))
        time.sleep(0.11)
    sink.close()
    text = stream.getvalue()
    assert "cat" in text and "0.80" in text and "24.5" in text and "dropped" in text and "dog" in text
    assert "\x1b[2K" in text  # erased and written anew


@pytest.mark.parametrize(
    ("build", "environment", "lacking"),
    [
        ("  GUI:                           NONE\n", {}, ["DISPLAY", "pip uninstall opencv-python-headless"]),
        ("  GUI:                           NONE\n", {"DISPLAY": ":0"}, ["pip install opencv-python"]),
        ("  GUI:                           QT5\n", {"DISPLAY": ""}, ["WAYLAND_DISPLAY"]),
        ("nothing is said", {"WAYLAND_DISPLAY": "w"}, ["pip install opencv-python"]),
    ],
)
def test_a_window_says_what_it_lacks(build: str, environment: dict[str, str], lacking: list[str]) -> None:
    problem = missing_for_window(build, environment, "linux")
    assert problem is not None and "\n" not in problem
    assert all(part in problem for part in lacking)
    assert ("DISPLAY" in problem) == ("DISPLAY" in " ".join(lacking))


def test_a_window_that_can_be_shown_lacks_nothing() -> None:
    assert missing_for_window("  GUI: GTK+\n", {"DISPLAY": ":0"}, "linux") is None
    assert missing_for_window("  GUI: WIN32UI\n", {}, "win32") is None


def test_macos_refuses_a_window_from_a_sinks_thread() -> None:
    problem = missing_for_window("  GUI: COCOA\n", {}, "darwin")
    assert problem is not None and "macOS" in problem and "--mp4" in problem and "\n" not in problem


def test_a_display_is_tried_in_a_process_that_may_die(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing_display([sys.executable, "-c", ""]) is None
    aborts = "import os, sys; print('could not connect to display :77\\nmore', file=sys.stderr, flush=True); os.abort()"
    problem = failing_display([sys.executable, "-c", aborts])
    assert problem is not None and "(could not connect to display :77)" in problem and "\n" not in problem
    monkeypatch.setattr(window, "_PROBE_S", 0.2)
    problem = failing_display([sys.executable, "-c", "import time; time.sleep(30)"])
    assert problem is not None and "no answer within 0.2 s" in problem


@pytest.mark.skipif("NONE" not in cv2.getBuildInformation().partition("GUI:")[2][:60], reason="OpenCV has windows")
def test_the_headless_opencv_refuses_a_window() -> None:
    with pytest.raises(SinkError, match="a window needs"):
        WindowSink().open(LIVE)


class Collector:
    """A sink that takes its time, may fail, and remembers."""

    name = "collector"
    wants_image = False
    backlog = 4

    def __init__(self, seconds: float = 0.0, fail_at: int | None = None) -> None:
        self.got: list[int] = []
        self.shapes: set[tuple[int, ...]] = set()
        self.closed = 0
        self.seconds, self.fail_at = seconds, fail_at
        self.gate = threading.Event()
        self.gate.set()

    def open(self, info: RunInfo) -> None:
        return

    def write(self, result: Result) -> None:
        self.gate.wait(20)
        time.sleep(self.seconds)
        if len(self.got) == self.fail_at:
            raise SinkError("the broker hung up")
        self.got.append(result.frame.index)
        self.shapes.add(result.frame.image_bgr.shape)

    def close(self) -> None:
        self.closed += 1


def test_a_waiting_worker_loses_nothing() -> None:
    sink = Collector(0.001)
    worker = SinkWorker(sink, wait=True)
    for index in range(60):
        worker.offer(result(index))
    worker.close()
    summary = worker.join(20)
    assert sink.got == list(range(60)) and sink.closed == 1
    assert (summary.written, summary.dropped, summary.error) == (60, 0, None)


def test_a_full_queue_loses_the_oldest_and_offering_never_waits() -> None:
    sink = Collector()
    sink.gate.clear()
    worker = SinkWorker(sink, wait=False)
    worker.offer(result(0))
    while worker._queue:  # until the sink holds the first
        time.sleep(0.001)
    started = time.monotonic()
    for index in range(1, 101):
        worker.offer(result(index))
    assert time.monotonic() - started < 5
    sink.gate.set()
    worker.close()
    summary = worker.join(20)
    assert sink.got == [0, 97, 98, 99, 100]
    assert (summary.written, summary.dropped) == (5, 96)
    assert sink.shapes == {(0, 0, 3)}  # it did not ask for pictures, so its queue holds none


def test_a_failing_sink_is_switched_off_closed_and_named_once() -> None:
    sink = Collector(fail_at=3)
    worker = SinkWorker(sink, wait=True)
    for index in range(50):
        worker.offer(result(index))  # must not wait for room that never comes
    worker.close()
    summary = worker.join(20)
    assert sink.got == [0, 1, 2] and sink.closed == 1
    assert summary.error == "the broker hung up"
    assert summary.written == 3 and summary.dropped == 46  # the one that failed is neither


def test_what_waits_at_the_end_is_written_only_for_so_long() -> None:
    sink = Collector(0.2)
    sink.backlog = 100
    worker = SinkWorker(sink, wait=False)
    for index in range(50):
        worker.offer(result(index))
    worker.close(drain_s=0.3)
    summary = worker.join(20)
    assert summary.written < 10 and summary.written + summary.dropped == 50 and sink.closed == 1


def test_a_sink_that_hangs_is_left_behind() -> None:
    sink = Collector()
    sink.gate.clear()
    worker = SinkWorker(sink, wait=False)
    worker.offer(result(0))
    while worker._queue:  # until the sink holds it
        time.sleep(0.001)
    worker.close(0.0)
    assert worker.join(0.1).error == "did not finish within 0.1 s"
    sink.gate.set()
