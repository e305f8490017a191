"""The output flags of `onsight run`: what they take, what they refuse, and that each reaches its output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import click
import pytest
from tests.edge.broker_process import Mosquitto, Subscriber, free_port, needs_mosquitto, until

from onsight.output_network import NetworkOutputs
from onsight.units import Address, Duration, Size


def onsight(
    *arguments: str, cwd: Path, check: int | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    script = "import sys; from onsight.main import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", script, "run", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, "ONSIGHT_STATE": str(cwd / "state"), **environment},
    )
    assert check is None or done.returncode == check, done.stderr
    return done


def converted(kind: Any, text: str) -> Any:
    return kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "size"), [("10", 10), ("10k", 10_000), ("1.5 MB", 1_500_000), ("2GiB", 2**31), ("4KiB", 4096)]
)
def test_sizes(text: str, size: int) -> None:
    assert converted(Size(), text) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("10", 10), ("0.5s", 0.5), ("2m", 120), ("2 min", 120), ("1h", 3600), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert converted(Duration(), text) == seconds


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9100", ("127.0.0.1", 9100)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:9", ("::1", 9)),
        ("pi.lan:1", ("pi.lan", 1)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert converted(Address(), text) == address


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((Size(), text) for text in ("", "0", "-1", "1TBB", "many", "nan", "1e9")),
        *((Duration(), text) for text in ("", "0", "-1", "1y", "inf")),
        *((Address(), text) for text in ("", "host", "host:", ":1:2", "1.2.3.4:99999", "http://a:1", "a b:1")),
    ],
)
def test_what_is_none_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected"):
        converted(kind, text)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--rotate-keep", "3"), "without --rotate-size or --rotate-every"),
        (("--rotate-size", "1MB", "--jsonl", "-"), "without a file"),
        (("--fsync", "always"), "without a file"),
        (("--segment", "10"), "without --mp4"),
        (("--mp4", "a.mp4", "--segment", "10"), "a-{time}.mp4"),
        (("--mp4", "{time}/a.mp4"), "in the file's name"),
        (("--mp4", "{time}.avi"), "must end in .mp4"),
        (("--mp4", "a.avi"), "must end in .mp4"),
        (("--jsonl", "a", "--web", "--web-token-file", "a"), "name the same file"),
        (("--snapshot-below", "0.5"), "without --snapshots"),
        (("--mtqq", "x"), "No such option"),
        (("--mqtt-qos", "0"), "does nothing without --mqtt"),
        (("--webhook-ca", "a.pem"), "does nothing without --webhook"),
        (("--outbox", "a"), "without --mqtt or --webhook"),
        (("--mqtt", "mqtt://host", "--mqtt-key", "k.pem"), "without --mqtt-cert"),
        (("--mqtt", "mqtt://host", "--mqtt-password-file", "none"), "cannot be read"),
        (("--mqtt", "mqtt://me:pw@host"), "does not belong on the command line"),
        (("--mqtt", "mqtt://host", "--mqtt-ca", "ca.pem"), "certificates are for mqtts://"),
        (("--webhook", "ftp://host/"), "expected http"),
        (("--csv", "a", "--jsonl", "a"), "name the same file"),
        (("--csv", "-", "--json"), "both write to standard output"),
        (("--snapshots", "clip"), "is read here"),
    ],
)
def test_flags_that_make_no_sense_are_a_wrong_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], complaint: str
) -> None:
    from click.testing import CliRunner

    from onsight.commands.run import command
    from onsight_edge.errors import UsageError

    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip").mkdir()
    done = CliRunner().invoke(command, ["--source", "clip", *flags])
    told = f"{done.output}{done.exception}"
    assert complaint in told and isinstance(done.exception, UsageError | SystemExit)


def test_no_flag_of_the_network_is_forgotten_by_its_check() -> None:
    for field in NetworkOutputs.__dataclass_fields__:
        if field.startswith(("mqtt_", "webhook_")):
            from onsight_edge.errors import UsageError

            with pytest.raises(UsageError, match="does nothing without"):
                NetworkOutputs(**{field: True}).check()


def test_all_files_at_once(tmp_path: Path) -> None:
    done = onsight(
        *("--source", "synthetic://?fps=0&scene=colours&size=160x120", "--frames", "90", "--json"),
        *("--jsonl", "r.jsonl", "--csv", "r.csv", "--events", "e.jsonl", "--rotate-size", "5kB", "--rotate-gzip"),
        *("--fsync", "1s", "--mp4", "v-{time}.mp4", "--segment", "1", "--snapshots", "s", "--snapshot-below", "1"),
        cwd=tmp_path,
        check=0,
    )
    summary = json.loads(done.stdout)
    assert {sink["name"]: sink["failures"] for sink in summary["sinks"]} == dict.fromkeys(
        ("jsonl", "csv", "events", "mp4", "snapshots", "status"), 0
    )
    assert list(tmp_path.glob("r.*.jsonl.gz")) and list(tmp_path.glob("r.*.csv.gz"))
    assert len(list(tmp_path.glob("v-*.mp4"))) >= 3
    assert (tmp_path / "s" / "index.jsonl").read_text().count("\n") >= 1


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@needs_mosquitto
def test_one_event_is_the_same_in_the_file_over_mqtt_and_at_the_webhook(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    hook.got = []  # type: ignore[attr-defined]
    Thread(target=hook.serve_forever, daemon=True).start()
    request.addfinalizer(broker.end)
    listening = Subscriber(broker.port, "cams/#")
    port = free_port()
    script = "import sys; from onsight.main import main; main(sys.argv[1:])"
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", script, "run", "--source", "synthetic://?scene=colours&size=160x120", "--json"),
            *("--threshold", "0", "--agree", "1", "--smooth", "0"),
            *("--events", "e.jsonl", "--mqtt", f"mqtt://127.0.0.1:{broker.port}/cams/porch", "--prometheus", str(port)),
            *("--webhook", f"http://127.0.0.1:{hook.server_port}/", "--outbox", "box", "--device-name", "porch"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    try:
        until(lambda: len(listening.of("cams/porch/event")) >= 2, 60)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            assert b"onsight_frames_total" in page.read()
        process.send_signal(signal.SIGTERM)
        summary = json.loads(process.communicate(timeout=60)[0])
    finally:
        process.kill()
        process.wait(20)
        hook.shutdown()
        hook.server_close()
    events = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    until(lambda: len(listening.of("cams/porch/event")) == len(events))
    ids = [event["id"] for event in events]
    assert [event["id"] for event in listening.json_of("cams/porch/event")] == ids
    assert [event["id"] for event in hook.got] == ids  # type: ignore[attr-defined]
    assert {event["device"] for event in hook.got} == {"porch"}  # type: ignore[attr-defined]
    assert listening.of("cams/porch/status")[-1] == b"offline"
    counts = {sink["name"]: sink["counts"] for sink in summary["sinks"]}
    assert counts["mqtt"]["delivered"] == counts["webhook"]["delivered"] == len(events)
    assert process.returncode == 0 and list((tmp_path / "box").iterdir()) == []
    listening.close()


def test_a_broker_that_is_away_is_told_and_the_events_wait(tmp_path: Path) -> None:
    done = onsight(
        *("--source", "synthetic://?scene=colours&size=160x120", "--seconds", "1.5"),
        *("--mqtt", f"mqtt://127.0.0.1:{free_port()}"),
        cwd=tmp_path,
        check=1,
    )
    assert "mqtt: no connection to mqtt://127.0.0.1" in done.stderr and "events wait in" in done.stderr
    (box,) = (tmp_path / "state" / "outbox").glob("*.sqlite")
    assert box.stat().st_size > 0


def test_outputs_that_are_not_asked_for_import_nothing() -> None:
    code = (
        "import sys; from onsight.commands.run import command\n"
        "from onsight.sinking import Outputs, make_sinks\n"
        "make_sinks(Outputs())\n"
        "heavy = {'paho', 'prometheus_client', 'sqlite3', 'ssl', 'urllib.request', 'http', 'gzip', 'csv', 'cv2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
