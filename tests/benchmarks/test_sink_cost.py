"""What outputs cost: measured with a real broker, and the command says what it lacks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.edge.broker_process import needs_mosquitto

from onsight_benchmarks import sink_cost
from onsight_benchmarks.tables.outputs import sink_cost as table
from onsight_edge.errors import BenchmarkError, UsageError


@needs_mosquitto
def test_each_kind_of_outputs_is_measured_and_its_events_arrive(tmp_path: Path) -> None:
    found = sink_cost.measure(rounds=1, seconds=0.8)
    assert found.kind == "sink_cost" and not found.valid
    kinds = ["none", "mqtt", "mqtt-results", "all"]
    assert list(found.results["turn_ms"]) == kinds and list(found.results["ratio_to_none"]) == kinds[1:]
    assert all(count >= 1 for count in found.results["events_delivered"].values())
    assert all(0.2 < ratio.median < 50 for ratio in found.results["ratio_to_none"].values())
    assert [target.limit for target in found.targets] == [1.02] * 3
    lines = table(json.loads(json.dumps(found.to_json()))["results"])
    assert [line.split("|")[1].strip() for line in lines[2:]] == kinds


def test_without_a_broker_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(BenchmarkError, match="apt install mosquitto"):
        sink_cost.measure(rounds=1, seconds=1.0)
    with pytest.raises(UsageError, match="--rounds"):
        sink_cost.measure(rounds=0)
