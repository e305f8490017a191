"""Environments of their own for runtimes that cannot live beside onsight's packages, or that nobody wants there.

Kept in the cache folder, made with venv and pip, and marked ready last, so that a broken one is made anew.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from onsight_edge.errors import BenchmarkError
from onsight_edge.files import cache_folder

_READY = "ready"
_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Environment:
    """What is installed where.

    Attributes:
        name: of its folder.
        packages: as pip takes them, with their dependencies.
        alone: packages whose dependencies are left out.
        newest_python: the newest that the packages have wheels for, such as (3, 11); None where this one will do.
    """

    name: str
    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()
    newest_python: tuple[int, int] | None = None


# Its last release was built against NumPy 1, and with that OpenCV's 4.11 is the last; its wheels end with Python 3.11.
TFLITE_RUNTIME = Environment(
    "tflite-runtime",
    ("tflite-runtime==2.14.0", "numpy<2", "opencv-python-headless<4.12"),
    newest_python=(3, 11),
)


def ready_python(environment: Environment, folder: Path | None = None) -> Path | None:
    """The interpreter of an environment that is there already; None where it must be made first.

    Args:
        folder: where it is kept; default in the cache folder.
    """
    folder = _folder(environment, folder)
    python, ready = folder / "bin" / "python", folder / _READY
    try:
        wanted = _mark(environment, _base_python(environment))
        same = ready.read_text(encoding="utf-8") == wanted
    except (OSError, BenchmarkError):
        return None
    return python if same and python.exists() else None


def make(environment: Environment, folder: Path | None = None) -> Path:
    """The interpreter of an environment, which is made where it is not there yet.

    Raises:
        BenchmarkError: no Python that old is here, or pip cannot install the packages.
    """
    base = _base_python(environment)
    if python := ready_python(environment, folder):
        return python
    folder = _folder(environment, folder)
    python = folder / "bin" / "python"
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _call([base, "-m", "venv", str(folder)], f"make an environment for {environment.name}")
    _call([*pip, *environment.packages], f"install {environment.packages[0]}")
    if environment.alone:
        _call([*pip, "--no-deps", *environment.alone], f"install {environment.alone[0]}")
    (folder / _READY).write_text(_mark(environment, base), encoding="utf-8")
    return python


def _mark(environment: Environment, base: str) -> str:
    return "\n".join((base, *environment.packages, *environment.alone))


def _folder(environment: Environment, folder: Path | None) -> Path:
    return folder or cache_folder() / "environments" / environment.name


def _base_python(environment: Environment) -> str:
    newest = environment.newest_python
    if newest is None or sys.version_info[:2] <= newest:
        return str(Path(sys.executable).resolve())  # behind a virtual environment: every checkout shares what is made
    for minor in range(newest[1], 9, -1):
        if found := shutil.which(f"python3.{minor}"):
            return found
    raise BenchmarkError(
        f"{environment.name} cannot be installed: its last wheels are for Python {newest[0]}.{newest[1]} and older, "
        f"this is {sys.version_info.major}.{sys.version_info.minor} and there is no such python3 on the PATH"
    )


def _call(command: list[str], purpose: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(f"cannot {purpose}: {error}") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        last = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
        raise BenchmarkError(f"cannot {purpose}: {last}")
