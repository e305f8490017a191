"""`--prometheus`: a page of figures that a Prometheus server reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onsight_edge.errors import SinkError
from onsight_edge.frame import MODEL_CHANGED, Notice, Result
from onsight_edge.sinks.sink import RunInfo

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

    from onsight_edge.sinks.metrics import LiveMetrics


class PrometheusSink:
    """Serves `LiveMetrics` at http://HOST:PORT/metrics, by prometheus-client's own server."""

    name = "prometheus"
    wants_image = False
    backlog = 1024
    relaxed = True

    def __init__(self, host: str, port: int) -> None:
        """Listen at `host`, an address of this machine, and `port`; 0 takes a free one, see `port`."""
        self.host, self.port = host, port
        self._info: RunInfo | None = None
        self._metrics: LiveMetrics | None = None
        self._server: WSGIServer | None = None

    def open(self, info: RunInfo) -> None:
        """Begin to listen.

        Raises:
            MissingExtraError: prometheus-client is not installed.
            SinkError: the address is not this machine's, or the port is taken.
        """
        from onsight_edge.sinks.metrics import LiveMetrics

        self._info = info
        self._metrics = LiveMetrics(info.model, info.sinks)
        from prometheus_client import start_http_server

        try:
            self._server, _ = start_http_server(self.port, self.host, registry=self._metrics.registry)
        except OSError as error:
            raise SinkError(
                f"--prometheus {self.host}:{self.port}: cannot listen there: {error.strerror or error}"
            ) from error
        self.port = self._server.server_port

    def write(self, result: Result) -> None:
        """Count a result."""
        assert self._metrics is not None  # open
        self._metrics.note(result)

    def notice(self, notice: Notice) -> None:
        """Count a notice."""
        assert self._metrics is not None and self._info is not None  # open
        if notice.kind == MODEL_CHANGED:
            self._metrics.use_model(self._info.current_model)
        self._metrics.notice(notice)

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
