"""Where a run's events go: a subscriber of a real broker, and an HTTP server that fails now and then."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from onsight_edge.errors import BenchmarkError, MissingExtraError

_WAIT_S = 20.0
_BUSY_EACH, _GONE_EACH = 10, 27  # requests of which one is answered 503, or cut off


class Subscriber:
    """Counts by id what arrives at a topic; its session outlives restarts of the broker."""

    def __init__(self, port: int, topic: str) -> None:
        """Subscribe.

        Raises:
            MissingExtraError: paho-mqtt is not installed. BenchmarkError: the broker does not answer.
        """
        try:
            from paho.mqtt import client as paho
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise MissingExtraError("paho-mqtt", "mqtt", "a subscriber") from error

        self.ids: Counter[str] = Counter()
        there = threading.Event()
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="onsight-endurance", clean_session=False)
        client.on_connect = lambda client, *_: self._greet(client, topic)
        client.on_subscribe = lambda *_: there.set()
        client.on_message = self._message
        client.reconnect_delay_set(1, 1)
        client.connect("127.0.0.1", port)
        client.loop_start()
        self._client = client
        if not there.wait(_WAIT_S):
            self.close()
            raise BenchmarkError("the subscriber got no answer from mosquitto")

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    @staticmethod
    def _greet(client: Any, topic: str) -> None:
        client.subscribe(topic, qos=1)

    def _message(self, _client: object, _data: object, message: Any) -> None:
        self.ids[json.loads(message.payload)["id"]] += 1


class Receiver:
    """Takes webhooks; of ten one is answered 503, and of 27 one is cut off before it is answered."""

    def __init__(self) -> None:
        """Listen on a free port of loopback."""
        self.ids: Counter[str] = Counter()
        self.requests = self.failed = 0
        self.sound = False
        """Set it, and nothing fails any more."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver._take(body)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/events"
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, body: bytes) -> int | None:
        self.requests += 1
        if not self.sound and self.requests % _BUSY_EACH == 0:
            self.failed += 1
            return 503
        if not self.sound and self.requests % _GONE_EACH == 0:
            self.failed += 1
            return None
        self.ids[json.loads(body)["id"]] += 1
        return 204
