"""The live loop with real threads: what is lost, what is not, how old results are, and how it ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from onsight_edge.backends.fake import FakeBackend
from onsight_edge.classifier import Classifier
from onsight_edge.datasets import Split
from onsight_edge.errors import BackendError, SinkError, SourceError, UsageError
from onsight_edge.frame import Decision, Frame, Notice, Prediction, Result
from onsight_edge.live import run_live
from onsight_edge.sinks import RunInfo, handover, serving
from onsight_edge.sinks.jsonl import JsonlSink
from onsight_edge.sinks.mp4 import Mp4Sink
from onsight_edge.sinks.worker import RunEnd
from onsight_edge.sources.dataset import DatasetSource
from onsight_edge.sources.source import Health
from onsight_edge.sources.synthetic import SyntheticSource
from onsight_edge.spec import ModelSpec
from onsight_edge.summary import Histogram

CLASSES = ("red", "green", "blue")
SPEC = ModelSpec("colours", CLASSES, (32, 32))


def strongest_channel(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    means = batch.reshape(-1, 3).mean(axis=0)
    return (means / max(means.sum(), 1))[np.newaxis].astype(np.float32)


def classifier(seconds: float = 0.0) -> Classifier:
    return Classifier(SPEC, FakeBackend(SPEC, strongest_channel, seconds))


class Recorder:
    """A sink that remembers when it got what, and takes its time."""

    wants_image = False

    def __init__(
        self, seconds: float = 0.0, *, name: str = "recorder", backlog: int = 1000, fail_at: int | None = None
    ) -> None:
        self.name = name
        self.backlog = backlog
        self.results: list[Result] = []
        self.ages_s: list[tuple[float, float]] = []
        self.info: RunInfo | None = None
        self.closed = 0
        self._seconds, self._fail_at = seconds, fail_at

    def open(self, info: RunInfo) -> None:
        self.info = info

    def write(self, result: Result) -> None:
        if len(self.results) == self._fail_at:
            raise ValueError("no such topic")
        now = time.monotonic_ns()
        self.ages_s.append((now / 1e9, (now - result.frame.captured_ns) / 1e9))
        self.results.append(result)
        time.sleep(self._seconds)

    def close(self) -> None:
        self.closed += 1


class Failing:
    """A source that breaks after some frames."""

    uri, live, fps, size_wh = "broken", False, None, None

    def __init__(self, frames: int) -> None:
        self.health = Health()
        self._source = SyntheticSource(None, (64, 64), frames)
        self.closed = 0

    def read(self) -> Frame | None:
        frame = self._source.read()
        if frame is None:
            raise SourceError("the cable was pulled")
        return frame

    def close(self) -> None:
        self.closed += 1


def test_a_file_is_classified_whole_however_slow_classifier_and_sinks_are() -> None:
    recorder = Recorder(0.004)
    summary = run_live(SyntheticSource(None, (64, 64), 60), classifier(0.002), [recorder])
    assert [result.frame.index for result in recorder.results] == list(range(60))
    assert (summary.captured, summary.classified, summary.dropped) == (60, 60, 0)
    assert summary.sinks[0].written == 60 and summary.sinks[0].dropped == 0
    assert recorder.closed == 1


def test_a_camera_faster_than_the_classifier_is_thinned_out_and_every_frame_is_accounted_for() -> None:
    recorder = Recorder()
    summary = run_live(SyntheticSource(200, (64, 64), 200), classifier(0.02), [recorder])
    assert summary.captured == 200
    assert summary.dropped > 20
    assert summary.classified + summary.dropped == 200
    indices = [result.frame.index for result in recorder.results]
    assert indices == sorted(set(indices))
    assert recorder.results[-1].dropped == summary.dropped
    # a frame waits for one classification at most: bounded, where a queue of 200 would have grown to 3 s
    assert summary.age_ms is not None and summary.age_ms.p90 < 1000


def test_a_slow_sink_does_not_slow_the_classifier_nor_age_what_it_shows() -> None:
    """The 20 s test below in small: 4 s at 30 fps with a sink that takes 100 ms; a queue would end at 2.7 s of age."""
    slow, quick = Recorder(0.1, name="slow", backlog=1), Recorder(name="quick")
    summary = run_live(SyntheticSource(30), classifier(), [slow, quick], seconds=4)
    assert len(quick.results) == summary.classified
    # the sink held nothing back: it got what it could take, the queue kept one, and the rest was dropped and counted
    assert summary.sinks[0].written == len(slow.results)
    assert summary.sinks[0].written + summary.sinks[0].dropped == summary.classified
    assert summary.sinks[0].dropped > 0
    # what reaches the sink is what was newest then: at most one result waits, for one write of 100 ms
    late = [age for at, age in slow.ages_s if at - slow.ages_s[0][0] >= 2]
    assert np.median(late) < 0.8


@pytest.mark.slow
def test_frame_age_after_20_s_is_not_above_that_after_5_s() -> None:
    slow = Recorder(0.1, name="slow", backlog=1)
    summary = run_live(SyntheticSource(30), classifier(), [slow], seconds=20)
    start = slow.ages_s[0][0]
    after_5 = [age for at, age in slow.ages_s if 4 <= at - start < 6]
    at_end = [age for at, age in slow.ages_s if at - start >= 18]
    print(
        f"age at the sink, median: {np.median(after_5) * 1e3:.1f} ms after 5 s, {np.median(at_end) * 1e3:.1f} at 20 s"
    )
    assert np.median(at_end) < np.median(after_5) + 0.034  # one frame period
    assert summary.age_first_5s_ms is not None and summary.age_last_5s_ms is not None
    assert summary.age_last_5s_ms < summary.age_first_5s_ms + 34


def test_every_on_a_live_source_waits_and_latest_on_a_file_drops() -> None:
    summary = run_live(SyntheticSource(500, (64, 64), 50), classifier(0.01), policy="every")
    assert (summary.classified, summary.dropped) == (50, 0)
    summary = run_live(SyntheticSource(None, (64, 64), 400), classifier(0.005), policy="latest")
    assert summary.dropped > 0 and summary.classified + summary.dropped == 400


def test_accuracy_live_equals_accuracy_on_the_same_pictures() -> None:
    random = np.random.default_rng(1)
    pictures = Split(random.integers(0, 256, (60, 32, 32, 3), np.uint8), random.integers(0, 3, 60).astype(np.int64))
    with classifier() as judge:
        right = judge.scores(pictures.images).argmax(axis=1) == pictures.labels
        summary = run_live(DatasetSource("dataset://x", pictures, CLASSES, fps=500), judge, policy="every")
    assert (summary.correct, summary.judged) == (int(right.sum()), 60)
    assert summary.accuracy == right.mean()
    assert sum(summary.labels.values()) == 60


def test_a_rejected_answer_is_unknown_and_counted_apart() -> None:
    spec = ModelSpec("strict", CLASSES, (32, 32), threshold=0.99)
    pictures = Split(np.full((5, 32, 32, 3), 100, np.uint8), np.zeros(5, np.int64))
    source = DatasetSource("x", pictures, CLASSES, fps=500)
    summary = run_live(source, Classifier(spec, FakeBackend(spec, strongest_channel)), policy="every")
    assert summary.labels == {"unknown": 5} and summary.rejected == 5
    # the file's accuracy, in which a threshold plays no part: the three channels are equal, and the first is the truth
    assert summary.accuracy == 1.0 and summary.accuracy_accepted is None


class Teller(Recorder):
    """A recorder that takes notices, too."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Notice | int] = []

    def write(self, result: Result) -> None:
        super().write(result)
        self.heard.append(result.frame.index)

    def notice(self, notice: Notice) -> None:
        self.heard.append(notice)


class Alternating:
    """Decides for another class on every third frame."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, prediction: Prediction, captured_ns: int) -> Decision:
        self._seen += 1
        return Decision(CLASSES[self._seen // 3 % 3], 0.5, captured_ns, self._seen % 3 == 0)


class Complaining:
    """Finds the fourth frame too dark, and the sixth light again."""

    def look(self, frame: Frame, prediction: Prediction, now_ns: int) -> tuple[Notice, ...]:
        return (Notice("dark", "too dark", now_ns, over=frame.index == 5),) if frame.index in (3, 5) else ()


def test_decisions_and_notices_reach_the_sinks_in_their_places() -> None:
    teller, deaf = Teller(), Recorder()
    summary = run_live(
        SyntheticSource(None, (64, 64), 8),
        classifier(),
        [teller, deaf],
        decider=Alternating(),
        sentinel=Complaining(),
    )
    dark, light = summary.notices
    assert (dark.kind, dark.over, light.over) == ("dark", False, True)
    assert teller.heard == [0, 1, 2, 3, dark, 4, 5, light, 6, 7]
    assert [one.label for one in deaf.results] == [CLASSES[at // 3] for at in (1, 2, 3, 4, 5, 6, 7, 8)]
    assert summary.decisions == 2
    assert summary.to_json()["notices"][0] == {"notice": "dark", "text": "too dark", "over": False}


class Reduced(SyntheticSource):
    """Hands out pictures at the scale it was told, and the whole ones only to those that ask."""

    def __init__(self) -> None:
        super().__init__(None, (256, 128), 5)
        self.decoded = 0
        self.reduction: Callable[[tuple[int, int]], int] = lambda size_wh: 1

    def read(self) -> Frame | None:
        frame = super().read()
        if frame is None:
            return None
        by = self.reduction((256, 128))
        return replace(frame, image_bgr=frame.image_bgr[::by, ::by], full=lambda: self._whole(frame))

    def _whole(self, frame: Frame) -> NDArray[np.uint8]:
        self.decoded += 1
        return frame.image_bgr


def test_only_sinks_that_ask_get_a_picture_and_then_the_whole_one() -> None:
    class Looker(Recorder):
        wants_image = True

    source, blind = Reduced(), Recorder()
    judge = classifier()
    run_live(source, judge, [blind])
    assert judge.reduction((256, 128)) == source.reduction((256, 128)) > 1
    assert source.decoded == 0
    assert {result.frame.image_bgr.shape for result in blind.results} == {(0, 0, 3)}
    source, looker = Reduced(), Looker()
    run_live(source, classifier(), [looker, Recorder()])
    assert source.decoded == 5
    assert {result.frame.image_bgr.shape for result in looker.results} == {(128, 256, 3)}


def test_a_wall_clock_that_jumps_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(time, "time", lambda: -next(hours))
    monkeypatch.setattr(time, "time_ns", lambda: -next(hours) * 10**9)
    summary = run_live(SyntheticSource(200, (64, 64), 40), classifier(), [Recorder()])
    assert summary.classified + summary.dropped == 40
    assert summary.age_ms is not None and 0 <= summary.age_ms.p50 < 1000 and 0 < summary.seconds < 30


@pytest.mark.parametrize("frames", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_long_run_grows_memory_by_less_than_2_mb(frames: int) -> None:
    process = psutil.Process()
    rss: list[int] = []

    class Watcher(Recorder):
        def write(self, result: Result) -> None:
            if (result.frame.index + 1) % (frames // 10) == 0:
                rss.append(process.memory_info().rss)

    source = SyntheticSource(None, (64, 32), frames)
    run_live(source, classifier(), [Watcher(backlog=8)], decider=Alternating(), sentinel=Complaining())
    assert len(rss) == 10
    # from the second tenth on: by then every histogram step and window is there
    assert rss[-1] - rss[1] < 2_000_000, rss


def test_seconds_frames_and_stop_end_an_endless_run() -> None:
    assert run_live(SyntheticSource(200, (64, 64)), classifier(), frames=7).classified == 7
    started = time.monotonic()
    summary = run_live(SyntheticSource(100, (64, 64)), classifier(), seconds=0.3)
    assert 0.29 < time.monotonic() - started < 5 and 0.29 < summary.seconds < 5
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    recorder = Recorder()
    run_live(SyntheticSource(0.01, (64, 64)), classifier(), [recorder], stop=stop)  # a source that sleeps for 100 s
    assert recorder.closed == 1
    assert time.monotonic() - started < 20


class Stuck(Recorder):
    """A sink that hangs in its first `write` until `release` is set."""

    def __init__(self, name: str = "stuck", backlog: int = 1000) -> None:
        super().__init__(name=name, backlog=backlog)
        self.release = threading.Event()
        self.hangs = threading.Event()

    def write(self, result: Result) -> None:
        self.hangs.set()
        self.release.wait(60)


@pytest.mark.parametrize("told_by", ["stop", "seconds"])
def test_a_file_run_whose_sinks_hang_ends_when_it_is_told_to(told_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_DRAIN_S", 0.1)
    monkeypatch.setattr(serving, "_FINISH_S", 0.1)
    monkeypatch.setattr(handover, "_AFTER_STOP_S", 0.1)
    stop = threading.Event()
    for frames, backlog in ((5, 1000), (50, 1)):  # the file has ended, and: a result waits for room in a queue
        sinks = [Stuck("one", backlog), Stuck("two", backlog)]
        threading.Thread(target=lambda sinks=sinks: sinks[0].hangs.wait(60) and stop.set()).start()
        summary = run_live(
            SyntheticSource(None, (64, 64), frames),
            classifier(),
            sinks,
            stop=stop if told_by == "stop" else None,
            seconds=0.5 if told_by == "seconds" else None,
        )
        assert [sink.error for sink in summary.sinks] == ["did not finish within 0.2 s"] * 2
        for sink in sinks:
            sink.release.set()
        stop.clear()


def test_sinks_that_hang_share_one_limit() -> None:
    stop = threading.Event()
    stop.set()
    end = RunEnd(stop)
    since = end.since
    time.sleep(0.01)
    assert since is not None and end.since == since  # every worker counts its seconds from there
    assert RunEnd().since is None
    assert RunEnd(deadline=time.monotonic() - 1).since == pytest.approx(time.monotonic() - 1, abs=0.9)


def test_a_sink_can_end_the_run() -> None:
    class Quits(Recorder):
        def write(self, result: Result) -> None:
            super().write(result)
            if len(self.results) == 3 and self.info is not None:
                self.info.request_stop()

    sink = Quits()
    run_live(SyntheticSource(100, (64, 64)), classifier(), [sink])
    assert len(sink.results) >= 3


def test_a_sink_that_raises_is_switched_off_and_the_run_goes_on() -> None:
    bad, good = Recorder(name="bad", fail_at=5), Recorder(name="good")
    summary = run_live(SyntheticSource(None, (64, 64), 40), classifier(), [bad, good])
    assert len(good.results) == 40
    assert len(bad.results) == 5 and bad.closed == 1
    assert [sink.error for sink in summary.sinks] == ["ValueError: no such topic", None]


def test_a_sink_that_cannot_be_opened_ends_it_before_the_source_is_read(tmp_path: Path) -> None:
    source = Failing(0)  # its first read would raise SourceError
    log = tmp_path / "log.jsonl"
    with pytest.raises(SinkError, match="its folder is not there"):
        run_live(source, classifier(), [JsonlSink(str(log)), Mp4Sink(tmp_path / "no" / "out.mp4")])
    assert source.closed >= 1
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_fails_is_raised_after_whole_files_were_written(tmp_path: Path) -> None:
    source, log, video = Failing(10), tmp_path / "log.jsonl", tmp_path / "out.mp4"
    with pytest.raises(SourceError, match="the cable was pulled"):
        run_live(source, classifier(), [JsonlSink(str(log)), Mp4Sink(video)])
    assert source.closed >= 1
    assert [json.loads(line)["frame"] for line in log.read_text().splitlines()] == list(range(10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "out.mp4"]


def test_a_source_that_fails_after_the_last_frame_that_was_asked_for_spoils_nothing() -> None:
    assert run_live(Failing(12), classifier(), frames=10).classified == 10
    with pytest.raises(SourceError):
        run_live(Failing(12), classifier(), frames=13)


def test_a_runtime_that_fails_is_raised_and_sinks_are_closed() -> None:
    calls = 0

    def breaks(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise BackendError("the delegate crashed")
        return strongest_channel(batch)

    recorder = Recorder()
    with pytest.raises(BackendError, match="delegate"):
        run_live(SyntheticSource(None, (64, 64), 100), Classifier(SPEC, FakeBackend(SPEC, breaks)), [recorder])
    assert len(recorder.results) == 4 and recorder.closed == 1  # the first of the five was the warm-up


def test_no_thread_is_left(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        run_live(SyntheticSource(None, (64, 64), 5), classifier(), [JsonlSink(str(tmp_path / "x.jsonl"))])
    assert {t.name for t in set(threading.enumerate()) - before} == set()


def test_a_run_that_makes_no_sense_closes_its_source() -> None:
    for options in ({"seconds": 0.0}, {"frames": 0}, {"policy": "fifo"}):
        source = Failing(0)
        with pytest.raises(UsageError):
            run_live(source, classifier(), **options)  # type: ignore[arg-type]
        assert source.closed == 1


def test_on_start_tells_what_runs() -> None:
    seen: list[RunInfo] = []
    run_live(SyntheticSource(None, (64, 64), 1), classifier(), on_start=seen.append)
    assert (seen[0].source, seen[0].size_wh, seen[0].model, seen[0].classes) == (
        "synthetic://",
        (64, 64),
        "colours",
        CLASSES,
    )


def test_a_run_without_frames_has_a_summary() -> None:
    summary = run_live(SyntheticSource(None, (64, 64), 0), classifier())
    assert summary.classified == 0 and summary.age_ms is None and summary.fps == 0.0 and summary.accuracy is None
    json.dumps(summary.to_json(), allow_nan=False)


def test_the_summary_is_json_and_adds_up() -> None:
    summary = run_live(SyntheticSource(None, (64, 64), 30), classifier(0.001), [Recorder()])
    plain = json.loads(json.dumps(summary.to_json(), allow_nan=False))
    assert plain["classified"] == 30 and plain["sinks"][0]["written"] == 30
    assert plain["inference_ms"]["p50"] >= 1.0
    assert plain["age_ms"]["p50"] <= plain["age_ms"]["p90"] <= plain["age_ms"]["p99"]


@settings(deadline=None)  # the machine may be loaded
@given(st.lists(st.integers(1, 10**11), min_size=1, max_size=300))
def test_the_histogram_is_nearest_rank_within_half_a_percent(values: list[int]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    found = histogram.percentiles()
    assert found is not None
    ordered = sorted(values)
    for percent, got in ((50, found.p50), (90, found.p90), (99, found.p99)):
        exact = ordered[-(-percent * len(ordered) // 100) - 1] / 1e6
        assert got == pytest.approx(exact, rel=0.0026)


def test_memory_is_bounded_on_an_endless_run() -> None:
    histogram = Histogram()
    for value in range(1, 400_000):
        histogram.add(value * 25_000)
    assert len(histogram._counts) < 3000
