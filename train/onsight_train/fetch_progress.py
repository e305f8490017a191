"""Telling a waiting person what is being done."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError

Arrays: TypeAlias = dict[str, NDArray[np.uint8]]
# (what is being done, how much of it is done, how much there is); None where it is not known
Reporter: TypeAlias = Callable[[str, float | None, float | None], None]


@contextlib.contextmanager
def reporter(what: str, visible: bool) -> Iterator[Reporter]:
    """A progress bar on stderr, gone when the block ends; a line for each step where stderr is no terminal."""
    if not visible:
        yield lambda doing, done, total: None
        return
    if not sys.stderr.isatty():
        said: set[str] = set()

        def say(doing: str, done: float | None, total: float | None) -> None:
            if doing not in said:
                said.add(doing)
                print(doing, file=sys.stderr, flush=True)

        yield say
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def report(doing: str, done: float | None, total: float | None) -> None:
            bar.update(task, description=doing, completed=done or 0, total=total)

        yield report


def run_quietly(
    command: Sequence[str], *, tick: Callable[[], None], timeout_s: float, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run a program without a terminal, calling `tick` four times a second; it dies with us.

    Raises:
        DataError: it cannot be started, or it ran longer than `timeout_s`.
    """
    try:
        process = subprocess.Popen(  # type: ignore[call-overload]
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )
    except OSError as error:
        raise DataError(f"{command[0]} cannot be started: {error.strerror}") from error
    answer: list[tuple[str, str]] = []
    reader = threading.Thread(target=lambda: answer.append(process.communicate()), daemon=True)
    reader.start()
    try:
        waited = 0.0
        while reader.is_alive():
            reader.join(0.25)
            waited += 0.25
            tick()
            if waited > timeout_s:
                raise DataError(f"{Path(command[0]).name} did not finish within {timeout_s:.0f} s")
    finally:
        if process.poll() is None:
            process.kill()
        reader.join(5)
    stdout, stderr = answer[0] if answer else ("", "")
    return subprocess.CompletedProcess(list(command), process.returncode, stdout, stderr)


def folder_bytes(folder: Path) -> int:
    """The size of all files below a folder; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
