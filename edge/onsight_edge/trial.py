"""Work that may kill, hang or eat the memory of whoever does it, done by a child process with limits.

A mangled model file can make a runtime or a parser written in C++ crash or allocate without end. `in_child` gives such
bytes to a process that may: what comes back is an answer or one line of why there is none.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable

from onsight_edge.errors import ModelError, NoChildError, OnsightError

_HELLO = b"onsight child "
_ANSWER, _REFUSAL, _MEMORY = b"A", b"R", b"M"
# the parent's own search path: the child must find the same packages, and nothing in the working folder
_START = "import sys; sys.path[:] = {path!r}; from onsight_edge.trial import child; child()"
# threads reserve address space, which the limit counts; a GPU's driver reserves more than any limit
_FEW_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "CUDA_VISIBLE_DEVICES": "-1",
}


def in_child(module: str, data: bytes, *arguments: str, seconds: float = 20, memory_mib: int = 2048) -> bytes:
    """Run `python -m module` on bytes, in a process of its own with limits.

    The module finds `data` on its standard input and `arguments` in `sys.argv[1:]`, writes its answer to
    `sys.stdout` (or `.buffer`) and refuses by raising; what C++ writes to descriptors 1 and 2 is dropped.

    Args:
        module: a module of ours with a `__main__` part.
        data: what it is to look at.
        arguments: short strings.
        seconds: on the clock and on the processor, whichever comes first.
        memory_mib: address space in MiB, code and stacks of the child included.

    Returns:
        What the module wrote.

    Raises:
        ModelError: the child was killed by a signal, took too long or too much memory, or refused. The message is one
            clause without a subject ("it killed ..."), to stand behind the file's name.
        NoChildError: no process can be started here, as under `qemu -L`.
    """
    if getattr(sys, "frozen", False):  # sys.executable is the program itself, and would start itself over and over
        raise NoChildError(f"{sys.executable} is no Python that could start a process of its own")
    command = [sys.executable, "-c", _START.format(path=sys.path)]
    command += [str(memory_mib << 20), str(max(1, round(seconds))), module, *arguments]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_FEW_THREADS},
            start_new_session=True,  # Ctrl-C is for the parent, which ends the child
        )
    except (OSError, ValueError) as error:
        raise NoChildError(f"cannot start {sys.executable or 'Python'} as a process of its own: {error}") from error
    with process:
        try:
            output, _ = process.communicate(data, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise ModelError(f"it kept the process that opened it busy for over {seconds:g} s") from None
        finally:
            process.kill()
    hello, _, said = output.partition(b"\n")
    if hello != _hello():
        raise NoChildError(f"{sys.executable} does not work as a process of its own")
    kind, body = said[:1], said[1:]
    if kind == _ANSWER:
        return body
    if kind == _REFUSAL:
        raise ModelError(body.decode(errors="replace"))
    if kind == _MEMORY or process.returncode == -getattr(signal, "SIGKILL", 9):
        raise ModelError(f"it needs more than {memory_mib} MiB of memory to open")
    if process.returncode == -getattr(signal, "SIGXCPU", 24):
        raise ModelError(f"it kept the process that opened it busy for over {seconds:g} s")
    if process.returncode < 0:
        raise ModelError(f"it killed the process that opened it ({_signal_name(-process.returncode)})")
    raise ModelError(f"it ended the process that opened it (exit status {process.returncode})")


def child() -> None:
    """The child's side of `in_child`: says hello, takes its limits on, runs the module, hands over what it wrote."""
    memory, seconds, module, *arguments = sys.argv[1:]
    answers = os.dup(1)
    os.dup2(2, 1)  # nothing but the answer may reach the parent
    os.write(answers, _hello() + b"\n")
    _limit(int(memory), int(seconds))
    sys.argv = [module, *arguments]
    written = io.BytesIO()
    sys.stdout = io.TextIOWrapper(written, encoding="utf-8", write_through=True)
    kind, body = _run(module, written)
    rest = memoryview(kind + body)
    while rest:
        rest = rest[os.write(answers, rest) :]
    os._exit(0)  # no destructor of a library that holds a damaged model


def _run(module: str, written: io.BytesIO) -> tuple[bytes, bytes]:
    import runpy

    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except MemoryError:
        return _MEMORY, b""
    except OnsightError as error:
        return _REFUSAL, _one_line(str(error))
    except SystemExit as error:
        if error.code not in (None, 0):
            return _REFUSAL, _one_line(str(error.code))
    except Exception as error:  # a parser may fail with anything on bytes that nobody wrote
        return _REFUSAL, _one_line(f"it cannot be read ({type(error).__name__}: {error})")
    return _ANSWER, written.getvalue()


def _limit(memory: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    set_limit: Callable[[int, tuple[int, int]], None] = resource.setrlimit
    limits = (
        (resource.RLIMIT_AS, (memory, memory)),
        (resource.RLIMIT_CPU, (seconds, seconds + 1)),  # SIGXCPU first: SIGKILL is the kernel's word for no memory
        (resource.RLIMIT_CORE, (0, 0)),
    )
    for kind, most in limits:
        with contextlib.suppress(ValueError, OSError):  # a lower limit stands already, or none can be set (macOS)
            set_limit(kind, most)


def _hello() -> bytes:
    """Names the processor, too: qemu -L starts the host's Python in place of the guest's."""
    machine = os.uname().machine if hasattr(os, "uname") else "windows"
    return _HELLO + machine.encode()


def _one_line(text: str) -> bytes:
    return " ".join(text.split())[:1000].encode(errors="replace")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
