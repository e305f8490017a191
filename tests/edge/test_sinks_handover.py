"""The queue between loop and sink: nothing lost that should not be, no pictures in long queues, sleepers found."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.frame import Frame, Notice, Prediction, Result, Timings
from onsight_edge.sinks import handover
from onsight_edge.sinks.handover import Handover
from onsight_edge.sinks.run_end import RunEnd


def result(index: int) -> Result:
    frame = Frame(np.zeros((4, 4, 3), np.uint8), index, 0, "cat", "a.jpg", full=lambda: np.zeros((8, 8, 3), np.uint8))
    scores = np.array([1.0], np.float32)
    return Result(frame, Prediction(0, 1.0, scores, ("cat",)), Timings(1, 2, 3), 5, 6, 7.0)


def made(backlog: int, *, wait: bool = False, relaxed: bool = True, pictures: bool = False) -> Handover:
    return Handover(backlog, wait=wait, relaxed=relaxed, pictures=pictures, end=RunEnd())


class Taker(threading.Thread):
    """Takes until the end."""

    def __init__(self, queue: Handover) -> None:
        super().__init__(daemon=True)
        self.queue, self.got = queue, list[int | str]()
        self.start()

    def run(self) -> None:
        while (one := self.queue.next()) is not None:
            self.got.append(one.kind if isinstance(one, Notice) else one.frame.index)


@pytest.mark.parametrize("backlog", [1, 4, 1024])
@pytest.mark.parametrize("relaxed", [True, False])
def test_who_waits_for_room_loses_nothing(relaxed: bool, backlog: int) -> None:
    queue = made(backlog, wait=True, relaxed=relaxed)
    taker = Taker(queue)
    count = 30 if backlog == 1 else 3000
    for index in range(count):
        queue.put(result(index))
    queue.close(None)
    taker.join(20)
    assert taker.got == list(range(count)) and queue.dropped == 0


def test_a_sleeper_is_woken_by_the_first_result_and_by_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "SOON_S", 0.01)
    queue = made(1024)
    taker = Taker(queue)
    for index in range(3):
        time.sleep(0.1)  # asleep for good by now
        queue.put(result(index))
        limit = time.monotonic() + 20
        while len(taker.got) <= index:
            assert time.monotonic() < limit
            time.sleep(0.005)
    queue.tell(Notice("dark", "", 0))
    queue.close(None)
    taker.join(20)
    assert taker.got == [0, 1, 2, "dark"]


def test_a_queue_that_fills_wakes_a_relaxed_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "SOON_S", 1000.0)  # it would not look by itself
    queue = made(64)
    taker = Taker(queue)
    for index in range(32):
        queue.put(result(index))
    limit = time.monotonic() + 20
    while len(taker.got) < 32:
        assert time.monotonic() < limit
        time.sleep(0.005)
    queue.close(None)
    taker.join(20)
    assert queue.dropped == 0


def test_a_long_queue_holds_no_pictures_that_nobody_wants() -> None:
    queue = made(1024)
    for index in range(50):
        queue.put(result(index))
    queue.close(None)
    taken = [queue.next() for _ in range(50)]
    assert all(isinstance(one, Result) for one in taken)
    with_picture = [one.frame.image_bgr.size > 0 for one in taken if isinstance(one, Result)]
    assert with_picture == [True] * 8 + [False] * 42
    last = taken[-1]
    assert isinstance(last, Result)
    assert (last.frame.index, last.frame.truth, last.frame.name, last.frame.full) == (49, "cat", "a.jpg", None)
    assert (last.published_ns, last.dropped, last.fps) == (5, 6, 7.0)
    shown = made(16, pictures=True)
    for index in range(16):
        shown.put(result(index))
    shown.close(None)
    assert all(one.frame.image_bgr.size for one in iter(shown.next, None) if isinstance(one, Result))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["put", "tell", "take", "fail"]), max_size=40), st.integers(1, 5))
def test_every_result_is_taken_waits_or_is_counted(steps: list[str], backlog: int) -> None:
    queue = made(backlog)
    put = taken = 0
    last = -1
    for step in steps:
        if step == "put":
            queue.put(result(put))
            put += 1
        elif step == "tell":
            queue.tell(Notice("dark", "", 0))
        elif len(queue):
            one = queue.next()
            if step == "fail":
                queue.put_back(one)
            elif isinstance(one, Result):
                assert one.frame.index > last  # in their order
                last = one.frame.index
                taken += 1
    queue.close(None)
    rest = [one for one in iter(queue.next, None) if isinstance(one, Result)]
    assert len(rest) <= backlog
    assert put == taken + len(rest) + queue.dropped
