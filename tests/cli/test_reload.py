"""SIGHUP on a real run: settings and model are read again, and the camera never stops."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onsight_edge.bundle import DEFAULT_MODEL

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")


class Running:
    """`onsight run` as a process, its results and its messages read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.results: list[dict[str, object]] = []
        self.said: list[str] = []
        self._readers = [threading.Thread(target=self._read_results), threading.Thread(target=self._read_said)]
        for reader in self._readers:
            reader.start()

    def hang_up(self) -> str:
        """Send SIGHUP and wait for the line about it."""
        before = len(self.said)
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(self.said) > before)
        return self.said[before]

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        for reader in self._readers:
            reader.join(30)

    def _read_results(self) -> None:
        assert self.process.stdout is not None
        self.results += []
        for line in self.process.stdout:
            value = json.loads(line)
            if "frame" in value:
                self.results.append(value)

    def _read_said(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.strip())


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


@contextmanager
def running(folder: Path, *arguments: str, session: bool = True) -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, "-m", "onsight", "run", *arguments, "--jsonl", "-", "--quiet"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=session,  # no terminal, as a service has none
    )
    one = Running(process)
    try:
        wait_for(lambda: bool(one.results) or process.poll() is not None)
        yield one
    finally:
        one.end()


def test_settings_and_model_are_read_again(tmp_path: Path) -> None:
    bundle = tmp_path / "my.bundle"
    shutil.copytree(DEFAULT_MODEL, bundle)
    config = tmp_path / "onsight.toml"
    config.write_text('model = "my.bundle"\nsource = "synthetic://?fps=60"\nthreshold = 0.0\nsmooth = 0\n')
    with running(tmp_path, "--config", "onsight.toml") as run:
        assert run.hang_up() == "onsight: read again: nothing has changed"

        config.write_text(config.read_text().replace("threshold = 0.0", "threshold = 1.0"))
        assert "other settings hold now" in run.hang_up()
        seen = len(run.results)
        wait_for(lambda: len(run.results) > seen + 5)
        assert run.results[-1]["label"] == "unknown" and run.results[0]["label"] != "unknown"

        config.write_text(config.read_text() + "treshold = 1\n")
        assert "nothing was changed: onsight.toml, line 5: treshold is no setting" in run.hang_up()

        config.write_text(config.read_text().replace("treshold = 1\n", "threads = 2\ntop = 2\n"))
        said = run.hang_up()
        assert "onsight-nano-cifar10 (tflite-int8) answers from now on" in said
        assert "--top will change when it is started again" in said

        (bundle / "tflite-int8.tflite").write_bytes(b"damaged")
        assert "nothing was changed" in run.hang_up()
        seen = len(run.results)
        wait_for(lambda: len(run.results) > seen + 5)
    numbers = [int(str(one["frame"])) for one in run.results]
    assert numbers == sorted(set(numbers)), "one camera, opened once"
    assert run.process.returncode == 0


def test_without_a_file_the_model_is_looked_at_again(tmp_path: Path) -> None:
    with running(tmp_path, "--source", "synthetic://?fps=60") as run:
        assert "nothing has changed" in run.hang_up()


def test_one_that_comes_while_the_model_loads_is_answered_once_it_runs(tmp_path: Path) -> None:
    """Its own process, in which opening the source is where the signal comes."""
    script = (
        "import os, signal, sys; from onsight_edge import sources; from onsight.main import main\n"
        "opened = sources.open_source\n"
        "def hung_up(*given, **more): os.kill(os.getpid(), signal.SIGHUP); return opened(*given, **more)\n"
        "sources.open_source = hung_up\n"
        "sys.exit(main(['run', '--source', 'synthetic://', '--seconds', '3', '--quiet', '--jsonl', 'lines']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "onsight: read again: nothing has changed\n"


def test_nohup_is_respected(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with running(tmp_path, "--source", "synthetic://?fps=60") as run:
            signal.signal(signal.SIGHUP, before)
            run.process.send_signal(signal.SIGHUP)
            seen = len(run.results)
            wait_for(lambda: len(run.results) > seen + 10)
            assert run.said == []
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals here")
def test_a_terminal_that_is_closed_ends_the_run(tmp_path: Path) -> None:
    """A shell on a terminal starts the run; the terminal goes away, as when an ssh connection is cut."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        source = ("--source", "synthetic://?fps=60", "--jsonl", "lines.jsonl", "--quiet")
        os.execv(sys.executable, [sys.executable, "-m", "onsight", "run", *source])
    lines = tmp_path / "lines.jsonl"
    wait_for(lambda: lines.exists() and lines.read_text().count("\n") > 3)
    os.close(terminal)
    ended: list[int] = []
    wait_for(lambda: bool(ended.append(os.waitpid(pid, os.WNOHANG)[0]) or ended[-1]))
    assert all(json.loads(line) for line in lines.read_text().splitlines())
