"""How the webhook speaks HTTP: by the standard library, with a limit on a whole answer and without redirects."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.request
from typing import Any


def opener(context: ssl.SSLContext) -> urllib.request.OpenerDirector:
    """Opens requests; `context` says whose certificates are believed.

    The time-out of a request is also that of the head of its answer as a whole. Redirects are answers like others: a
    POST would become a GET, and signature and token would go to who knows whom.
    """
    return urllib.request.build_opener(_Http(), _Https(context), _NoRedirects())


class _Answer(http.client.HTTPResponse):
    """Comes within its connection's time-out, which the library counts anew with every byte."""

    def __init__(self, sock: socket.socket, *given: Any, **more: Any) -> None:
        super().__init__(sock, *given, **more)
        self._connection, self._seconds = sock, sock.gettimeout()

    def begin(self) -> None:
        late = threading.Event()

        def end() -> None:
            late.set()
            with contextlib.suppress(OSError):  # closed in the meantime
                self._connection.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self._seconds or 0.0, end)
        timer.daemon = True
        timer.start()
        try:
            super().begin()
        except (OSError, ValueError, http.client.HTTPException) as error:
            if late.is_set() or isinstance(error, TimeoutError):
                raise TimeoutError(f"no whole answer within {self._seconds:g} s") from error
            raise
        finally:
            timer.cancel()


class _Connection(http.client.HTTPConnection):
    response_class = _Answer


class _TlsConnection(http.client.HTTPSConnection):
    response_class = _Answer


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._trust = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TlsConnection, req, context=self._trust)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
