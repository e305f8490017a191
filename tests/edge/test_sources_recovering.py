"""Sources that die, hang, freeze, change size and come back."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.errors import SourceError
from onsight_edge.frame import Frame, Notice
from onsight_edge.sources import open_source
from onsight_edge.sources.recovering import RecoveringSource
from onsight_edge.sources.source import Health, Notifying, Reducible, Source
from onsight_edge.sources.stillness import Stillness

QUICK = (0.01, 0.02)


def picture(value: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((size[1], size[0], 3), value % 256, np.uint8)


class Script:
    """A source that does what its steps say, one a read: pictures, errors, None for an end, an Event to hang on."""

    live = True
    fps = 30.0

    def __init__(self, *steps: object, uri: str = "/dev/video0") -> None:
        self.uri = uri
        self.health = Health()
        self.closed = threading.Event()
        self.reduction: Callable[[tuple[int, int]], int] = lambda _: 1
        self.on_notice: Callable[[Notice], None] = lambda _: None
        self.size_wh = (64, 48)
        self._steps: Iterator[object] = iter(steps)
        self._index = 0

    def read(self) -> Frame | None:
        step = next(self._steps, "hang")
        if isinstance(step, str) and step == "hang":
            self.closed.wait(30)
            return None
        if isinstance(step, threading.Event):
            step.wait(30)
            return None
        if isinstance(step, Exception):
            raise step
        if isinstance(step, str) and step == "skip":
            self.health.skipped += 1
            return self.read()
        if isinstance(step, Notice):
            self.on_notice(step)
            return self.read()
        if step is None:
            return None
        assert isinstance(step, np.ndarray)
        frame = Frame(step, self._index, time.monotonic_ns())
        self._index += 1
        return frame

    def close(self) -> None:
        self.closed.set()


class Openings:
    """Opens one after another; an exception among them is raised."""

    def __init__(self, *found: object) -> None:
        self.found = list(found)
        self.calls = 0

    def __call__(self) -> Source:
        self.calls += 1
        one = self.found.pop(0) if self.found else SourceError("there is no camera /dev/video0")
        if isinstance(one, Exception):
            raise one
        if callable(one):
            one = one()
        return one  # type: ignore[no-any-return]


def recovering(*found: object, **options: object) -> tuple[RecoveringSource, Openings, list[Notice]]:
    open_ = Openings(*found)
    source = RecoveringSource(open_, **{"stall_s": 0.2, "back_off_s": QUICK, "frozen_s": 60.0, **options})
    notices: list[Notice] = []
    source.on_notice = notices.append
    return source, open_, notices


def read(source: RecoveringSource, count: int) -> list[Frame]:
    frames = [source.read() for _ in range(count)]
    assert all(frames)
    return [frame for frame in frames if frame is not None]


def kinds(notices: list[Notice]) -> list[tuple[str, bool]]:
    return [(notice.kind, notice.over) for notice in notices]


@pytest.mark.parametrize(
    "death", [SourceError("/dev/video0 was unplugged"), OSError(19, "No such device"), None, "hang"]
)
def test_a_source_that_dies_is_opened_again_and_numbered_on(death: object) -> None:
    first = Script(picture(1), picture(2), death)
    second = Script(picture(3), picture(4), uri="/dev/video2")
    source, open_, notices = recovering(first, SourceError("no device yet"), SourceError("no device yet"), second)
    frames = read(source, 4)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [int(frame.image_bgr[0, 0, 0]) for frame in frames] == [1, 2, 3, 4]
    assert kinds(notices) == [("source-lost", False), ("source-back", True)]
    assert "/dev/video0" in notices[0].text and "opening it again" in notices[0].text and "\n" not in notices[0].text
    assert "/dev/video2 is back after" in notices[1].text
    assert source.health.reopened == 1 and open_.calls == 4 and source.uri == "/dev/video2"
    assert first.closed.is_set()
    source.close()
    assert second.closed.is_set()
    assert source.read() is None


def test_a_hang_is_noticed_within_the_stall_time() -> None:
    source, _, notices = recovering(Script(picture(1)), Script(picture(2)))
    read(source, 1)
    began = time.monotonic()
    read(source, 1)
    assert 0.15 < time.monotonic() - began < 2
    assert "no frame for 0.2 s" in notices[0].text
    source.close()


def test_a_slow_camera_is_given_three_periods() -> None:
    class Slow(Script):
        fps = 4.0

        def read(self) -> Frame | None:
            time.sleep(0.25)
            return super().read()

    source, open_, notices = recovering(Slow(picture(1), picture(2), picture(3)), stall_s=0.05)
    read(source, 3)
    assert not notices and open_.calls == 1
    source.close()


def test_a_driver_that_never_lets_go_is_left_behind_and_no_threads_pile_up() -> None:
    """`close` of such a source hangs, too; after four of them no more are started until one ends."""
    release = threading.Event()

    class Hung(Script):
        def close(self) -> None:
            release.wait(30)

    hung = [Hung(picture(1), release)] + [Hung(release) for _ in range(3)]
    source, open_, _ = recovering(*hung, Script(picture(9)), opening_s=0.1)
    read(source, 1)
    frames: list[Frame | None] = []
    reader = threading.Thread(target=lambda: frames.append(source.read()), daemon=True)
    reader.start()
    deadline = time.monotonic() + 20
    while open_.calls < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    assert open_.calls == 4
    release.set()
    reader.join(20)
    assert frames and frames[0] is not None and frames[0].image_bgr[0, 0, 0] == 9 and frames[0].index == 1
    source.close()


def test_the_first_opening_is_not_tried_again() -> None:
    with pytest.raises(SourceError, match="no camera"):
        recovering()
    source, open_, _ = recovering(Script("skip", "skip", SourceError("that is no picture stream")), Script(picture(1)))
    with pytest.raises(SourceError, match=r"/dev/video0: that is no .*; not one frame came, 2 damaged ones"):
        source.read()
    assert open_.calls == 1
    source.close()


def test_an_outage_longer_than_agreed_ends_the_run_in_one_line() -> None:
    source, open_, notices = recovering(Script(picture(1), SourceError("unplugged")), give_up_s=0.3)
    read(source, 1)
    with pytest.raises(SourceError, match=r"unplugged; then there is no camera.*; lost after 1 frames") as caught:
        source.read()
    assert "\n" not in str(caught.value)
    assert open_.calls > 2 and kinds(notices) == [("source-lost", False)]
    source, open_, notices = recovering(Script(picture(1), SourceError("unplugged")), give_up_s=0)
    read(source, 1)
    with pytest.raises(SourceError, match="unplugged; lost after 1 frames"):
        source.read()
    assert open_.calls == 1 and not notices


def test_a_fault_of_the_program_is_not_retried() -> None:
    source, open_, _ = recovering(Script(picture(1), ZeroDivisionError("a bug")), Script(picture(2)))
    read(source, 1)
    with pytest.raises(ZeroDivisionError):
        source.read()
    assert open_.calls == 1


def test_the_pauses_grow_and_begin_anew_once_it_delivered_for_a_while() -> None:
    missing = [SourceError("not there")] * 4
    source, _, _ = recovering(Script(picture(1), None), *missing, Script(picture(2)), back_off_s=(0.01, 0.02, 0.1))
    read(source, 1)
    began = time.monotonic()
    read(source, 1)
    assert 0.01 + 0.02 + 3 * 0.1 <= time.monotonic() - began < 5
    source.close()


def test_many_outages_leave_neither_pictures_nor_threads_behind() -> None:
    alive: list[weakref.ref[np.ndarray]] = []

    class Mortal(Script):
        def read(self) -> Frame | None:
            if self._index:
                raise SourceError("/dev/video0 was unplugged")
            self._index += 1
            shown = picture(len(alive))
            alive.append(weakref.ref(shown))
            return Frame(shown, 0, time.monotonic_ns())

    source, open_, _ = recovering(*[Mortal] * 40, back_off_s=(0.001,))
    threads = threading.active_count()
    gc.disable()  # no garbage collector may be needed
    try:
        for _ in range(40):
            read(source, 1)
        left = sum(one() is not None for one in alive)
    finally:
        gc.enable()
    assert open_.calls == 40 and source.health.reopened == 39
    assert left < 5
    assert threading.active_count() <= threads + 2
    source.close()


def test_close_ends_a_read_that_waits_for_a_frame_or_for_the_next_attempt() -> None:
    for script, back_off in ((Script(picture(1)), QUICK), (Script(picture(1), None), (60.0,))):
        source, _, _ = recovering(script, back_off_s=back_off, stall_s=30.0)
        read(source, 1)
        answers: list[Frame | None] = []
        reader = threading.Thread(target=lambda s=source, a=answers: a.append(s.read()), daemon=True)  # type: ignore[misc]
        reader.start()
        time.sleep(0.1)
        source.close()
        reader.join(5)
        assert answers == [None]


def test_a_frozen_picture_is_told_counted_and_opened_again_once() -> None:
    frozen = [picture(7)] * 400

    def slow(pictures: list[np.ndarray]) -> Script:
        class Paced(Script):
            def read(self) -> Frame | None:
                time.sleep(0.005)
                return super().read()

        return Paced(*pictures)

    source, open_, notices = recovering(
        slow([picture(1), *frozen]), slow([*frozen[:100], picture(8), picture(9)]), frozen_s=0.1, reopen_frozen=True
    )
    while not any(notice.over for notice in notices):
        read(source, 1)
    assert kinds(notices) == [("frozen", False), ("frozen", True)]
    assert "has not changed for" in notices[0].text and "moves again" in notices[1].text
    assert open_.calls == 2 and source.health.reopened == 1
    assert source.health.frozen > 100  # about 20 before it was opened again, 99 after
    source.close()


def test_a_frozen_stream_is_delivered_all_the_same() -> None:
    source, open_, notices = recovering(Script(*[picture(7)] * 5, picture(8), picture(9)), frozen_s=0.0)
    assert [frame.index for frame in read(source, 7)] == list(range(7))
    assert kinds(notices) == [("frozen", False), ("frozen", True)]
    assert source.health.frozen == 4 and source.health.reopened == 0 and open_.calls == 1
    source.close()


def test_changes_of_size_are_counted_and_followed() -> None:
    source, _, _ = recovering(
        Script(picture(1), picture(2), picture(3, (32, 24)), picture(4, (32, 24)), None), Script(picture(5))
    )
    shapes = [frame.image_bgr.shape[:2] for frame in read(source, 5)]
    assert shapes == [(48, 64), (48, 64), (24, 32), (24, 32), (48, 64)]
    assert source.health.resized == 2
    source.close()


def test_what_the_run_sets_reaches_every_source_and_what_they_count_adds_up() -> None:
    first = Script("skip", picture(1), "skip", picture(2), None)
    second = Script("skip", Notice("granted", "640x480 at 15 fps", 0), picture(3))
    source, _, notices = recovering(first, second)
    assert isinstance(source, Reducible) and isinstance(source, Notifying)
    source.reduction = lambda wh: wh[0] // 32
    read(source, 3)
    assert first.reduction((64, 48)) == second.reduction((64, 48)) == 2
    assert source.health.skipped == 3
    assert kinds(notices) == [("source-lost", False), ("granted", False), ("source-back", True)]
    assert source.fps == 30.0 and source.size_wh == (64, 48)
    source.close()


def test_reading_through_it_costs_little() -> None:
    """A tenth of a millisecond is meant; the limit has room for a loaded machine."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(4)]

    class Paced(Script):
        def read(self) -> Frame | None:
            time.sleep(0.005)
            return super().read()

    source, _, _ = recovering(Paced(*(pictures * 25)))
    ages = []
    for _ in range(100):
        (frame,) = read(source, 1)
        ages.append((time.monotonic_ns() - frame.captured_ns) / 1e6)
    source.close()
    assert sorted(ages)[50] < 2


def test_stillness_counts_from_the_first_equal_frame() -> None:
    stillness = Stillness(1.0)
    still, moved = picture(5, (640, 480)), picture(5, (640, 480))
    moved[1, 1, 1] = 6  # a pixel that the sample does not see
    assert [stillness.look(still, n * 300_000_000) for n in range(6)] == [0, 0, 0, 0, 4, 1]
    assert stillness.since_ns == 0
    assert stillness.look(moved, 1_800_000_000) == 0 and stillness.since_ns is None
    assert stillness.look(moved, 2_900_000_000) == 1 and stillness.since_ns == 1_800_000_000


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 900)), min_size=1, max_size=40),
    st.sampled_from([(1, 1), (3, 2), (70, 50)]),
)
def test_stillness_agrees_with_the_plain_definition(frames: list[tuple[int, int]], size: tuple[int, int]) -> None:
    stillness, now, run = Stillness(1.0), 0, []
    for value, pause_ms in frames:
        now += pause_ms
        run = [*run, (value, now)] if run and run[-1][0] == value else [(value, now)]
        lasted = now - run[0][1]
        before = len(run) > 1 and run[-2][1] - run[0][1] >= 1000
        expected = 0 if len(run) == 1 or lasted < 1000 else 1 if before else len(run) - 1
        assert stillness.look(picture(value, size), now * 1_000_000) == expected
        assert (stillness.since_ns is not None) == (len(run) > 1 and lasted >= 1000)


SERVER = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import cv2
from onsight_edge.sources.synthetic import SyntheticSource

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        source = SyntheticSource(50.0, (320, 240))
        while True:
            jpeg = cv2.imencode(".jpg", source.read().image_bgr)[1].tobytes()
            self.wfile.write(b"--frame\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(jpeg) + jpeg + b"\\r\\n")

    def log_message(self, *_):
        return

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def start_server(port: int) -> tuple[subprocess.Popen[str], int]:
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, int(server.stdout.readline())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_that_was_killed_and_started_again_is_back_within_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server, port = start_server(0)
    source = open_source(f"http://127.0.0.1:{port}/stream")
    assert isinstance(source, RecoveringSource)
    notices: list[Notice] = []
    source.on_notice = notices.append
    indices: list[int] = []

    def consume() -> None:
        while (frame := source.read()) is not None:
            indices.append(frame.index)

    reader = threading.Thread(target=consume, daemon=True)
    reader.start()
    recovered_s = []
    try:
        for round_ in range(3):
            before = len(indices)
            wait_until(lambda before=before: len(indices) > before + 5)  # type: ignore[misc]
            server.kill()
            server.wait()
            wait_until(lambda lost=2 * round_ + 1: len(notices) == lost)  # type: ignore[misc]
            before = len(indices)
            server, _ = start_server(port)
            listening = time.monotonic()
            wait_until(lambda before=before: len(indices) > before)  # type: ignore[misc]
            recovered_s.append(time.monotonic() - listening)
    finally:
        source.close()
        server.kill()
        server.wait()
    reader.join(10)
    assert kinds(notices) == [("source-lost", False), ("source-back", True)] * 3
    assert source.health.reopened == 3
    assert indices == sorted(set(indices))
    assert sorted(recovered_s)[1] < 2
