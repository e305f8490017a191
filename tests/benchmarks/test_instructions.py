from __future__ import annotations

import subprocess
import sys

import pytest

from onsight_benchmarks import instructions
from onsight_benchmarks.instructions import count, read_marks
from onsight_edge.errors import BenchmarkError

MARKS = "icount 0 1000\nnoise icount 9 9\nicount 1 5000\nicount 2 6000\nicount 3 8000\nicount 4 9000\nicount 5 9400\n"


def guest(returncode: int, stderr: str) -> object:
    return lambda *_, **__: subprocess.CompletedProcess([], returncode, "", stderr)


def test_marks_are_read_from_among_other_lines() -> None:
    assert read_marks(MARKS) == {0: 1000, 1: 5000, 2: 6000, 3: 8000, 4: 9000, 5: 9400}


def test_counts_are_for_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", guest(0, MARKS))
    one = count("default", "bookworm", "cortex-a72", 10, "m")
    assert (one.classify, one.invoke, one.preprocess, one.share) == (400, 200, 40, 1.0)


@pytest.mark.parametrize(("status", "text"), [(1, "no qemu here"), (0, "icount 0 5\n")])
def test_a_userland_that_fails_is_one_line(status: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", guest(status, text))
    with pytest.raises(BenchmarkError, match="cortex-a72"):
        count("default", "bookworm", "cortex-a72", 10, "m")


def test_the_guests_part_runs_here_too() -> None:
    command = [sys.executable, "-m", instructions.__name__, "--guest", "--calls", "1", "default"]
    subprocess.run(command, check=True)  # the marks are a system call that does nothing
