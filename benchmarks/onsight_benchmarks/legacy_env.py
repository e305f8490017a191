"""tflite-runtime's own environment: it needs NumPy 1, and with it an older OpenCV, and Python 3.11 or older."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from onsight_edge.errors import BenchmarkError
from onsight_edge.files import cache_folder

NEWEST_PYTHON = (3, 11)
PACKAGES = ("tflite-runtime==2.14.0", "numpy<2", "opencv-python-headless<4.12")
_READY = "ready"
_TIMEOUT_S = 900


def legacy_python(folder: Path | None = None) -> Path:
    """The interpreter of an environment with tflite-runtime, made on first use.

    Args:
        folder: where the environment is kept; default in the cache folder.

    Raises:
        BenchmarkError: no Python that old is here, or pip cannot install the packages.
    """
    base = _base_python()
    folder = folder or cache_folder() / "environments" / "tflite-runtime"
    python = folder / "bin" / "python"
    wanted = "\n".join((base, *PACKAGES))
    ready = folder / _READY
    if ready.is_file() and ready.read_text(encoding="utf-8") == wanted and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _call([base, "-m", "venv", str(folder)], "make an environment for tflite-runtime")
    _call(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        "install tflite-runtime 2.14.0 (its wheels end with Python 3.11; x86-64 and arm only)",
    )
    ready.write_text(wanted, encoding="utf-8")  # last, so that a broken environment is made anew
    return python


def _base_python() -> str:
    if sys.version_info[:2] <= NEWEST_PYTHON:
        return sys.executable
    for minor in (11, 10):
        if found := shutil.which(f"python3.{minor}"):
            return found
    raise BenchmarkError(
        f"tflite-runtime cannot be installed: its last wheels (2.14.0) are for Python 3.11 and older, this is "
        f"{sys.version_info.major}.{sys.version_info.minor} and there is no python3.11 or python3.10 on the PATH"
    )


def _call(command: list[str], purpose: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(f"cannot {purpose}: {error}") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise BenchmarkError(f"cannot {purpose}: {last}")
