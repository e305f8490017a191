"""`--webhook` against real HTTP servers that take, refuse, fail, hang, redirect and are away."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from tests.edge.broker_process import free_port, until

from onsight_edge.errors import SinkError, UsageError
from onsight_edge.frame import Frame, Notice, Prediction, Result, Timings
from onsight_edge.sinks import RunInfo, webhook
from onsight_edge.sinks.webhook import Receiver, WebhookSink

CLASSES = ("cat", "dog")


def run_info(told: list[Notice] | None = None) -> RunInfo:
    return RunInfo("0", True, 20.0, (320, 240), "m", CLASSES, tell=([] if told is None else told).append)


def result(index: int) -> Result:
    scores = np.array([0.8, 0.2] if index % 2 == 0 else [0.2, 0.8], np.float32)
    frame = Frame(np.zeros((4, 4, 3), np.uint8), index, time.monotonic_ns())
    return Result(frame, Prediction(index % 2, 0.8, scores, CLASSES), Timings(1, 2, 3), time.monotonic_ns(), 0, 20.0)


class Server(ThreadingHTTPServer):
    """Keeps what is posted to it, and answers as it is told to."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[int], tuple[int, dict[str, str]]] = lambda number: (204, {})
        self.hang = threading.Event()
        self.hang.set()
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    @property
    def frames(self) -> list[int]:
        return [json.loads(body)["frame"] for _, body in self.got]

    def end(self) -> None:
        self.hang.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
        status, headers = self.server.answer(len(self.server.got))
        self.server.hang.wait(20)
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            pass  # nobody waits for it any more

    def do_GET(self) -> None:
        self.server.got.append(({}, b"a redirect was followed"))
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.end()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_PAUSES_S", (0.02,))


def test_events_arrive_signed_in_order_and_once(server: Server, tmp_path: Path) -> None:
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
    sink = WebhookSink(Receiver(server.url, token="t0ken", secret=secret, device="porch"), tmp_path / "box")
    sink.open(run_info())
    for index in (0, 0, 1, 2):
        sink.write(result(index))
    until(lambda: len(server.got) == 3)
    sink.close()
    assert server.frames == [0, 1, 2]
    headers, body = server.got[0]
    event = json.loads(body)
    assert (event["device"], event["event"], event["id"]) == ("porch", "cat", headers["webhook-id"])
    assert headers["authorization"] == "Bearer t0ken" and headers["content-type"] == "application/json"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"0123456789abcdef01234567", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    report = sink.report()
    assert (report.error, report.counts["delivered"], report.counts["waiting"]) == (None, 3, 0)


def test_failures_are_tried_again_until_the_event_is_taken(server: Server, tmp_path: Path) -> None:
    told: list[Notice] = []
    server.answer = lambda number: (503, {}) if number < 4 else (200, {})
    sink = WebhookSink(Receiver(server.url), tmp_path / "box")
    sink.open(run_info(told))
    sink.write(result(0))
    sink.write(result(1))
    until(lambda: sink.report().counts["delivered"] == 2)
    sink.close()
    assert server.frames == [0, 0, 0, 0, 1]
    assert len({headers["webhook-id"] for headers, _ in server.got}) == 2  # by which a receiver knows copies
    assert [(notice.kind, notice.over) for notice in told] == [("sink-failed", False), ("sink-back", True)]
    assert "HTTP 503" in told[0].text


def test_an_event_that_is_refused_for_itself_is_counted_and_the_next_one_goes_on(
    server: Server, tmp_path: Path
) -> None:
    told: list[Notice] = []
    server.answer = lambda number: (422, {}) if number == 1 else (200, {})
    sink = WebhookSink(Receiver(server.url), tmp_path / "box")
    sink.open(run_info(told))
    sink.write(result(0))
    sink.write(result(1))
    until(lambda: sink.report().counts == {"delivered": 1, "waiting": 0, "lost": 0, "refused": 1})
    sink.close()
    assert server.frames == [0, 1] and "HTTP 422" in told[0].text


def test_a_server_that_is_away_gets_its_events_later_even_from_another_run(tmp_path: Path) -> None:
    port, told = free_port(), list[Notice]()
    receiver = Receiver(f"http://127.0.0.1:{port}/hook?key=secret")
    sink = WebhookSink(receiver, tmp_path / "box")
    sink.open(run_info(told))
    for index in range(3):
        sink.write(result(index))
    until(lambda: bool(told))
    sink.close()
    assert "Connection refused" in told[0].text and "secret" not in told[0].text
    assert "3 events wait in" in str(sink.report().error)
    server = Server(port)
    try:
        after = WebhookSink(receiver, tmp_path / "box")
        after.open(run_info())
        until(lambda: server.frames == [0, 1, 2])
        after.close()
    finally:
        server.end()
    assert not (tmp_path / "box").exists()


def test_a_server_that_hangs_holds_up_nothing(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.3)
    server.hang.clear()
    sink = WebhookSink(Receiver(server.url), tmp_path / "box")
    sink.open(run_info())
    sink.write(result(0))
    until(lambda: sink.report().error is not None)
    assert "no whole answer" in str(sink.report().error)
    started = time.monotonic()
    for index in range(1, 50):
        sink.write(result(index))
    sink.close()
    assert time.monotonic() - started < 15 and sink.report().counts["waiting"] == 50


@pytest.mark.parametrize("head", [b"H" * 1000, b"HTTP/1.1 204 No Content\r\n" + b"X-A: 1\r\n" * 1000])
def test_an_answer_that_drips_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.5)
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            for at in range(len(head)):
                connection.sendall(head[at : at + 1])
                if over.wait(0.05):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=drip, args=(listening,), daemon=True).start()
        sink = WebhookSink(Receiver(f"http://127.0.0.1:{listening.getsockname()[1]}/"), tmp_path / "box")
        sink.open(run_info())
        sink.write(result(0))
        until(lambda: sink.report().error is not None)
        assert "no whole answer within 0.5 s" in str(sink.report().error)
        over.set()
        sink.close()


def test_a_redirect_is_not_followed(server: Server, tmp_path: Path) -> None:
    server.answer = lambda number: (302, {"Location": "/elsewhere"})
    sink = WebhookSink(Receiver(server.url, token="t0ken"), tmp_path / "box")
    sink.open(run_info())
    sink.write(result(0))
    until(lambda: sink.report().error is not None)
    sink.close()
    assert "redirects" in str(sink.report().error)
    assert all(body != b"a redirect was followed" for _, body in server.got)


def test_a_full_queue_drops_the_oldest_and_counts_it(tmp_path: Path) -> None:
    told: list[Notice] = []
    sink = WebhookSink(Receiver(f"http://127.0.0.1:{free_port()}/"), tmp_path / "box", most=5)
    sink.open(run_info(told))
    for index in range(8):
        sink.write(result(index))
    assert sink.report().counts == {"delivered": 0, "waiting": 5, "lost": 3, "refused": 0}
    assert ["oldest are dropped" in notice.text for notice in told if notice.kind == "outbox"] == [True]
    sink.close()


def test_a_queue_that_cannot_be_read_is_told_and_events_go_on(server: Server, tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(b"no database at all " * 300)
    told: list[Notice] = []
    sink = WebhookSink(Receiver(server.url), tmp_path / "box")
    sink.open(run_info(told))
    sink.write(result(0))
    until(lambda: server.frames == [0])
    sink.close()
    assert "put aside as box.damaged" in told[0].text and (tmp_path / "box.damaged").exists()


def test_a_retry_after_is_obeyed(server: Server, tmp_path: Path) -> None:
    server.answer = lambda number: (429, {"Retry-After": "1"}) if number == 1 else (200, {})
    sink = WebhookSink(Receiver(server.url), tmp_path / "box")
    sink.open(run_info())
    started = time.monotonic()
    sink.write(result(0))
    until(lambda: sink.report().counts["delivered"] == 1)
    assert time.monotonic() - started >= 1
    sink.close()


@pytest.mark.parametrize("url", ["ftp://a/b", "http://", "a.b/c", "http://a:0/", "http://a b/", "http://ä/"])
def test_what_is_no_receiver_is_one_line(url: str) -> None:
    with pytest.raises(UsageError, match="expected http://HOST"):
        Receiver(url)


def test_secrets_are_not_taken_from_the_command_line_nor_shown(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ONSIGHT_WEBHOOK_TOKEN") as caught:
        Receiver("https://me:geheim@host/")
    assert "geheim" not in str(caught.value)
    assert "geheim" not in repr(Receiver("https://host/", token="geheim", secret="geheim"))
    with pytest.raises(SinkError, match="whsec_"):
        WebhookSink(Receiver("https://host/", secret="whsec_!"), tmp_path / "box").open(run_info())
    with pytest.raises(SinkError, match="no certificates"):
        WebhookSink(Receiver("https://host/", ca=tmp_path / "none"), tmp_path / "box").open(run_info())
