"""A real Mosquitto on loopback and a real subscriber, for the tests of `--mqtt`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt install mosquitto")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.01)


class Mosquitto:
    """A broker that keeps its sessions and messages on the disk, as one does that people rely on."""

    def __init__(self, folder: Path, *extra: str) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "mosquitto.conf"
        lines = [
            *(() if any(line.startswith("allow_anonymous") for line in extra) else ("allow_anonymous true",)),
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 1",
            "log_dest none",
            *(("user root",) if os.getuid() == 0 else ()),
            *extra,
        ]
        self._config.write_text("\n".join(lines) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        until(self._listens)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


class Subscriber:
    """Remembers all that it gets; its session outlives it and the broker."""

    def __init__(self, port: int, topics: str = "#", configure: Callable[[Any], None] | None = None) -> None:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.got: list[tuple[str, bytes, bool]] = []
        self._there = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id="test-subscriber", clean_session=False)
        if configure is not None:
            configure(self.client)
        self.client.on_connect = lambda client, *_: client.subscribe(topics, qos=1)
        self.client.on_subscribe = lambda *_: self._there.set()
        self.client.on_message = lambda c, d, message: self.got.append(
            (message.topic, bytes(message.payload), message.retain)
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._there.wait(20)

    def of(self, topic: str) -> list[bytes]:
        return [body for name, body, _ in list(self.got) if name == topic]

    def json_of(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.of(topic)]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
