"""`--mqtt` against a real Mosquitto on loopback: what arrives, and that outages lose and double nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.edge.broker_process import Mosquitto, Subscriber, free_port, needs_mosquitto, until

from onsight_edge.errors import SinkError, UsageError
from onsight_edge.frame import SOURCE_LOST, Frame, Notice, Prediction, Result, Timings
from onsight_edge.sinks import RunInfo
from onsight_edge.sinks.broker import Broker, Tls, parse_broker
from onsight_edge.sinks.mqtt import MqttSink

CLASSES = ("cat", "dog")


def run_info(told: list[Notice] | None = None) -> RunInfo:
    return RunInfo("0", True, 20.0, (320, 240), "m", CLASSES, tell=([] if told is None else told).append)


def result(index: int, label: int) -> Result:
    scores = np.array([0.8, 0.2] if label == 0 else [0.2, 0.8], np.float32)
    frame = Frame(np.zeros((4, 4, 3), np.uint8), index, time.monotonic_ns())
    return Result(frame, Prediction(label, 0.8, scores, CLASSES), Timings(1, 2, 3), time.monotonic_ns(), 0, 20.0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    one = Mosquitto(tmp_path / "broker")
    one.start()
    yield one
    one.end(signal.SIGKILL)


def sink_for(broker: Mosquitto, folder: Path, **more: object) -> MqttSink:
    return MqttSink(Broker("127.0.0.1", broker.port, "onsight/porch"), folder / "outbox", machine="test", **more)  # type: ignore[arg-type]


@needs_mosquitto
def test_events_state_status_and_discovery_arrive(broker: Mosquitto, tmp_path: Path) -> None:
    listening = Subscriber(broker.port)
    sink = sink_for(broker, tmp_path, results_per_s=1000.0)
    sink.open(run_info())
    until(lambda: listening.of("onsight/porch/status") == [b"online"])
    for index, label in enumerate((0, 0, 1)):
        sink.write(result(index, label))
    sink.notice(Notice("dark", "too dark", time.monotonic_ns()))
    until(lambda: len(listening.of("onsight/porch/event")) == 3 and bool(listening.of("onsight/porch/result")))
    until(lambda: listening.json_of("onsight/porch/state")[-1]["trouble"] == ["too dark"])
    state = listening.json_of("onsight/porch/state")[-1]
    assert (state["label"], state["score"], state["frame"]) == ("dog", 0.8, 2)
    cat, dog, dark = listening.json_of("onsight/porch/event")
    assert (cat["event"], dog["event"], dog["before"], dark["notice"]) == ("cat", "dog", "cat", "dark")
    assert len({cat["id"], dog["id"], dark["id"]}) == 3
    (config,) = [t for t, _, _ in listening.got if t.startswith("homeassistant/device/")]
    payload = json.loads(listening.of(config)[0])
    assert config == f"homeassistant/device/{payload['device']['identifiers'][0]}/config"
    assert payload["availability"] == [{"topic": "onsight/porch/status"}]
    assert payload["components"]["label"]["options"] == ["cat", "dog", "unknown"]
    assert all(one["state_topic"] == "onsight/porch/state" for one in payload["components"].values())
    sink.notice(Notice(SOURCE_LOST, "the camera is gone", time.monotonic_ns()))
    until(lambda: listening.json_of("onsight/porch/state")[-1]["label"] is None)
    sink.close()
    until(lambda: listening.of("onsight/porch/status")[-1] == b"offline")
    report = sink.report()
    assert (report.error, report.counts["delivered"], report.counts["waiting"]) == (None, 4, 0)
    assert not (tmp_path / "outbox").exists()  # nothing waits in it
    listening.close()
    late = Subscriber(broker.port, "late/#")  # retained messages are there for whoever comes later
    late.client.subscribe("#")
    until(lambda: {b"offline"} <= set(late.of("onsight/porch/status")) and bool(late.of("onsight/porch/state")))
    assert all(retained for topic, _, retained in late.got if topic != "onsight/porch/event")
    late.close()


@needs_mosquitto
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_the_broker_tells_when_the_device_is_gone(broker: Mosquitto, tmp_path: Path, version: str) -> None:
    listening = Subscriber(broker.port)
    script = (
        "import sys, time; from pathlib import Path; from onsight_edge.sinks.mqtt import MqttSink\n"
        "from onsight_edge.sinks.broker import Broker; from onsight_edge.sinks import RunInfo\n"
        f"sink = MqttSink(Broker('127.0.0.1', {broker.port}, 'a', version='{version}'), Path(sys.argv[1]))\n"
        "sink.open(RunInfo('0', True, None, None, 'm', ('x', 'y'))); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "box")])
    try:
        until(lambda: listening.of("a/status") == [b"online"])
    finally:
        process.kill()
        process.wait(20)
    until(lambda: listening.of("a/status") == [b"online", b"offline"])
    listening.close()


class Talker:
    """Feeds a sink an event after the other, from a thread as a run does."""

    def __init__(self, sink: MqttSink, every_s: float) -> None:
        self.sent = 0
        self._sink, self._every_s = sink, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._sink.write(result(self.sent, self.sent % 2))
            self.sent += 1

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(20)


def check_outages(
    broker: Mosquitto, folder: Path, *, away_s: float, every_s: float, signals: tuple[signal.Signals, ...]
) -> None:
    """Stop and kill the broker in mid-run; every event must arrive, none twice by its id."""
    told: list[Notice] = []
    listening = Subscriber(broker.port, "onsight/porch/event")
    sink = sink_for(broker, folder)
    sink.open(run_info(told))
    talker = Talker(sink, every_s)
    for how in signals:
        before = len(listening.got)
        until(lambda before=before: len(listening.got) > before + 10)
        time.sleep(1.5)  # Mosquitto has saved the subscriber's session
        broker.end(how)
        left = talker.sent
        time.sleep(away_s)
        assert talker.sent > left
        broker.start()
        until(lambda left=left: len({event["id"] for event in listening.json_of("onsight/porch/event")}) > left, 60)
    talker.stop()
    until(lambda: sink.report().counts["waiting"] == 0, 60)
    sink.close()
    until(lambda: len({event["id"] for event in listening.json_of("onsight/porch/event")}) == talker.sent)
    events = listening.json_of("onsight/porch/event")
    by_id = {event["id"]: event["frame"] for event in events}
    assert sorted(by_id.values()) == list(range(talker.sent))  # none lost; none doubled once ids are looked at
    assert len(events) - len(by_id) <= 40  # copies: what was on its way when the broker died
    report = sink.report()
    assert report.counts["lost"] == report.counts["refused"] == 0
    assert report.failures == report.restarts >= len(signals) and report.error is None
    kinds = [notice.kind for notice in told]
    assert kinds.count("sink-failed") == kinds.count("sink-back") == report.failures
    listening.close()


@needs_mosquitto
def test_a_broker_that_is_killed_costs_no_event(broker: Mosquitto, tmp_path: Path) -> None:
    check_outages(broker, tmp_path, away_s=0.3, every_s=0.02, signals=(signal.SIGKILL,))


@needs_mosquitto
@pytest.mark.slow
def test_a_broker_that_is_stopped_and_killed_and_away_for_half_a_minute_costs_no_event(
    broker: Mosquitto, tmp_path: Path
) -> None:
    check_outages(broker, tmp_path, away_s=30.0, every_s=0.02, signals=(signal.SIGTERM, signal.SIGKILL))


@needs_mosquitto
@pytest.mark.parametrize("qos", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_other_qualities_of_service_outlive_a_broker_too(broker: Mosquitto, tmp_path: Path, qos: int) -> None:
    listening = Subscriber(broker.port, "a/event")
    sink = MqttSink(Broker("127.0.0.1", broker.port, "a", qos=qos), tmp_path / "outbox", machine="test")
    sink.open(run_info())
    for index in range(30):
        sink.write(result(index, index % 2))
    until(lambda: len(listening.got) == 30)
    time.sleep(1.5)  # Mosquitto has saved the subscriber's session
    broker.end(signal.SIGKILL)
    until(lambda: sink.report().error is not None)
    for index in range(30, 60):
        sink.write(result(index, index % 2))
    broker.start()
    until(lambda: sink.report().counts["waiting"] == 0 and len(listening.got) >= 60)
    sink.close()
    assert {event["frame"] for event in listening.json_of("a/event")} == set(range(60))
    listening.close()


@needs_mosquitto
def test_events_of_a_killed_run_are_sent_by_the_next_one(broker: Mosquitto, tmp_path: Path) -> None:
    broker.end()
    script = (
        "import os, sys, time; sys.path[:0] = [sys.argv[1]]; from pathlib import Path\n"
        "from tests.edge.test_sinks_mqtt import *\n"
        "sink = MqttSink(Broker('127.0.0.1', int(sys.argv[2]), 'onsight/porch'), Path(sys.argv[3]), machine='test')\n"
        "sink.open(run_info())\n"
        "for index in range(5): sink.write(result(index, index % 2))\n"
        "os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script, str(root), str(broker.port), str(tmp_path / "outbox")], check=False
    )
    assert done.returncode == -9
    broker.start()
    listening = Subscriber(broker.port, "onsight/porch/event")
    sink = sink_for(broker, tmp_path)
    sink.open(run_info())
    until(lambda: len(listening.got) == 5)
    sink.close()
    assert [event["frame"] for event in listening.json_of("onsight/porch/event")] == [0, 1, 2, 3, 4]
    listening.close()


def test_a_run_whose_broker_never_answers_ends_soon_and_says_where_the_events_are(tmp_path: Path) -> None:
    told: list[Notice] = []
    sink = MqttSink(Broker("127.0.0.1", free_port(), "a"), tmp_path / "outbox", machine="test")
    sink.open(run_info(told))
    sink.write(result(0, 0))
    until(lambda: bool(told))
    started = time.monotonic()
    sink.close()
    assert time.monotonic() - started < 8
    report = sink.report()
    assert report.counts["waiting"] == 1 and "Connection refused" in str(report.error)
    assert (tmp_path / "outbox").exists()
    assert "events wait on the disk" in told[0].text


@needs_mosquitto
def test_a_wrong_password_is_told_and_the_right_one_works(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "cam", "right"], check=True, capture_output=True)
    broker = Mosquitto(tmp_path / "broker", "allow_anonymous false", f"password_file {passwords}")
    broker.start()
    try:
        for password, expected in (("wrong", "ot authori"), ("right", None)):
            told: list[Notice] = []
            url = f"mqtt://cam@127.0.0.1:{broker.port}/a"
            sink = MqttSink(parse_broker(url, "d", password=password), tmp_path / "outbox", machine="test")
            sink.open(run_info(told))
            sink.write(result(0, 0))
            if expected is None:
                until(lambda sink=sink: sink.report().counts["waiting"] == 0)
            else:
                until(lambda told=told: bool(told))
                assert expected in told[0].text and "wrong" not in told[0].text
            sink.close()
    finally:
        broker.end()


@needs_mosquitto
def test_tls_checks_the_broker_and_shows_a_certificate(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    broker = Mosquitto(
        tmp_path / "broker",
        f"cafile {tmp_path}/ca.pem",
        f"certfile {tmp_path}/localhost.pem",
        f"keyfile {tmp_path}/localhost.key",
        "require_certificate true",
    )
    broker.start()
    url = f"mqtts://localhost:{broker.port}/a"
    good = Tls(tmp_path / "ca.pem", tmp_path / "device.pem", tmp_path / "device.key")
    cases = (
        (good, None),
        (Tls(None, good.certificate, good.key, unchecked=True), None),
        (Tls(None, good.certificate, good.key), "not trusted"),
        (Tls(tmp_path / "ca.pem"), ""),
    )
    try:
        for number, (tls, expected) in enumerate(cases):
            told: list[Notice] = []
            sink = MqttSink(parse_broker(url, "d", tls=tls), tmp_path / f"outbox{number}", machine="test")
            sink.open(run_info(told))
            sink.write(result(0, 0))
            if expected is None:
                until(lambda sink=sink: sink.report().counts["waiting"] == 0)
            else:
                until(lambda told=told: bool(told))
                assert expected in told[0].text
                assert sink.report().counts["delivered"] == 0
            sink.close()
        with pytest.raises(SinkError, match="no certificates can be read"):
            MqttSink(parse_broker(url, "d", tls=Tls(tmp_path / "none.pem")), tmp_path / "box").open(run_info())
    finally:
        broker.end()


def make_certificates(folder: Path) -> None:
    """A CA, a broker's certificate for localhost and a device's, by the system's openssl."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test CA")
    for name in ("localhost", "device"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}\n")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext"),
        )


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://host", "expected mqtt://"),
        ("mqtt://", "expected mqtt://"),
        ("host", "expected mqtt://"),
        ("mqtt://host:0", "expected mqtt://"),
        ("mqtt://host:99999", "expected mqtt://"),
        ("mqtt://[::1", "expected mqtt://"),
        ("mqtt://host/a?b", "expected mqtt://"),
        ("mqtt://me:secret@host", "ONSIGHT_MQTT_PASSWORD"),
        ("mqtt://host/a/+/b", "no topic"),
        ("mqtt://host/a//b", "no topic"),
        ("mqtt://host/$SYS", "no topic"),
    ],
)
def test_what_is_no_broker_is_one_line_without_the_password(url: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_broker(url, "d")
    assert complaint in str(caught.value) and "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_a_broker_has_its_usual_port_and_topic() -> None:
    assert parse_broker("mqtt://host", "my cam/1") == Broker("host", 1883, "onsight/my-cam-1")
    secure = parse_broker("mqtts://me@[::1]:99/a/b%20c/", "d", password="secret")
    assert (secure.host, secure.port, secure.topic, secure.user) == ("::1", 99, "a/b c", "me")
    assert secure.shown == "mqtts://[::1]:99/a/b c" and "secret" not in repr(secure)
    for broken in ({"password": "x"}, {"tls": Tls()}):
        with pytest.raises(UsageError):
            parse_broker("mqtt://host", "d", **broken)  # type: ignore[arg-type]


def test_identities_are_stable_and_differ_by_machine_and_topic() -> None:
    one = Broker("a", 1, "t")
    assert one.identity("m") == Broker("other", 2, "t", qos=0).identity("m")
    assert len({one.identity("m"), one.identity("n"), Broker("a", 1, "u").identity("m")}) == 3
