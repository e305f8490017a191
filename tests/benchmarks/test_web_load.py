"""What clients cost the age of a frame: a short measurement from start to table."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra web is not installed")

from onsight_benchmarks import web_load
from onsight_benchmarks.record_file import save_json
from onsight_benchmarks.tables.page import markdown
from onsight_edge.errors import UsageError


@pytest.mark.slow
def test_ages_with_and_without_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_load, "SETTLE_S", 0.3)
    report = web_load.measure(rounds=2, seconds=0.7, clients=5)
    results = report.results
    assert list(results["age_ms"]) == ["no server", "nobody watches", "clients"]
    assert report.method["clients"] == {"watching": 2, "listening": 2, "deaf_watching": 1, "deaf_listening": 0}
    assert results["clients"]["pictures_each"] >= 2 and results["clients"]["results_each"] >= 2
    assert all(len(rounds) == 2 and all(rounds) for rounds in results["values_ms"].values())
    assert not report.valid and any("12 are needed" in why for why in report.invalid_because)
    save_json(tmp_path / "web_load.json", report.to_json())
    table = markdown(tmp_path / "web_load.json")
    assert "nobody watches" in table and "p90 of the frame age with 5 clients" in table
    with pytest.raises(UsageError):
        web_load.measure(rounds=1)
