from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from onsight_edge import trial
from onsight_edge.errors import ModelError, NoChildError
from onsight_edge.trial import in_child

CHILD = """
import os, sys
what = sys.argv[1]
data = sys.stdin.buffer.read()
if what == "echo":
    os.write(1, b"noise of a library")
    os.write(2, b"noise of a library")
    sys.stdout.buffer.write(data)
elif what == "crash":
    os.kill(os.getpid(), 11)
elif what == "memory":
    held = bytearray(4 << 30)
elif what == "spin":
    while True:
        pass
elif what == "sleep":
    import time
    time.sleep(60)
elif what == "refuse":
    from onsight_edge.errors import ModelError
    raise ModelError("no\\ngood")
elif what == "stumble":
    print([][0])
elif what == "leave":
    os._exit(4)
elif what == "path":
    import os.path
    print(os.getcwd() in sys.path or "" in sys.path)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "looks_at_it.py").write_text(CHILD)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return "looks_at_it"


def test_bytes_go_in_and_come_out_without_the_noise_of_libraries(module: str, capfd: pytest.CaptureFixture) -> None:
    data = bytes(range(256)) * 4096  # more than a pipe holds
    assert in_child(module, data, "echo") == data
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("crash", r"^it killed the process that opened it \(SIGSEGV\)$"),
        ("memory", "^it needs more than 1024 MiB of memory to open$"),
        ("refuse", "^no good$"),
        ("stumble", r"^it cannot be read \(IndexError: list index out of range\)$"),
        ("leave", r"^it ended the process that opened it \(exit status 4\)$"),
    ],
)
def test_every_bad_end_is_one_line(module: str, what: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        in_child(module, b"", what, memory_mib=1024)


@pytest.mark.parametrize("what", ["spin", "sleep"])
def test_a_child_that_hangs_is_ended(module: str, what: str) -> None:
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"busy for over 1\.5 s"):
        in_child(module, b"x" * 1_000_000, what, seconds=1.5)
    assert time.monotonic() - started < 10


def test_the_processor_counts_too(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the clock is not looked at, the limit that the child has taken on ends it."""
    popen = trial.subprocess.Popen
    monkeypatch.setattr(popen, "communicate", lambda self, data, timeout: _communicate(self, data))
    with pytest.raises(ModelError, match="busy for over 1 s"):
        in_child(module, b"", "spin", seconds=1)


def _communicate(process: trial.subprocess.Popen[bytes], data: bytes) -> tuple[bytes, None]:
    assert process.stdin and process.stdout
    process.stdin.close()
    output = process.stdout.read()
    process.wait()
    return output, None


def test_the_working_folder_is_not_searched(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A numpy.py that lies beside a model must not run."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "runpy.py").write_text("raise SystemExit('mine')")
    monkeypatch.chdir(tmp_path / "here")
    assert in_child(module, b"", "path") == b"False\n"


def test_threads_may_have_children_at_once(module: str) -> None:
    found: dict[int, bytes] = {}

    def ask(number: int) -> None:
        found[number] = in_child(module, b"%d" % number, "echo")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: b"0", 1: b"1", 2: b"2"}


@pytest.mark.parametrize("executable", ["", "/nowhere/python", "/bin/true"])
def test_where_no_child_works_that_is_said_apart(module: str, executable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(NoChildError):
        in_child(module, b"", "echo")


def test_a_frozen_program_does_not_start_itself(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(NoChildError, match="is no Python"):
        in_child(module, b"", "echo")


def test_another_machines_python_is_no_child(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_hello", lambda: b"onsight child of another processor")
    with pytest.raises(NoChildError):
        in_child(module, b"", "echo")
