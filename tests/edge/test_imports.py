"""The device's floor must import where no training framework and no optional package is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import onsight_edge

FORBIDDEN = ("tensorflow", "keras", "onnx", "torch", "jax", "tf2onnx", "starlette", "uvicorn", "paho", "matplotlib")
ROOT = Path(onsight_edge.__file__).parent
# the room that an extra is for; import-linter sees to it that no other room imports it
NEEDS_AN_EXTRA = "onsight_edge.web."


def modules() -> list[str]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("onsight_edge", *path.relative_to(ROOT).with_suffix("").parts)
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def test_every_edge_module_imports_without_frameworks() -> None:
    script = f"""
import importlib, sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {FORBIDDEN!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Wall())
for name in {[name for name in modules() if not name.startswith(NEEDS_AN_EXTRA)]!r}:
    importlib.import_module(name)
print("imported")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "imported", done.stderr


def test_the_wall_of_this_test_stands() -> None:
    assert len(modules()) > 15
    assert "onsight_edge.classifier" in modules()


@pytest.mark.parametrize("module", ["onsight_edge", "onsight", "onsight.commands.predict"])
def test_importing_loads_no_framework(module: str) -> None:
    script = f"import sys, {module}; print([m for m in {FORBIDDEN!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
