from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_benchmarks.camera import PacedCamera, StampedCamera, ages_ns, open_camera, shown
from onsight_edge.errors import SourceError, UsageError
from onsight_edge.frame import Frame
from onsight_edge.sources.source import Health

PICTURE = np.zeros((4, 4, 3), np.uint8)
MS = 1_000_000


class Clock:
    """Time that passes only where somebody sleeps or reads."""

    def __init__(self) -> None:
        self.now = 5_000 * MS

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> bool:
        self.now += round(seconds * 1e9)
        return False


class Slow:
    """A source whose reads take these milliseconds."""

    uri, live, fps, size_wh = "slow", False, None, (4, 4)

    def __init__(self, clock: Clock, takes_ms: list[float]) -> None:
        self.health = Health()
        self._clock, self._takes, self._index = clock, takes_ms, 0

    def read(self) -> Frame | None:
        if self._index == len(self._takes):
            return None
        self._clock.now += round(self._takes[self._index] * MS)
        self._index += 1
        return Frame(PICTURE, self._index - 1, self._clock.now)

    def close(self) -> None:
        pass


class Stamped:
    """A camera that stamps its frames with these milliseconds."""

    uri, live, fps, size_wh = "stamped", True, 100.0, (4, 4)

    def __init__(self, stamps_ms: list[float]) -> None:
        self.health = Health()
        self._stamps = stamps_ms

    def read(self) -> Frame | None:
        return Frame(PICTURE, 0, round(self._stamps.pop(0) * MS)) if self._stamps else None

    def close(self) -> None:
        pass


def paced(takes_ms: list[float], frames: int, fps: float = 100.0) -> PacedCamera:
    clock = Clock()
    return PacedCamera(Slow(clock, takes_ms), fps, frames, clock_ns=clock, sleep=clock.sleep)


def test_frames_come_on_the_clocks_grid() -> None:
    camera = paced([1.0] * 5, 5)
    frames = [camera.read() for _ in range(6)]
    assert [one.index for one in frames if one] == [0, 1, 2, 3, 4] and frames[5] is None
    assert np.diff(camera.due_ns).tolist() == [10 * MS] * 4
    assert all(one.captured_ns == due for one, due in zip(frames, camera.due_ns, strict=False) if one)
    assert [camera.arrived_ns[i] - camera.due_ns[i] for i in range(5)] == [MS] * 5


def test_a_source_that_stalls_loses_frames_and_its_own_frame_is_old() -> None:
    camera = paced([1, 45, 1, 1, 1, 1, 1, 1], 9)
    numbers = []
    while (frame := camera.read()) is not None:
        numbers.append(frame.index)
    assert numbers == [0, 1, 5, 6, 7, 8]  # 2, 3 and 4 fell due while 1 was being read; 5 just before it came
    assert len(camera.due_ns) == 9
    assert camera.arrived_ns[1] - camera.due_ns[1] == 45 * MS
    assert camera.arrived_ns[5] - camera.due_ns[5] == 6 * MS


def test_a_stall_to_the_end_counts_all_that_was_due() -> None:
    camera = paced([1, 1000], 10)
    while camera.read() is not None:
        pass
    assert len(camera.due_ns) == 9 and sorted(camera.arrived_ns) == [0, 1]  # asked for the last, the source ended


def test_a_cameras_gaps_are_missing_frames() -> None:
    camera = StampedCamera(Stamped([0, 10, 20.4, 50, 59, 70]), 100.0, 100)
    numbers = []
    while (frame := camera.read()) is not None:
        numbers.append(frame.index)
    assert numbers == [0, 1, 2, 5, 6, 7]
    assert camera.due_ns[3:5] == pytest.approx([(20.4 + step * 29.6 / 3) * MS for step in (1, 2)], abs=1)
    assert camera.due_ns == sorted(camera.due_ns)


def test_a_camera_ends_after_its_frames_though_the_last_ones_are_missing() -> None:
    camera = StampedCamera(Stamped([0, 10, 200]), 100.0, 5)
    assert [one.index for one in iter(camera.read, None)] == [0, 1, 4]  # type: ignore[union-attr]
    assert len(camera.due_ns) == 5


def test_silence_at_the_end_is_counted_unless_the_source_had_ended() -> None:
    class Hangs(Stamped):
        def read(self) -> Frame | None:
            frame = super().read()
            if frame is None:
                camera.close()  # as the live loop does where its time is over
            return frame

    camera = StampedCamera(Hangs([0, 10, 20]), 100.0, 8)
    while camera.read() is not None:
        pass
    camera.end(55 * MS)
    assert [round(due / MS) for due in camera.due_ns] == [0, 10, 20, 30, 40, 50]
    camera.end(10_000 * MS)
    assert len(camera.due_ns) == 8
    ended = StampedCamera(Stamped([0, 10, 20]), 100.0, 8)
    while ended.read() is not None:
        pass
    ended.end(10_000 * MS)
    assert len(ended.due_ns) == 3


def test_every_due_frame_has_an_age() -> None:
    due = np.arange(6, dtype=np.int64) * 10
    # 0 and 1 answered, 2 overwritten by 3, 4 and 5 never
    assert ages_ns(due, [(0, 4), (1, 17), (3, 55)], 100).tolist() == [4, 7, 35, 25, 60, 50]
    assert ages_ns(due, [], 100).tolist() == [100, 90, 80, 70, 60, 50]


@given(st.data(), st.integers(1, 40))
def test_to_answer_less_never_makes_frames_younger(data: st.DataObject, count: int) -> None:
    due = np.arange(count, dtype=np.int64) * 10
    numbers = sorted(data.draw(st.sets(st.integers(0, count - 1))))
    published = [(number, 10 * number + data.draw(st.integers(0, 500))) for number in numbers]
    published.sort(key=lambda one: one[1])
    ages = ages_ns(due, published, 10_000)
    assert (ages >= 0).all()
    if published:
        left = [one for i, one in enumerate(published) if i != data.draw(st.integers(0, len(published) - 1))]
        assert (ages_ns(due, left, 10_000) >= ages).all()


def test_opening(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give the rate with --fps"):
        open_camera("synthetic://?fps=10", 30, 5)
    with pytest.raises(SourceError, match="nowhere"):
        open_camera(str(tmp_path / "nowhere.mp4"), 30, 5)
    camera = open_camera("synthetic://?size=64x48", 200, 3)
    assert [one.index for one in iter(camera.read, None)][-1] <= 2  # type: ignore[union-attr]
    assert len(camera.due_ns) == 3
    camera.close()
    assert camera.read() is None


def test_a_record_shows_no_path_and_no_password() -> None:
    assert shown("/home/somebody/clips/a.mp4") == "a.mp4"
    assert shown("file:///home/somebody/a.mp4") == "a.mp4"
    assert shown("dataset:///home/somebody/photos?seed=1") == "dataset://photos?seed=1"
    assert shown("rtsp://me:secret@cam/1") == "rtsp://me:***@cam/1"
    assert (shown("0"), shown("synthetic://")) == ("0", "synthetic://")
