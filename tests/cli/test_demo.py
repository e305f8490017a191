"""The demo: its closing table from the documents that the verbs really print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from onsight.commands.demo import closing_rows


def onsight(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "onsight", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_data_set_the_rest_runs_with_the_shipped_model(tmp_path: Path) -> None:
    """No network route: the cache is empty, and neither Keras's loader nor npm can be reached."""
    offline = {"ONSIGHT_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    done = onsight("demo", "--seconds", "1", cwd=tmp_path, **offline, https_proxy="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "so nothing is trained here" in done.stderr
    assert "tflite-int8" in done.stdout and "frame age p50" in done.stdout
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert report["not_trained_because"] and report["keras_accuracy"] is None
    assert report["live"]["classified"] > 0
    assert (tmp_path / "demo" / "live.mp4").stat().st_size > 0
    assert {path.name for path in tmp_path.iterdir()} >= {"demo"}


def test_the_fastest_backend_of_a_variant_is_shown() -> None:
    def measured(variant: str, backend: str, p50: float) -> dict[str, object]:
        return {
            "model": {"variant": variant, "bytes": 2000},
            "backend": {"name": backend},
            "latency_ms": {"end_to_end": {"p50": p50, "p99": 9.0}},
        }

    record = {"measurements": [measured("a", "slow", 2.0), measured("a", "fast", 1.0), measured("b", "slow", 3.0)]}
    checked = {"variants": [{"variant": "a", "accuracy": 0.5, "drop_points": 0.25}]}
    first, second = closing_rows(record, checked)
    assert (first.backend, first.p50_ms, first.accuracy, first.kilobytes) == ("fast", 1.0, 0.5, 2.0)
    assert (second.variant, second.accuracy) == ("b", None)


def test_an_existing_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    done = onsight("demo", "--out", "demo", cwd=tmp_path)
    assert done.returncode == 1 and "exists already" in done.stderr
    assert list((tmp_path / "demo").iterdir()) == []
