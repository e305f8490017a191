from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from onsight_benchmarks import environments
from onsight_benchmarks.environments import Environment, make, ready_python
from onsight_edge.errors import BenchmarkError


def test_a_new_python_cannot_have_old_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    old = Environment("tflite-runtime", ("tflite-runtime==2.14.0",), newest_python=(3, 9))
    with pytest.raises(BenchmarkError, match=r"for Python 3\.9 and older") as caught:
        make(old, tmp_path / "env")
    assert "\n" not in str(caught.value)
    assert ready_python(old, tmp_path / "env") is None
    assert not (tmp_path / "env").exists()


def test_what_is_called_and_when_it_is_ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder, called = tmp_path / "env", []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        called.append(command[1:])
        if command[1:3] == ["-m", "venv"]:
            (folder / "bin").mkdir(parents=True)
            (folder / "bin" / "python").touch()
        failed = command[-1] == "no-such-package"
        return subprocess.CompletedProcess(command, int(failed), "", "ERROR: no such package\n\nA new pip is there\n")

    monkeypatch.setattr(environments.subprocess, "run", run)
    one = Environment("one", ("a==1", "b"), alone=("c==2",))
    assert ready_python(one, folder) is None
    python = make(one, folder)
    assert called[0] == ["-m", "venv", str(folder)]
    assert called[1][-2:] == ["a==1", "b"] and called[2][-2:] == ["--no-deps", "c==2"]
    assert python == ready_python(one, folder) == make(one, folder) and len(called) == 3
    assert ready_python(Environment("one", ("a==1", "b")), folder) is None  # another one than was made
    with pytest.raises(BenchmarkError) as caught:
        make(Environment("one", ("no-such-package",)), folder)
    assert str(caught.value) == "cannot install no-such-package: ERROR: no such package"
    assert ready_python(one, folder) is None and ready_python(Environment("one", ("no-such-package",)), folder) is None


@pytest.mark.slow
def test_an_environment_is_made(tmp_path: Path) -> None:
    one = Environment("one", ("pip",))  # what venv has put there already: nothing is fetched
    python = make(one, tmp_path / "env")
    where = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert where.stdout.strip() == str(tmp_path / "env") != sys.prefix
    python.unlink()
    assert ready_python(one, tmp_path / "env") is None
