"""A recording ends before its folder is larger than its budget."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from onsight_edge.errors import SinkError
from onsight_edge.frame import Frame, Prediction, Result, Timings
from onsight_edge.sinks import RunInfo
from onsight_edge.web import recording
from onsight_edge.web.recording import Recorder

BUDGET = 2 * 2**20


def test_a_recording_ends_within_its_budget_and_no_other_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_LOOK_S", 0.02)
    folder = tmp_path / "recordings"
    recorder = Recorder(folder, RunInfo("0", False, None, (320, 240), "m", ("cat", "dog")), BUDGET)
    recorder.start()
    rng = np.random.default_rng(0)
    limit = time.monotonic() + 60
    index = 0
    while recorder.to_json()["recording"]:
        assert time.monotonic() < limit, "it did not end"
        frame = Frame(rng.integers(0, 256, (240, 320, 3)).astype(np.uint8), index, time.monotonic_ns())
        scores = np.array([0.8, 0.2], np.float32)
        recorder.offer(Result(frame, Prediction(0, 0.8, scores, ("cat", "dog")), Timings(1, 2, 3), 0, 0, 20.0))
        index += 1
        time.sleep(0.01)
    recorder.stop()
    (video,) = folder.iterdir()
    assert BUDGET / 4 < video.stat().st_size <= BUDGET
    (folder / "earlier.mp4").write_bytes(bytes(BUDGET))
    with pytest.raises(SinkError, match="take videos away"):
        recorder.start()
