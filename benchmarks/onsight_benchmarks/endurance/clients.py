"""Whoever looks at a run meanwhile: a watcher of the stream, a listener to events, programs that ask, Prometheus."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

_TIMEOUT_S = 10.0
_READ = 1 << 16
_ASKED = ("/api/state", "/api/info", "/api/history", "/healthz", "/snapshot.jpg", "/metrics", "/api/settings", "/")


class Clients:
    """Threads that use a run's web server and its Prometheus page; they leave while they are told to be quiet.

    Attributes:
        counts: what they got.
        failed: what went wrong, in words, and how often.
    """

    def __init__(self, web_port: int, prometheus_port: int, *, stay_s: float) -> None:
        """Begin.

        Args:
            web_port, prometheus_port: of loopback.
            stay_s: how long a watcher or listener stays before it comes anew.
        """
        self.counts: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._web, self._prometheus, self._stay_s = web_port, prometheus_port, stay_s
        self._ended, self._quiet = threading.Event(), threading.Event()
        self._busy = 0
        self._lock = threading.Lock()
        self._picture = cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1].tobytes()
        work: list[tuple[Callable[[], None], float]] = [
            (lambda: self._stay("/stream.mjpg?fps=10", b"X-Frame:", "pictures"), 0.2),
            (lambda: self._stay("/api/events", b"event: result", "results"), 0.2),
            (self._ask_all, 1.0),
            (self._scrape, 3.0),
        ]
        self._threads = [threading.Thread(target=self._repeat, args=one, daemon=True) for one in work]
        for thread in self._threads:
            thread.start()

    def pause(self, limit_s: float = _TIMEOUT_S) -> None:
        """All leave; returns when they have."""
        self._quiet.set()
        until = time.monotonic() + limit_s
        while self._busy and time.monotonic() < until:
            time.sleep(0.02)

    def go_on(self) -> None:
        """All come back."""
        self._quiet.clear()

    def close(self) -> None:
        """All leave for good."""
        self._ended.set()
        self._quiet.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_S)

    def post(self, path: str, body: dict[str, Any], *, expected: tuple[int, ...] = ()) -> int:
        """POST JSON; the status of the answer, 0 without one. From 400 on what is not expected counts as failed."""
        status = 0
        with self._told(path):
            status, _ = self._request("POST", path, json.dumps(body).encode(), "application/json")
            if status >= 400 and status not in expected:
                self.failed[f"POST {path}: {status}"] += 1
        return status

    def _repeat(self, work: Callable[[], None], pause_s: float) -> None:
        while not self._ended.wait(pause_s):
            if self._quiet.is_set():
                continue
            with self._lock:
                self._busy += 1
            try:
                work()
            finally:
                with self._lock:
                    self._busy -= 1

    def _stay(self, path: str, mark: bytes, what: str) -> None:
        with self._told(path), contextlib.closing(self._connection(self._web)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.status != 200:
                self.failed[f"GET {path}: {answer.status}"] += 1
                return
            until, rest = time.monotonic() + self._stay_s, b""
            while time.monotonic() < until and not self._quiet.is_set():
                piece = answer.read1(_READ)
                if not piece:
                    self.failed[f"GET {path}: ended"] += 1
                    return
                seen = rest + piece
                self.counts[what] += seen.count(mark)
                rest = seen[-(len(mark) - 1) :]

    def _ask_all(self) -> None:
        for path in _ASKED:
            with self._told(path):
                status, _ = self._request("GET", path)
                self.counts["answers"] += 1
                if status != 200:
                    self.failed[f"GET {path}: {status}"] += 1
        with self._told("/api/image"):
            status, _ = self._request("POST", "/api/image", self._picture, "image/jpeg")
            self.counts["answers"] += 1
            if status not in (200, 503):  # 503: all places are taken
                self.failed[f"POST /api/image: {status}"] += 1

    def _scrape(self) -> None:
        with self._told("prometheus"), contextlib.closing(self._connection(self._prometheus)) as connection:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            page = answer.read()
            self.counts["scrapes"] += 1
            if answer.status != 200 or b"onsight_frames_total" not in page:
                self.failed[f"prometheus: {answer.status}"] += 1

    def _request(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
        with contextlib.closing(self._connection(self._web)) as connection:
            connection.request(method, path, body, {"Content-Type": kind} if kind else {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    @staticmethod
    def _connection(port: int) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            if not self._ended.is_set():
                self.failed[f"{what}: {type(error).__name__}"] += 1
