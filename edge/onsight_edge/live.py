"""The live loop: source -> classifier -> sinks. Knows protocols only.

    source thread -> latest-frame slot -> classify, decide -> a bounded queue and a thread a sink

A frame that the classifier had no time for is dropped where it costs nothing, in the slot; a result that a sink has
no time for, in that sink's queue. So the age of what is shown is bounded by one frame and one classification,
however slow a sink is and however long the run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from onsight_edge.control import Control
from onsight_edge.errors import DataError, UsageError
from onsight_edge.frame import MODEL_CHANGED, Decision, Frame, Notice, Prediction, Result, Timings
from onsight_edge.latest import LatestFrame
from onsight_edge.sinks.run_end import RunEnd
from onsight_edge.sinks.serving import close_all, open_all
from onsight_edge.sinks.sink import RunInfo, Sink
from onsight_edge.sinks.worker import SinkWorker
from onsight_edge.sources.source import Notifying, Reducible, Source
from onsight_edge.spec import ModelSpec
from onsight_edge.summary import LiveStatistics, LiveSummary

__all__ = ["POLICIES", "LiveSummary", "Policy", "TimedClassifier", "run_live"]

Policy = Literal["auto", "latest", "every"]
POLICIES: tuple[Policy, ...] = ("auto", "latest", "every")
_TICK_S = 0.1  # how soon a request to stop is seen while no frame comes
_MOST_EARLY = 100  # notices
_SOURCE_END_S = 3.0


class TimedClassifier(Protocol):
    """What the loop needs of a Classifier."""

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        ...

    def classify_timed(self, image_bgr: NDArray[np.uint8]) -> tuple[Prediction, Timings]:
        """Classify one (H, W, 3) uint8 BGR picture."""
        ...

    def reduction(self, frame_wh: tuple[int, int]) -> int:
        """By how much a JPEG of that width and height may be reduced while it is decoded: 1, 2, 4 or 8."""
        ...


class Decides(Protocol):
    """Turns predictions into something steadier; a Decider."""

    def __call__(self, prediction: Prediction, captured_ns: int) -> Decision:
        """What is held to be seen, now that this prediction is known, of a frame captured then.

        For a video file the time is that within the video.
        """
        ...


class Looks(Protocol):
    """Looks at what the classifier is fed; a Sentinel."""

    def look(self, frame: Frame, prediction: Prediction, now_ns: int) -> Sequence[Notice]:
        """What is wrong with the pictures, once when it begins and once when it is over. Called after every result."""
        ...


def run_live(
    source: Source,
    classifier: TimedClassifier,
    sinks: Sequence[Sink] = (),
    *,
    policy: Policy = "auto",
    seconds: float | None = None,
    frames: int | None = None,
    stop: threading.Event | None = None,
    on_start: Callable[[RunInfo], None] | None = None,
    decider: Decides | None = None,
    sentinel: Looks | None = None,
    control: Control | None = None,
) -> LiveSummary:
    """Classify what `source` delivers until it ends, and hand the results to `sinks`.

    The source and the sinks are closed when this returns or raises. Before the source starts, one black picture is
    classified, so that no frame pays for a runtime's lazy start.

    Args:
        source: open; its `read` is called from a thread of its own.
        classifier: used in the calling thread only.
        sinks: opened here, before the source is first read; each then runs on its own thread.
        policy: `latest` drops frames and results that nobody has time for; `every` waits and loses nothing; `auto`
            is `latest` for live sources and `every` for others. Once the run was told to end, by `stop` or by
            `seconds`, `every` waits for a sink for some seconds only: one that hangs cannot keep it from ending.
        seconds: end after so long.
        frames: end after so many results.
        stop: ends the run when set, as do `seconds` and `frames`: cleanly.
        on_start: called once, with everything open and the source about to start.
        decider: makes the decision that results carry.
        sentinel: watches the pictures; what it says, and what the source says of itself, goes to the sinks.
        control: begins with the same classifier, decider and sentinel; other threads change them through it while the
            run goes on. Closed at the end.

    Raises:
        SinkError: a sink cannot be opened. One that fails later is tried again or switched off; the summary names it.
        SourceError: the source failed; what came before was classified and handed to the sinks, which were closed.
        UsageError: the policy, `seconds` or `frames` make no sense.
    """
    try:
        every = _waits(policy, source.live)
        if (seconds is not None and not seconds > 0) or (frames is not None and frames < 1):
            raise UsageError("a run needs at least one frame and more than 0 seconds")
    except UsageError:
        source.close()
        raise
    end = RunEnd(stop)
    slot = LatestFrame(wait=every)
    reader = _Reader(source, slot)
    statistics = LiveStatistics()
    workers: list[SinkWorker] = []
    early: deque[Notice] = deque(maxlen=_MOST_EARLY)

    def tell(notice: Notice) -> None:
        statistics.notice(notice)
        if not workers:
            early.append(notice)
        for worker in workers:
            worker.tell(notice)

    info = RunInfo(
        source.uri,
        source.live,
        source.fps,
        source.size_wh,
        classifier.spec.name,
        classifier.spec.classes,
        end.stop.set,
        tell=tell,
        sinks=lambda: tuple(worker.state() for worker in workers),
        model_now=lambda: classifier.spec.name,
    )
    if isinstance(source, Reducible):
        source.reduction = classifier.reduction
    if isinstance(source, Notifying):
        source.on_notice = tell
    in_a_hurry = lossless = source_ended = False
    try:
        open_all(sinks, info)
        workers = [SinkWorker(sink, wait=every, end=end, tell=tell) for sink in sinks]
        for worker in workers:
            for notice in tuple(early):  # what a sink said of itself while it was opened
                worker.tell(notice)
        width, height = source.size_wh or classifier.spec.input_size_wh
        classifier.classify_timed(np.zeros((height, width, 3), np.uint8))
        if on_start is not None:
            on_start(info)
        reader.start()
        statistics.start()
        end.deadline = float("inf") if seconds is None else time.monotonic() + seconds
        while end.since is None:
            frame = slot.get(min(_TICK_S, max(0.0, end.deadline - time.monotonic())))
            if control is not None and control.pending is not None:
                judge, replaced = control.take()
                classifier, decider, sentinel = judge.classifier, judge.decider, judge.sentinel
                if replaced:
                    frame = _for_another_model(source, classifier, frame)
                    tell(Notice(MODEL_CHANGED, f"{classifier.spec.name} answers from now on", time.monotonic_ns()))
            if frame is None:
                if slot.ended:
                    source_ended = True
                    break
                continue
            prediction, timings = classifier.classify_timed(frame.image_bgr)
            decision = None if decider is None else decider(prediction, _moment_ns(frame, source))
            published_ns = time.monotonic_ns()
            fps = statistics.note(frame, prediction, timings, published_ns, decision)
            result = Result(frame, prediction, timings, published_ns, slot.dropped, fps, decision)
            for worker in workers:
                worker.offer(result)
            if sentinel is not None:
                for notice in sentinel.look(frame, prediction, published_ns):
                    tell(notice)
            if frames is not None and statistics.classified >= frames:
                break
        statistics.stop()
        lossless = every
    except KeyboardInterrupt:
        in_a_hurry = True
        raise
    finally:
        try:
            slot.close()
            source.close()
            reader.join()
        except KeyboardInterrupt:
            in_a_hurry = True
            raise
        finally:
            if control is not None:
                control.close()
            ended = close_all(workers, end, lossless=lossless, in_a_hurry=in_a_hurry)
    if reader.error is not None and source_ended:  # what it met after the last frame that was asked for is nobody's
        raise reader.error
    return statistics.summary(captured=reader.delivered, dropped=slot.dropped, health=source.health, sinks=ended)


class _Reader:
    """Moves frames from a source into the slot until either ends."""

    def __init__(self, source: Source, slot: LatestFrame) -> None:
        self.delivered = 0
        self.error: Exception | None = None
        self._source, self._slot = source, slot
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)
        self._started = False

    def start(self) -> None:
        self._started = True
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread, but not for ever: a driver may hang."""
        if self._started:
            self._thread.join(_SOURCE_END_S)

    def _run(self) -> None:
        frame: Frame | None
        try:
            while (frame := self._source.read()) is not None:
                if not self._slot.put(frame):
                    return
                self.delivered += 1
        except Exception as error:  # raised again in the calling thread
            self.error = error
        finally:
            self._slot.close()


def _for_another_model(source: Source, classifier: TimedClassifier, frame: Frame | None) -> Frame | None:
    """Let the source reduce its JPEGs as this model needs them; the frame at hand was decoded for the one before."""
    if isinstance(source, Reducible):
        source.reduction = classifier.reduction
    if frame is not None and frame.full is not None:
        with contextlib.suppress(DataError):
            return dataclasses.replace(frame, image_bgr=frame.picture(), full=None)
    return frame


def _moment_ns(frame: Frame, source: Source) -> int:
    """When the frame shows what it shows: a file is read faster than it was filmed."""
    if source.live or not source.fps:
        return frame.captured_ns
    return round(frame.index * 1e9 / source.fps)


def _waits(policy: str, live: bool) -> bool:
    if policy not in POLICIES:
        raise UsageError(f"the policy must be one of {', '.join(POLICIES)}, not {policy!r}")
    return policy == "every" or (policy == "auto" and not live)
