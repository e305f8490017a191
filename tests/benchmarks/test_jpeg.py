"""The JPEG benchmark on the model that ships, with few calls."""

from __future__ import annotations

import json

import pytest

from onsight_benchmarks.jpeg import FULL, OURS, measure
from onsight_edge.errors import UsageError


def test_reducing_pays_and_the_record_says_by_how_much() -> None:
    report = measure(iterations=40)
    assert report.kind == "jpeg" and report.method["reduction"] in (2, 4, 8)
    assert not [reason for reason in report.invalid_because if "damaged" in reason]
    for name in (FULL, "opencv 1/8", OURS, "invoke"):
        assert report.results[name]["us"].count >= 40
    assert report.results[FULL]["of_full"].median == 1
    assert report.results["opencv 1/8"]["of_full"].median < 1
    assert json.loads(json.dumps(report.to_json()))["method"]["jpeg_bytes"] > 10_000


def test_a_quality_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match=r"1\.\.100, not 0"):
        measure(quality=0)
