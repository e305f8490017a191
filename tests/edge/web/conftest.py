"""A run that is served on a loopback port: real server, real sockets, a model of three colours."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("uvicorn", reason="the extra web is not installed")

from onsight_edge.backends.fake import FakeBackend
from onsight_edge.classifier import Classifier
from onsight_edge.control import Control
from onsight_edge.frame import Notice
from onsight_edge.judge import Judge, Settings, make_judge
from onsight_edge.live import run_live
from onsight_edge.sources.source import Health
from onsight_edge.sources.synthetic import SyntheticSource
from onsight_edge.spec import ModelSpec
from onsight_edge.web.address import Address
from onsight_edge.web.sink import WebOptions, WebSink

SPEC = ModelSpec("colours", ("red", "green", "blue"), (32, 32))


@dataclass
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error."""
        return str(self.json["error"]["code"])


@dataclass
class Served:
    """A run with a server."""

    web: WebSink
    control: Control
    source: Any
    port: int
    token: str | None
    saved: list[Settings] = field(default_factory=list)

    def ask(
        self, method: str, path: str, body: bytes | dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own, with the token if there is one and nothing else is said."""
        sent = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
        if self.token is not None and "Authorization" not in sent and "Cookie" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def raw(self, data: bytes = b"") -> socket.socket:
        """A bare connection to which `data` was sent."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        made.sendall(data)
        return made


def answer_green(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.array([[0.2, 0.7, 0.1]], np.float32)


def judged(settings: Settings) -> Judge:
    """Always sure that it is green."""
    return make_judge(Classifier(SPEC, FakeBackend(SPEC, answer_green)), settings, sentinel=False)


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"nothing happened within {seconds} s"
        time.sleep(0.02)
    return found


Serve = Callable[..., AbstractContextManager[Served]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Runs and serves: options as of WebOptions; `judge`, `source`, `savable` beside."""

    @contextmanager
    def run(
        *,
        source: Any = None,
        judge: Judge | None = None,
        savable: bool = False,
        frames: int = 1,
        address: Address | None = None,
        **options: Any,
    ) -> Iterator[Served]:
        source = source or SyntheticSource(30, (320, 240))
        judge = judge or judged(Settings(0.0, smooth=0.0, agree=1))
        control = Control(judge)
        saved: list[Settings] = []
        made = WebOptions(address or Address("127.0.0.1", 0), **options)
        web = WebSink(made, control, health=lambda: source.health, save=saved.append if savable else None)
        stop = threading.Event()
        failed: list[BaseException] = []

        def loop() -> None:
            try:
                run_live(
                    source, judge.classifier, [web], stop=stop, decider=judge.decider, sentinel=None, control=control
                )
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            until(lambda: web.url or failed)
            assert not failed, failed
            port = int(web.url.split("//")[1].split("/")[0].rpartition(":")[2])
            served = Served(web, control, source, port, made.token, saved)
            if frames:
                until(lambda: served.ask("GET", "/api/state").json["classified"] >= frames)
            yield served
        finally:
            stop.set()
            thread.join(30)
        assert not thread.is_alive()

    return run


@pytest.fixture(scope="session", name="judged")
def judged_fixture() -> Callable[[Settings], Judge]:
    return judged


@pytest.fixture(scope="session", name="until")
def until_fixture() -> Callable[..., Any]:
    return until


class Scripted:
    """A source that gives frames as long as it may, and can tell notices."""

    uri, live, fps, size_wh = "/home/someone/secret folder/clip.mp4", True, 30.0, (64, 48)

    def __init__(self, name: str | None = None) -> None:
        self.health = Health()
        self.on_notice: Callable[[Notice], None] = lambda notice: None
        self.name = name
        self.held = threading.Event()
        self._inner = SyntheticSource(30, (64, 48))

    def read(self) -> Any:
        while self.held.is_set():
            time.sleep(0.01)
        frame = self._inner.read()
        return frame and replace(frame, name=self.name)

    def close(self) -> None:
        self.held.clear()
        self._inner.close()


@pytest.fixture
def scripted() -> Callable[..., Scripted]:
    return Scripted


@pytest.fixture(scope="module")
def plain(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests that only ask; with a folder, without a token."""
    folder: Path = tmp_path_factory.mktemp("kept")
    with serve(folder=folder) as served:
        yield served
