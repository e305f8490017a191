"""The page for Prometheus, read by Prometheus' own parser, and what Home Assistant is told."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from onsight_edge.errors import SinkError
from onsight_edge.events import SINK_BACK, SINK_FAILED
from onsight_edge.frame import SOURCE_BACK, SOURCE_LOST, Frame, Notice, Prediction, Result, Timings
from onsight_edge.sinks import RunInfo, SinkSummary
from onsight_edge.sinks.homeassistant import discovery
from onsight_edge.sinks.metrics import MOST_LABELS, LiveMetrics
from onsight_edge.sinks.prometheus import PrometheusSink
from onsight_edge.telemetry import Telemetry
from onsight_edge.throttling import Throttling

CLASSES = tuple(f"class {number}" for number in range(300))
SINK = SinkSummary("mqtt", 7, 2, None, None, None, failures=1, counts={"waiting": 3})
INFO = RunInfo("0", True, 20.0, (320, 240), "net", CLASSES, sinks=lambda: (SINK,))


def result(index: int, label: int = 0, dropped: int = 0) -> Result:
    frame = Frame(np.zeros((0, 0, 3), np.uint8), index, time.monotonic_ns())
    prediction = Prediction(label, 0.75, np.zeros(len(CLASSES), np.float32), CLASSES)
    timings = Timings(100_000, 2_000_000, 50_000)
    return Result(frame, prediction, timings, frame.captured_ns + 4_000_000, dropped, 19.5)


@pytest.fixture
def sink() -> Iterator[PrometheusSink]:
    one = PrometheusSink("127.0.0.1", 0)
    one.open(INFO)
    yield one
    one.close()


def figures(text: str) -> dict[str, float]:
    """`name{label=value}` -> figure."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def page(sink: PrometheusSink) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=10) as answer:
        return figures(answer.read().decode())


def test_the_page_has_what_the_run_did(sink: PrometheusSink) -> None:
    for index in range(3):
        sink.write(result(index, label=index // 2, dropped=5))
    sink.notice(Notice("dark", "dark", 0))
    sink.notice(Notice(SOURCE_LOST, "gone", 0))
    sink.notice(Notice(SOURCE_BACK, "back", 0, over=True))
    sink.notice(Notice("granted", "another rate", 0))
    sink.notice(Notice(SINK_FAILED, "csv: full", 0))
    sink.notice(Notice(SINK_FAILED, "mqtt: away", 0))
    sink.notice(Notice(SINK_BACK, "mqtt: works", 0, over=True))
    found = page(sink)
    assert found["onsight_frames_total"] == 3 and found["onsight_frames_dropped_total"] == 5
    assert found["onsight_answers_total{label=class 0}"] == 2
    assert found["onsight_decisions_total{label=class 1}"] == 1
    assert found["onsight_stage_seconds_sum{stage=inference}"] == pytest.approx(0.006)
    assert found["onsight_frame_age_seconds_bucket{le=0.005}"] == 3
    assert (found["onsight_results_per_second"], found["onsight_score_ratio"]) == (19.5, 0.75)
    assert (found["onsight_trouble{kind=dark}"], found["onsight_trouble{kind=source-lost}"]) == (1, 0)
    assert found["onsight_trouble{kind=sink-failed}"] == 1, "the other one still fails"
    assert found["onsight_notices_total{kind=granted}"] == 1 and "onsight_trouble{kind=granted}" not in found
    assert found["onsight_sink_written_total{sink=mqtt}"] == 7 and found["onsight_sink_up{sink=mqtt}"] == 1
    assert found["onsight_sink_count{sink=mqtt,what=waiting}"] == 3
    assert any(name.startswith("onsight_info{") and "model=net" in name for name in found)
    assert found["process_resident_memory_bytes"] > 0


def test_labels_are_bounded(sink: PrometheusSink) -> None:
    for label in range(len(CLASSES)):
        sink.write(result(label, label))
    found = page(sink)
    assert found["onsight_answers_total{label=other}"] == len(CLASSES) - MOST_LABELS
    assert sum(name.startswith("onsight_answers_total") for name in found) == MOST_LABELS + 1


def test_the_device_is_looked_at_when_the_page_is_asked_for() -> None:
    looks = []
    held = Throttling(("under-voltage",))

    def look() -> Telemetry:
        looks.append(1)
        return Telemetry(61.5, (), (), held)

    metrics = LiveMetrics("net", look=look)
    metrics.note(result(0))
    before = len(looks)
    found = figures(metrics.exposition().decode())
    assert len(looks) == before + 1
    assert (found["onsight_temperature_celsius"], found["onsight_throttled"]) == (61.5, 1)
    assert found["onsight_held_back{by=under-voltage}"] == 1
    metrics.use_model("another")
    names = [name for name in figures(metrics.exposition().decode()) if name.startswith("onsight_info")]
    assert len(names) == 1 and "model=another" in names[0]


def test_a_port_that_is_taken_is_one_line(sink: PrometheusSink) -> None:
    for host, port in (("127.0.0.1", sink.port), ("192.0.2.1", 0), ("no.such.host.invalid", 0)):
        with pytest.raises(SinkError, match="cannot listen there") as caught:
            PrometheusSink(host, port).open(INFO)
        assert "\n" not in str(caught.value)


def discovered(**more: Any) -> dict[str, Any]:
    given = {
        "identity": "onsight_1",
        "name": "porch",
        "topic": "onsight/porch",
        "model": "net",
        "classes": ("cat", "unknown"),
        "board": None,
        "version": "1",
        "every_s": 10.0,
        "has_temperature": True,
    }
    return discovery(**{**given, **more})


def test_home_assistant_gets_a_device_with_stable_ids() -> None:
    payload = discovered()
    ids = [one["unique_id"] for one in payload["components"].values()]
    assert len(set(ids)) == len(ids) == 6 and all(one.startswith("onsight_1_") for one in ids)
    assert ids == [one["unique_id"] for one in discovered(model="other", classes=("x",))["components"].values()]
    assert payload["origin"]["name"] == "onsight" and payload["device"]["identifiers"] == ["onsight_1"]
    assert payload["components"]["label"]["options"] == ["cat", "unknown"]  # each once
    assert payload["components"]["temperature"]["unit_of_measurement"] == "°C"
    assert "temperature" not in discovered(has_temperature=False)["components"]
    assert "options" not in discovered(classes=CLASSES)["components"]["label"]
