"""A process that answers requests: one JSON object a line each way, so that several can be measured in turns.

The child calls `serve`; whatever its libraries print goes to its log, never among the answers. The parent's
`WorkerProcess` starts it, asks it, and outlives it. Clocks are read in the child: the pipe costs a measurement nothing.

The child imports nothing of ours but this module, the errors and what it asks for: it may run in an environment of
its own that has little more than NumPy.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onsight_benchmarks.child import lend_packages
from onsight_edge.errors import BenchmarkError

_GOODBYE_S = 5.0


class WorkerError(BenchmarkError):
    """A worker refused, failed, died or hung; the message is one clause without its name."""


class WorkerProcess:
    """A worker in a process of its own.

    Args:
        module: what it runs, with `python -m`; calls `serve`.
        python: its interpreter.
        environment: variables in place of, or beside, our own.
        command: what to run in place of the module; for tests.

    Raises:
        WorkerError: it cannot be started.
    """

    def __init__(
        self,
        module: str,
        *,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="onsight-")
        folder = Path(self._folder.name).resolve()
        self._log = (folder / "stderr.txt").open("w+b")
        try:
            self._process = subprocess.Popen(
                list(command or (python, "-m", module)),
                cwd=folder,
                env={**lend_packages(folder, python), **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,  # Ctrl-C is for the parent, which ends the worker
            )
        except OSError as error:
            self._log.close()
            self._folder.cleanup()
            raise WorkerError(f"cannot start {python}: {error.strerror}") from error
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(self, request: dict[str, Any], seconds: float) -> Any:
        """Send a request and wait for its answer.

        Args:
            request: `do` names what to do, the rest are its arguments.
            seconds: to wait; then the worker is ended.

        Raises:
            WorkerError: it said no, ended, or did not answer in time.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise WorkerError(self._end()) from None
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            self._process.kill()
            raise WorkerError(f"gave no answer to {request['do']!r} within {seconds:g} s") from None
        try:
            answer = json.loads(line)
        except ValueError:
            raise WorkerError(self._end() if not line else f"answered {line[:60]!r}") from None
        if "ok" not in answer:
            raise WorkerError(str(answer.get("error", answer)))
        return answer["ok"]

    def close(self) -> None:
        """End it and remove what it left."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_GOODBYE_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()
        self._folder.cleanup()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")  # it ended

    def _end(self) -> str:
        try:
            status = self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        how = f"ended with {_signal_name(-status)}" if status < 0 else f"ended with exit status {status}"
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f"{how}: {lines[-1].strip()[:200]}" if lines else how


def serve(worker: Any) -> None:
    """The child: answer requests by the methods of `worker` until there are no more.

    `cpu_s`, the processor time that this process has used, is answered here.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # runtimes greet on standard output
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        try:
            do = request.pop("do")
            answer = {"ok": time.process_time() if do == "cpu_s" else getattr(worker, do)(**request)}
        except BaseException as error:  # whatever a runtime throws, and it may call sys.exit
            answer = {"error": one_line(error)}
        print(json.dumps(answer), file=answers, flush=True)


def one_line(error: BaseException) -> str:
    """An error of a library's in one line, its kind before it; ours are one line already."""
    from onsight_edge.errors import OnsightError

    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, OnsightError) else f"{type(error).__name__}: {text}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
