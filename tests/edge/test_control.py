"""Changes while a run goes on: taken between two frames, nothing lost, and nothing changed where they fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from onsight_edge.backends.fake import FakeBackend
from onsight_edge.classifier import Classifier
from onsight_edge.control import Control
from onsight_edge.decide import Decider
from onsight_edge.errors import BackendError, OnsightError, UsageError
from onsight_edge.frame import MODEL_CHANGED, Frame, Notice, Prediction, Result, Timings
from onsight_edge.judge import Judge, Settings, make_judge
from onsight_edge.live import run_live
from onsight_edge.sinks import RunInfo
from onsight_edge.sources.synthetic import SyntheticSource
from onsight_edge.spec import ModelSpec

CLASSES = ("red", "green", "blue")


class Counted(FakeBackend):
    """A backend that remembers being closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def always(scores: tuple[float, ...], name: str = "fixed") -> Classifier:
    spec = ModelSpec(name, CLASSES, (32, 32))

    def answer(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array([scores], np.float32)

    return Classifier(spec, Counted(spec, answer))


class Kept:
    name, wants_image, backlog = "kept", False, 10_000

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.notices: list[Notice] = []

    def open(self, info: RunInfo) -> None: ...

    def write(self, result: Result) -> None:
        self.results.append(result)

    def notice(self, notice: Notice) -> None:
        self.notices.append(notice)

    def close(self) -> None: ...


@contextmanager
def running(judge: Judge, control: Control) -> Iterator[Kept]:
    """A run of 100 frames a second on a thread of its own."""
    stop, kept = threading.Event(), Kept()
    thread = threading.Thread(
        target=lambda: run_live(
            SyntheticSource(100, (64, 64)),
            judge.classifier,
            [kept],
            stop=stop,
            decider=judge.decider,
            sentinel=judge.sentinel,
            control=control,
        )
    )
    thread.start()
    try:
        until(lambda: len(kept.results) > 3)
        yield kept
    finally:
        stop.set()
        thread.join(20)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "nothing happened within 20 s"
        time.sleep(0.01)


def test_a_threshold_acts_while_the_run_goes_on_and_no_frame_is_lost() -> None:
    judge = make_judge(always((0.6, 0.3, 0.1)), Settings(0.0, smooth=0.0, agree=1), sentinel=False)
    control = Control(judge)
    with running(judge, control) as kept:
        assert kept.results[-1].label == "red"
        assert control.adjust(lambda now: replace(now, threshold=0.9)) == Settings(0.9, 0.0, 1, 0.1)
        seen = len(kept.results)
        until(lambda: len(kept.results) > seen + 5)
        assert kept.results[-1].label == "unknown" and kept.results[-1].prediction.rejected
        assert control.revision == 1
    indices = [result.frame.index for result in kept.results]
    assert indices == sorted(set(indices))
    assert not kept.notices  # the same model


def test_the_decision_does_not_blink_when_a_setting_is_turned() -> None:
    judge = make_judge(always((0.6, 0.3, 0.1)), Settings(0.0, smooth=1.0, agree=3), sentinel=False)
    control = Control(judge)
    with running(judge, control) as kept:
        until(lambda: kept.results[-1].label == "red")
        since = kept.results[-1].decision
        first = len(kept.results)
        control.adjust(lambda now: replace(now, agree=50, smooth=0.5))
        until(lambda: len(kept.results) > first + 10)
        assert since is not None
        assert {(r.label, r.decision and r.decision.since_ns) for r in kept.results[first:]} == {
            ("red", since.since_ns)
        }


def test_another_model_takes_over_and_the_old_one_is_closed() -> None:
    first = always((0.6, 0.3, 0.1), "first")
    judge = make_judge(first, Settings(0.0), sentinel=False)
    control = Control(judge)
    with running(judge, control) as kept:
        second = control.replace(lambda now: make_judge(always((0.1, 0.2, 0.7), "second"), now, sentinel=False))
        assert first.backend.closed == 1 and second.classifier.backend.closed == 0  # type: ignore[attr-defined]
        until(lambda: kept.results[-1].label == "blue")
        assert [(notice.kind, "second" in notice.text) for notice in kept.notices] == [(MODEL_CHANGED, True)]
    assert second.classifier.backend.closed == 1  # type: ignore[attr-defined]
    labels = [result.label for result in kept.results]
    assert labels == ["red"] * labels.count("red") + ["blue"] * labels.count("blue")


def test_jpegs_are_reduced_as_the_new_model_needs_them() -> None:
    class Jpegs(SyntheticSource):
        """Says how far each picture was reduced, and has it whole."""

        reduction: Callable[[tuple[int, int]], int] = staticmethod(lambda size_wh: 1)

        def read(self) -> Frame | None:
            frame = super().read()
            if frame is None:
                return None
            by, whole = self.reduction((640, 480)), frame.image_bgr
            return replace(frame, image_bgr=whole[::by, ::by].copy(), full=lambda: whole)

    seen: list[int] = []

    class Sees(Classifier):
        def classify_timed(self, image_bgr: NDArray[np.uint8]) -> tuple[Prediction, Timings]:
            seen.append(image_bgr.shape[0])
            return super().classify_timed(image_bgr)

    small, large = always((1, 0, 0)).spec, replace(always((1, 0, 0)).spec, input_size_wh=(224, 224))

    def scores(_: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array([[1, 0, 0]], np.float32)

    judge = make_judge(Sees(small, FakeBackend(small, scores)), Settings(0.0), sentinel=False)
    control = Control(judge)
    stop = threading.Event()
    run = threading.Thread(
        target=lambda: run_live(Jpegs(100, (640, 480)), judge.classifier, stop=stop, control=control)
    )
    run.start()
    until(lambda: len(seen) > 5)
    assert min(seen[1:]) <= 120  # reduced for 32 pixels; the first one is the warm-up
    control.replace(lambda now: make_judge(Sees(large, FakeBackend(large, scores)), now, sentinel=False))
    at = len(seen)
    until(lambda: len(seen) > at + 10)
    stop.set()
    run.join(20)
    assert min(seen[at + 3 :]) >= 224


def test_a_model_that_does_not_open_or_answer_changes_nothing() -> None:
    judge = make_judge(always((0.6, 0.3, 0.1)), Settings(0.0), sentinel=False)
    control = Control(judge)

    def missing(now: Settings) -> Judge:
        raise OnsightError("there is no such file")

    broken = always((float("nan"), 0.0, 0.0))
    with running(judge, control) as kept:
        with pytest.raises(OnsightError, match="no such file"):
            control.replace(missing)
        with pytest.raises(BackendError, match="nan"):
            control.replace(lambda now: make_judge(broken, now, sentinel=False))
        with pytest.raises(UsageError, match="at least 1 result"):
            control.adjust(lambda now: replace(now, agree=0))
        seen = len(kept.results)
        until(lambda: len(kept.results) > seen + 5)
        assert kept.results[-1].label == "red" and control.revision == 0
    assert broken.backend.closed == 1  # type: ignore[attr-defined]


def test_after_the_end_nothing_is_changed() -> None:
    judge = make_judge(always((0.6, 0.3, 0.1)), Settings(0.0), sentinel=False)
    control = Control(judge)
    run_live(SyntheticSource(None, (64, 64), 3), judge.classifier, control=control)
    with pytest.raises(OnsightError, match="has ended"):
        control.adjust(lambda now: replace(now, threshold=0.5))
    late = always((0.1, 0.2, 0.7))
    with pytest.raises(OnsightError, match="has ended"):
        control.replace(lambda now: make_judge(late, now, sentinel=False))
    assert late.backend.closed == 1  # type: ignore[attr-defined]
    assert judge.classifier.backend.closed == 0  # type: ignore[attr-defined]  # its owner closes it


def test_the_usual_settings_stand_beside_the_one_that_was_given() -> None:
    assert make_judge(always((1, 0, 0)), Settings(0.5, agree=7), sentinel=False).settings == Settings(0.5, 0.25, 7, 0.1)
    assert make_judge(always((1, 0, 0)), Settings(0.5), sentinel=False).decider is None


def test_a_decider_takes_nothing_over_from_other_classes() -> None:
    before = Decider(("cat", "dog"), smooth_s=0, agree=1, hysteresis=0, threshold=0)
    before(Prediction(1, 1.0, np.array([0.0, 1.0], np.float32), ("cat", "dog")), 1)
    after = Decider(CLASSES, smooth_s=0, agree=2, hysteresis=0, threshold=0)
    after.resume(before)
    assert after(Prediction(0, 1.0, np.array([1, 0, 0], np.float32), CLASSES), 2).label == "unknown"
