"""What the service manager hears, on a real notify socket."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from onsight_edge.classifier import Classifier
from onsight_edge.frame import Frame, Notice
from onsight_edge.live import run_live
from onsight_edge.sdnotify import Notifier
from onsight_edge.sinks.systemd import SystemdSink
from onsight_edge.sources.source import Source
from onsight_edge.sources.synthetic import SyntheticSource


class Manager:
    """The manager's end of a notify socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.address = address

    def heard(self) -> list[str]:
        found = []
        while select.select([self.socket], [], [], 0)[0]:
            found.append(self.socket.recv(4096).decode())
        return found


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    one = Manager(str(tmp_path / "notify"))
    with closing(one.socket):
        yield one


def test_nobody_asked() -> None:
    assert Notifier.from_environment({}) is None
    assert Notifier.from_environment({"NOTIFY_SOCKET": "relative"}) is None


def test_an_abstract_socket(tmp_path: Path) -> None:
    manager = Manager(f"@onsight-test-{os.getpid()}")
    with closing(manager.socket):
        notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address})
        assert notifier is not None and notifier.send(READY=1, STATUS="two\nlines")
        assert manager.heard() == ["READY=1\nSTATUS=two lines"]
        notifier.close()


def test_the_watchdog_is_meant_for_one_process(manager: Manager) -> None:
    for environment, seconds in (
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid() + 1)}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ):
        notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address, **environment})
        assert notifier is not None and notifier.watchdog_s == seconds
        notifier.close()


def test_a_manager_that_reads_nothing_holds_nothing_up(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    sent = [notifier.send(WATCHDOG=1) for _ in range(10_000)]  # far more than its queue takes
    assert sent[0] and not sent[-1]
    manager.heard()
    assert notifier.send(WATCHDOG=1)
    notifier.close()
    manager.socket.close()
    assert not Notifier(manager.address).send(READY=1), "it has gone"


class Stalling(SyntheticSource):
    """A camera that delivers a few frames, then nothing until it is let go on."""

    def __init__(self, frames: int) -> None:
        super().__init__(fps=30.0)
        self.stalled, self.go_on = threading.Event(), threading.Event()
        self._left = frames

    def read(self) -> Frame | None:
        if self._left == 0:
            self.stalled.set()
            self.go_on.wait(30)
        self._left -= 1
        return super().read()

    def close(self) -> None:
        self.go_on.set()
        super().close()


def test_life_is_told_only_while_frames_flow(manager: Manager) -> None:
    source = Stalling(frames=5)
    heard: dict[str, list[str]] = {}
    stop = threading.Event()

    def watch() -> None:
        source.stalled.wait(30)
        time.sleep(0.5)  # what was on its way has arrived
        heard["flowing"] = manager.heard()
        time.sleep(1.0)
        heard["stalled"] = manager.heard()
        source.go_on.set()
        for _ in range(100):
            heard.setdefault("again", []).extend(manager.heard())
            if "WATCHDOG=1" in heard["again"]:
                break
            time.sleep(0.1)
        stop.set()

    sink = SystemdSink(Notifier(manager.address, watchdog_s=0.2))
    with Classifier.open() as classifier:
        watcher = threading.Thread(target=watch)
        watcher.start()
        run_live(source, classifier, [sink], stop=stop)
        watcher.join()
    before, ready = heard["flowing"][0], heard["flowing"].index("READY=1")
    assert before.startswith("STATUS=") and "waits for the first frame" in before
    assert ready == 1 and "WATCHDOG=1" in heard["flowing"][ready:]
    assert heard["stalled"] == []
    assert "WATCHDOG=1" in heard["again"] and "READY=1" not in heard["again"]
    assert manager.heard()[-1] == "STOPPING=1"


def test_no_frame_no_readiness(manager: Manager) -> None:
    source: Source = Stalling(frames=0)
    with Classifier.open() as classifier:
        run_live(source, classifier, [SystemdSink(Notifier(manager.address, watchdog_s=1.0))], seconds=0.5)
    heard = manager.heard()
    assert [line for line in heard if not line.startswith("STATUS=")] == ["STOPPING=1"]


def test_what_is_wrong_is_the_status(manager: Manager) -> None:
    sink = SystemdSink(Notifier(manager.address))
    sink.notice(Notice("source-lost", "the camera is gone", 0))
    sink.notice(Notice("source-lost", "the camera is back", 0, over=True))
    assert manager.heard() == ["STATUS=the camera is gone"]
    sink.close()
