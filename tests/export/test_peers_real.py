"""Every peer, in its own environment, answers as onsight does from the files of one export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onsight_benchmarks.environments import Environment, make
from onsight_benchmarks.peers.measure import measure
from onsight_benchmarks.peers.subjects import ENVIRONMENTS, SUBJECTS
from onsight_edge.errors import BenchmarkError


def made(environment: Environment) -> bool:
    """In the user's cache: all of them take two minutes and 1.5 GB."""
    try:
        return make(environment).exists()
    except BenchmarkError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_every_peer_answers_alike(tiny: Any, exported: tuple[Path, Any]) -> None:
    unmade = {environment.name for environment in ENVIRONMENTS if not made(environment)}
    if len(unmade) == len(ENVIRONMENTS):
        pytest.skip("no package can be had here")
    data = str(tiny.run.parents[1] / "blobs.npz")
    found = measure([exported[0]], data=data, pictures=60, rounds=1, starts=1)
    int8, real = found.results["cases"]
    assert [case["precision"] for case in (int8, real)] == ["int8", "float32"]
    for case in (int8, real):
        wanted = {
            one.name
            for one in SUBJECTS
            if case["precision"] in one.precisions and (one.environment is None or one.environment.name not in unmade)
        }
        assert {one["name"] for one in case["subjects"]} == wanted, case["skipped"]
        for one in case["subjects"]:
            # the network is tiny and its pictures are noisy: MediaPipe resizes otherwise, ONNX's int8 has other ranges
            least = 0.95 if case["precision"] == "float32" and one["name"] != "MediaPipe" else 0.85
            assert one["same_labels"] >= least, (case["name"], one["name"], one["same_labels"])
            assert one["version"]
