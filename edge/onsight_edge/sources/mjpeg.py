"""http:// and https:// cameras that send MJPEG."""

from __future__ import annotations

import base64
import contextlib
import http.client
import select
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPMessage
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from onsight_edge.errors import SourceError
from onsight_edge.frame import Frame
from onsight_edge.sources.jpeg import JpegDecoder
from onsight_edge.sources.multipart import MultipartParser, boundary_of
from onsight_edge.sources.source import Health, without_password

TIMEOUT_S = 2.0
DRAIN_S = 0.1  # a server that sends faster than it is read cannot keep a picture from being decoded
_CHUNK = 1 << 18


class MjpegSource:
    """One HTTP answer that never ends, a JPEG a part. It does not come back by itself: see RecoveringSource.

    Of several pictures that wait only the newest is decoded, so that no picture is older than the way to here. Those
    that it overtakes are numbered, and counted nowhere else: nothing was wrong with them. A torn JPEG is counted in
    `health.skipped`, and an older whole one takes its place.
    """

    live = True
    fps = None

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Connect to `url`; `user:password@` in it is sent as HTTP Basic, to this host and port only.

        Args:
            url: http:// or https://.
            timeout_s: for connecting, for each byte, and for a whole JPEG to come.

        Raises:
            SourceError: nobody answers there, or not with multipart/x-mixed-replace.
            UsageError: `url` is no URL.
        """
        self.uri = without_password(url)
        self.health = Health()
        self._url, self._timeout_s = url, timeout_s
        self._decoder = JpegDecoder(self.health)
        self._arrived = 0
        self._closed = threading.Event()
        self._waiting: list[bytes] = []
        self._connect()

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Width and height of the last picture, unreduced; None before the first."""
        return self._decoder.size_wh

    @property
    def reduction(self) -> Callable[[tuple[int, int]], int]:
        """By what a JPEG may be reduced while it is decoded; see Reducible."""
        return self._decoder.reduction

    @reduction.setter
    def reduction(self, reduction: Callable[[tuple[int, int]], int]) -> None:
        self._decoder.reduction = reduction

    def read(self) -> Frame | None:
        """The newest picture, waiting for one where none is there; None only after `close`.

        Raises:
            SourceError: the stream ended or stayed silent, or what it sends is no picture.
        """
        patience = time.monotonic() + self._timeout_s
        while not self._closed.is_set():
            try:
                self._receive()
            except (OSError, ValueError, AttributeError, http.client.HTTPException) as error:
                # AttributeError: http.client's own, when `close` pulls the connection from under a read
                if self._closed.is_set():
                    break
                if not self._waiting:  # else the next call meets the same error
                    self._hang_up()
                    why = str(error) or type(error).__name__
                    raise SourceError(f"{self.uri}: the stream failed after {self._arrived} pictures: {why}") from error
            waiting, self._waiting = self._waiting, []
            first, self._arrived = self._arrived, self._arrived + len(waiting)
            frame = self._decoder.newest(waiting, first, time.monotonic_ns())
            if frame is not None:
                return frame
            if time.monotonic() > patience:
                raise SourceError(
                    f"{self.uri}: no whole JPEG for {self._timeout_s:g} s, {self.health.skipped} damaged so far: "
                    "look at it in a browser; is it an MJPEG stream?"
                )
        self._answer.close()  # here, because `close` must not while this thread still reads
        return None

    def close(self) -> None:
        """Hang up; a read that waits ends at once."""
        self._closed.set()
        self._hang_up()

    def _receive(self) -> None:
        """Wait for data; with a whole picture among it, take in all that waits behind it as well."""
        began: float | None = None
        while not self._closed.is_set():
            data = self._answer.read1(_CHUNK)
            if not data:
                raise ConnectionError("the server ended the stream")
            self._waiting += self._parser.feed(data)
            if not self._waiting:
                return
            began = began or time.monotonic()
            if time.monotonic() - began > DRAIN_S or not self._more_waits():
                return

    def _more_waits(self) -> bool:
        sock = self._socket()
        if sock is None:
            return False
        pending = getattr(sock, "pending", None)  # of TLS: decrypted already
        if pending is not None and pending():
            return True
        return bool(select.select([sock], [], [], 0)[0])

    def _connect(self) -> None:
        try:
            answer = urllib.request.build_opener(_Redirects).open(_request(self._url), timeout=self._timeout_s)
        except urllib.error.HTTPError as error:
            raise SourceError(f"{self.uri} answers {error.code} {error.reason}") from error
        except urllib.error.URLError as error:
            reason = getattr(error.reason, "strerror", None) or error.reason
            raise SourceError(f"cannot reach {self.uri}: {reason}") from error
        except (OSError, OverflowError, ValueError, http.client.HTTPException) as error:
            raise SourceError(f"cannot reach {self.uri}: {error or type(error).__name__}") from error
        kind = answer.headers.get("Content-Type", "")
        boundary = boundary_of(kind)
        if boundary is None:
            answer.close()
            raise SourceError(
                f"{self.uri} answers {kind or 'without a content type'}; expected an MJPEG stream "
                "(multipart/x-mixed-replace; boundary=...)"
            )
        self._answer: http.client.HTTPResponse = answer
        self._parser = MultipartParser(boundary)

    def _hang_up(self) -> None:
        # shutting the socket down wakes a thread that reads from it; closing the answer alone does not
        sock = self._socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if not self._closed.is_set():
            self._answer.close()

    def _socket(self) -> socket.socket | None:
        stream = getattr(self._answer, "fp", None)
        sock = getattr(getattr(stream, "raw", None), "_sock", None)
        return sock if isinstance(sock, socket.socket) else None


def _request(url: str) -> urllib.request.Request:
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = urllib.request.Request(bare, headers={"User-Agent": "onsight", "Accept": "multipart/x-mixed-replace"})
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        # urllib would carry an ordinary header to whatever host a redirect names
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(login).decode("ascii"))
    return request


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects; the login goes along to the same host and port only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        login = req.get_header("Authorization")
        if following is not None and login is not None and (following.type, following.host) == (req.type, req.host):
            following.add_unredirected_header("Authorization", login)
        return following
