"""The web server as a sink: it opens with the run, is handed every result, and closes with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from onsight_edge.collect import BUDGET_BYTES, Collector
from onsight_edge.control import Control
from onsight_edge.errors import MissingExtraError, SinkError
from onsight_edge.frame import MODEL_CHANGED, Notice, Result
from onsight_edge.judge import Settings
from onsight_edge.sinks import RunInfo
from onsight_edge.sinks.metrics import LiveMetrics
from onsight_edge.sources.source import Health
from onsight_edge.web.address import Address
from onsight_edge.web.app import Api, make_app
from onsight_edge.web.changes import Changes
from onsight_edge.web.classify import ImageClassifier
from onsight_edge.web.guard import Guard
from onsight_edge.web.hub import Hub
from onsight_edge.web.pictures import Pictures
from onsight_edge.web.recording import Recorder
from onsight_edge.web.server import ServerThread, listen
from onsight_edge.web.tokens import Keeper
from onsight_edge.web.watching import Watching


@dataclass(frozen=True, slots=True)
class WebOptions:
    """How the server is reached and what it may write.

    Attributes:
        address: where it listens.
        token: what lets clients in; None on a loopback address where none is wanted.
        names: further host names under which it may be asked.
        certificate: PEM files of the certificate and its key, for TLS.
        folder: gets `collected/CLASS/` and `recordings/`; None: neither is possible.
        budget_bytes: of each of the two.
    """

    address: Address
    token: str | None = None
    names: tuple[str, ...] = ()
    certificate: tuple[Path, Path] | None = None
    folder: Path | None = None
    budget_bytes: int = BUDGET_BYTES


class WebSink:
    """Serves the dashboard and the API of one run.

    Attributes:
        url: what to open in a browser, with the token if there is one; known once open.
    """

    name = "web"
    wants_image = True
    takes_undecoded = True  # pictures are decoded only where somebody wants to see one
    backlog = 64

    def __init__(
        self,
        options: WebOptions,
        control: Control,
        *,
        health: Callable[[], Health] | None = None,
        save: Callable[[Settings], None] | None = None,
    ) -> None:
        """Serve what `control` rules.

        Args:
            options: where, and who may come in.
            control: takes the changes that clients ask for.
            health: what the source counted.
            save: keeps settings for the next start; None where there is no place for them.
        """
        self.url = ""
        self._options, self._control = options, control
        self._health, self._save = health, save
        self._metrics: LiveMetrics | None = None
        self._hub = Hub("", "")
        self._recorder: Recorder | None = None
        self._images: ImageClassifier | None = None
        self._server: ServerThread | None = None
        # pictures that are watched, pictures that were sent, and all else: none waits for the other
        self._drawing = ThreadPoolExecutor(1, "web picture")
        self._classifying = ThreadPoolExecutor(1, "web image")
        self._working = ThreadPoolExecutor(2, "web work")

    @property
    def open_to_listeners(self) -> bool:
        """Whether what is sent can be read on its way: in a network and without TLS."""
        return not self._options.address.loopback and self._options.certificate is None

    def open(self, info: RunInfo) -> None:
        """Listen and serve.

        Raises:
            SinkError: the address cannot be used, or the certificate.
        """
        options, folder = self._options, self._options.folder
        hub = self._hub = Hub(info.source, info.run)
        if folder is not None:
            self._recorder = Recorder(folder / "recordings", info, options.budget_bytes)
        pictures = Pictures(hub, self._drawing)
        changes = Changes(
            hub,
            self._control,
            pictures,
            self._working,
            collector=None if folder is None else Collector(folder / "collected", options.budget_bytes),
            recorder=self._recorder,
            save=self._save,
        )
        watching = Watching(hub, self._control, changes, self._working, info, health=self._health)
        self._images = ImageClassifier(self._control, self._classifying)
        with contextlib.suppress(MissingExtraError):  # then there is no such page
            self._metrics = LiveMetrics(info.model, info.sinks)
        listening = listen(options.address)
        try:
            port: int = listening.getsockname()[1]
            guard = Guard(
                make_app(Api(watching, changes, pictures, self._images, self._working, self._metrics)),
                loopback=options.address.loopback,
                names=options.address.names.union(options.names),
                keeper=None if options.token is None else Keeper(options.token, port),
                tls=options.certificate is not None,
            )
            certificate = options.certificate and (str(options.certificate[0]), str(options.certificate[1]))
            self._server = ServerThread(guard, listening, certificate)
            self._server.start(hub.serve)
        except BaseException:
            listening.close()
            raise
        scheme = "http" if options.certificate is None else "https"
        entrance = "" if options.token is None else f"?token={options.token}"
        self.url = options.address.url(scheme, port) + entrance

    def write(self, result: Result) -> None:
        """Take a result.

        Raises:
            SinkError: the server has stopped.
        """
        self._hub.note(result)
        if self._metrics is not None:
            self._metrics.note(result)
        if self._recorder is not None:
            self._recorder.offer(result)
        if self._server is None or not self._server.alive:
            raise SinkError("the web server has stopped")

    def notice(self, notice: Notice) -> None:
        """Take a notice."""
        self._hub.notice(notice)
        if self._metrics is not None:
            if notice.kind == MODEL_CHANGED:
                self._metrics.use_model(self._control.judge.classifier.spec.name)
            self._metrics.notice(notice)

    def close(self) -> None:
        """End all answers and the recording, and free the port."""
        self._hub.close()
        if self._server is not None:
            self._server.stop()
        if self._recorder is not None:
            self._recorder.stop()
        for executor in (self._drawing, self._classifying, self._working):
            executor.shutdown(wait=False, cancel_futures=True)
        if self._images is not None:
            self._images.close()
