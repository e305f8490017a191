"""The latest-frame slot: newest wins for cameras, nothing is lost for files."""

from __future__ import annotations

import threading
import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.frame import Frame
from onsight_edge.latest import ROOM, LatestFrame

IMAGE = np.zeros((1, 1, 3), np.uint8)


def frame(index: int) -> Frame:
    return Frame(IMAGE, index, 0)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["put", "get"]), max_size=40))
def test_any_order_of_calls_gives_the_newest_and_counts_the_rest(calls: list[str]) -> None:
    slot = LatestFrame()
    newest: int | None = None
    put = taken = dropped = 0
    for call in calls:
        if call == "put":
            dropped += newest is not None
            newest = put
            assert slot.put(frame(put))
            put += 1
        else:
            got = slot.get(0)
            assert (None if got is None else got.index) == newest
            taken += got is not None
            newest = None
    assert slot.dropped == dropped
    assert put == taken + dropped + (newest is not None)


def test_every_loses_nothing_between_two_threads() -> None:
    slot = LatestFrame(wait=True)

    def produce() -> None:
        for index in range(500):
            assert slot.put(frame(index))
        slot.close()

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    got = []
    while not slot.ended:
        taken = slot.get(5)
        if taken is not None:
            got.append(taken.index)
    producer.join(5)
    assert got == list(range(500))
    assert slot.dropped == 0


def test_latest_between_two_threads_rises_and_adds_up() -> None:
    slot = LatestFrame()

    def produce() -> None:
        for index in range(2000):
            slot.put(frame(index))
        slot.close()

    threading.Thread(target=produce, daemon=True).start()
    got = []
    while not slot.ended:
        taken = slot.get(5)
        if taken is not None:
            got.append(taken.index)
    assert got == sorted(set(got))
    assert got[-1] == 1999  # what stands in the slot when it closes is not lost
    assert len(got) + slot.dropped == 2000


def test_get_returns_after_its_timeout() -> None:
    started = time.monotonic()
    assert LatestFrame().get(0.05) is None
    assert 0.04 < time.monotonic() - started < 2


def test_close_wakes_a_waiting_get_and_a_waiting_put() -> None:
    empty, full = LatestFrame(), LatestFrame(wait=True)
    for index in range(ROOM):
        full.put(frame(index))
    answers: dict[str, object] = {}
    threads = [
        threading.Thread(target=lambda: answers.update(get=empty.get()), daemon=True),
        threading.Thread(target=lambda: answers.update(put=full.put(frame(ROOM))), daemon=True),
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    empty.close()
    full.close()
    for thread in threads:
        thread.join(5)
    assert answers == {"get": None, "put": False}
    assert empty.ended and not full.ended
    assert full.put(frame(9)) is False
    left = [full.get(0) for _ in range(ROOM)]
    assert [one and one.index for one in left] == list(range(ROOM)) and full.ended
