"""uvicorn on a thread of its own, on a socket that was opened before, so that the run starts or says why not."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn

from onsight_edge.errors import SinkError
from onsight_edge.web.address import Address
from onsight_edge.web.guard import MOST_HEAD
from onsight_edge.web.protocol import SEND_BUFFER, GuardedProtocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_START_S = 10.0
_END_S = 5.0
_IDLE_S = 15


def listen(address: Address) -> socket.socket:
    """Open the server's socket.

    Raises:
        SinkError: the name is not known here, the port is taken, or it takes rights that this user has not.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # connections inherit it
            opened.bind(place)
        except BaseException:
            opened.close()
            raise
    except OSError as error:
        raise SinkError(
            f"cannot listen on {address.host}:{address.port}: {error.strerror}; name another place with --web HOST:PORT"
        ) from error
    return opened


class ServerThread:
    """Serves an application until it is told to stop."""

    def __init__(self, app: ASGIApp, listening: socket.socket, certificate: tuple[str, str] | None) -> None:
        """Get ready to serve `app` on `listening`.

        Args:
            app: called in the server's thread.
            listening: bound; closed at the end.
            certificate: PEM files of the certificate and its key.

        Raises:
            SinkError: the certificate cannot be used.
        """
        # its lines are not for the user: requests are not logged, and what goes wrong is told by the guard
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "python_multipart"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=GuardedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=MOST_HEAD,
            ssl_certfile=certificate[0] if certificate else None,
            ssl_keyfile=certificate[1] if certificate else None,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise SinkError(f"cannot use the certificate {certificate and certificate[0]}: {error}") from error
        self._server = uvicorn.Server(config)
        self._socket = listening
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._ready = threading.Event()
        self._on_loop: Callable[[asyncio.AbstractEventLoop], None] = lambda loop: None

    def start(self, on_loop: Callable[[asyncio.AbstractEventLoop], None]) -> None:
        """Serve; returns once requests are taken.

        Args:
            on_loop: called first, in the server's thread.

        Raises:
            SinkError: it did not start.
        """
        self._on_loop = on_loop
        self._socket.listen(128)
        self._thread.start()
        self._ready.wait(_START_S)
        if not self.alive:
            raise SinkError("the web server did not start")

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Take no more requests, end what runs, and return when that is done or after some seconds."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_END_S)
        self._socket.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._on_loop(loop)
        loop.call_soon(self._ready.set)
        await self._server.serve(sockets=[self._socket])
