"""The two commands that measure the measuring, in small."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from onsight_benchmarks import aa, harness
from onsight_benchmarks.scenarios import SCENARIOS
from onsight_benchmarks.tables.page import markdown
from onsight_edge.errors import UsageError


def test_pairs_and_sessions_of_the_same_file(tmp_path: Path) -> None:
    told: list[str] = []
    report = aa.measure(pairs=2, sessions=2, iterations=20, tell=told.append)
    results = report.results
    for found in (*results["pairs"].values(), results["sessions"]):
        assert found["pairs"] == found["no_difference"] + found["faster"] + found["slower"]
    assert (results["sessions"]["pairs"], results["slowed"]["pairs"]) == (1, 2)
    assert told == ["pair 1 of 2", "pair 2 of 2", "session 1 of 2", "session 2 of 2"]
    assert any("100 are asked for" in why for why in report.invalid_because)
    path = tmp_path / "aa.json"
    path.write_text(json.dumps(report.to_json()))
    assert "in sessions of their own" in markdown(path) and "Slowed by 10%" in markdown(path)


@pytest.mark.parametrize("wanted", [{"pairs": 0}, {"sessions": 1}, {"sessions": -1}, {"iterations": 0}])
def test_nonsense_is_refused(wanted: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="--pairs"):
        aa.measure(**wanted)


def test_the_harness_beside_a_bare_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "TURNS", 2)
    report = harness.measure(iterations=50)
    times = report.results["latency_ms"]
    assert times["nothing"].p50 < times["bare"].p50
    assert times["harness"].count == times["bare"].count == 50
    assert all(one.min >= 0 for one in report.results["pause_us"].values())
    assert [target.limit for target in report.targets] == [1.02, 1.02]
    path = tmp_path / "harness.json"
    path.write_text(json.dumps(report.to_json()))
    assert "harness / bare" in markdown(path)


def test_the_command_knows_every_scenario() -> None:
    from onsight.commands.bench import command

    (option,) = (one for one in command.params if one.name == "scenario")
    assert isinstance(option.type, click.Choice) and tuple(option.type.choices) == SCENARIOS
