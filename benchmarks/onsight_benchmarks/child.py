"""Running one of our modules in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import onsight_benchmarks
import onsight_edge
from onsight_edge.errors import BenchmarkError


def run_child(module: str, arguments: Sequence[str], *, python: str = sys.executable, timeout_s: float = 600) -> str:
    """Run `python -m module arguments...` and return what it printed.

    The child sees the very packages that run here, through links in a folder of its own: nothing needs to be
    installed for another interpreter, and no file in the current folder can stand in for a module.

    Args:
        module: of onsight_edge or onsight_benchmarks.
        arguments: paths among them must be absolute.
        python: another interpreter, such as that of tflite-runtime's environment.
        timeout_s: after that it is ended.

    Raises:
        BenchmarkError: it failed or took too long; the message has its last line.
    """
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
        environment = lend_packages(Path(folder), python)
        try:
            done = subprocess.run(
                [python, "-m", module, *arguments],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(f"{module} did not end within {timeout_s:.0f} s in a process of its own") from error
        except OSError as error:
            raise BenchmarkError(f"cannot start {python}: {error.strerror}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise BenchmarkError(f"{module} failed in a process of its own: {last}")
    return done.stdout


def lend_packages(folder: Path, python: str) -> dict[str, str]:
    """Link the packages that run here into an empty folder of a child's.

    Returns:
        The environment variables under which `python` finds them there.
    """
    for package in (onsight_edge, onsight_benchmarks):
        source = Path(str(package.__file__)).resolve().parent
        (folder / source.name).symlink_to(source, target_is_directory=True)
    # our PYTHONPATH may hold packages built for this interpreter only
    inherited = os.environ.get("PYTHONPATH") if python == sys.executable else None
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), inherited)))}
