"""A worker in a process of its own: what it answers, and how it fails."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onsight_benchmarks.worker import WorkerError, WorkerProcess

_CHILD = """
import os, sys, time
from onsight_benchmarks.worker import serve
from onsight_edge.errors import ModelError

class Worker:
    def add(self, a, b):
        print("a library greets")
        os.write(1, b"from C, too\\n")
        return a + b
    def refuse(self):
        raise ModelError("no such model")
    def fail(self):
        raise ValueError("many\\nlines")
    def leave(self):
        sys.exit("a runtime gives up")
    def die(self):
        print("last words", file=sys.stderr, flush=True)
        os.abort()
    def sleep(self):
        time.sleep(60)
    def variable(self, name):
        return os.environ.get(name)

serve(Worker())
"""


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    with WorkerProcess("unused", command=(sys.executable, "-c", _CHILD), environment={"ONSIGHT_TEST": "seen"}) as one:
        yield one


def test_answers_in_spite_of_what_is_printed(worker: WorkerProcess) -> None:
    assert [worker.ask({"do": "add", "a": a, "b": 1}, 60) for a in range(3)] == [1, 2, 3]
    assert worker.ask({"do": "variable", "name": "ONSIGHT_TEST"}, 60) == "seen"
    assert worker.ask({"do": "cpu_s"}, 60) > 0


def test_an_error_is_one_line_and_the_worker_lives_on(worker: WorkerProcess) -> None:
    for do, said in (
        ("refuse", "no such model"),
        ("fail", "ValueError: many lines"),
        ("leave", "SystemExit: a runtime gives up"),
    ):
        with pytest.raises(WorkerError, match=f"^{said}$"):
            worker.ask({"do": do}, 60)
    assert worker.ask({"do": "add", "a": 1, "b": 1}, 60) == 2


def test_one_that_dies_says_how(worker: WorkerProcess) -> None:
    with pytest.raises(WorkerError, match="ended with SIGABRT: last words"):
        worker.ask({"do": "die"}, 60)
    with pytest.raises(WorkerError, match="SIGABRT"):
        worker.ask({"do": "add", "a": 1, "b": 1}, 60)


def test_one_that_hangs_is_ended(worker: WorkerProcess) -> None:
    worker.ask({"do": "add", "a": 1, "b": 1}, 60)
    started = time.monotonic()
    with pytest.raises(WorkerError, match="gave no answer to 'sleep' within"):
        worker.ask({"do": "sleep"}, 0.2)
    worker.close()
    assert time.monotonic() - started < 30


def test_what_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="cannot start"):
        WorkerProcess("m", python=str(tmp_path / "python"), command=(str(tmp_path / "python"),))


def test_it_ends_with_its_parent_and_leaves_nothing() -> None:
    with WorkerProcess("unused", command=(sys.executable, "-c", _CHILD)) as one:
        one.ask({"do": "add", "a": 1, "b": 1}, 60)
        folder = one._folder.name
    assert not os.path.exists(folder)  # noqa: PTH110
    assert one._process.returncode == 0
