"""http:// and https:// cameras that send MJPEG."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from http.client import HTTPMessage
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from onsight_edge.errors import DataError, SourceError
from onsight_edge.frame import Frame
from onsight_edge.images import decode_image
from onsight_edge.quiet import quiet_stderr
from onsight_edge.sources.multipart import MultipartParser, boundary_of
from onsight_edge.sources.source import Health, without_password

TIMEOUT_S = 5.0
BACK_OFF_S = (0.25, 0.5, 1.0, 2.0)
NO_PICTURE_S = 10.0
_CHUNK = 65536


class MjpegSource:
    """One HTTP answer that never ends, a JPEG a part.

    A torn JPEG is counted in `skipped` and left out; when nothing else comes for `no_picture_s`, `read` gives up. When
    the stream ends or stays silent for `timeout_s`, it is connected to again, after each of `back_off_s`; a picture
    that comes through starts that count anew.
    """

    live = True
    fps = None

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        back_off_s: tuple[float, ...] = BACK_OFF_S,
        no_picture_s: float = NO_PICTURE_S,
    ) -> None:
        """Connect to `url`; `user:password@` in it is sent as HTTP Basic, to this host and port only.

        Raises:
            SourceError: nobody answers there, or not with multipart/x-mixed-replace.
            UsageError: `url` is no URL.
        """
        self.uri = without_password(url)
        self.size_wh: tuple[int, int] | None = None
        self.health = Health()
        self.reconnects = 0
        self._url, self._timeout_s, self._back_off_s = url, timeout_s, back_off_s
        self._no_picture_s = no_picture_s
        self._index = 0
        self._attempt = 0
        self._closed = threading.Event()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._connect()

    def read(self) -> Frame | None:
        """The next picture; None only after `close`: a camera's stream has no end.

        Raises:
            SourceError: the stream ended and did not come back, or what it sends is no picture.
        """
        patience = time.monotonic() + self._no_picture_s
        while not self._closed.is_set():
            while self._waiting:
                data, captured_ns = self._waiting.popleft()
                frame = self._frame(data, captured_ns)
                if frame is not None:
                    return frame
            if time.monotonic() > patience:
                raise SourceError(
                    f"{self.uri}: no whole JPEG for {self._no_picture_s:g} s, {self.health.skipped} damaged so far: "
                    "look at it in a browser; is it an MJPEG stream?"
                )
            try:
                data = self._answer.read1(_CHUNK)
                if not data:
                    raise ConnectionError("the server ended the stream")
                parts = self._parser.feed(data)
            except (OSError, ValueError, AttributeError, http.client.HTTPException) as error:
                # AttributeError: http.client's own, when `close` pulls the connection from under a read
                self._reconnect(error)
                patience = time.monotonic() + self._no_picture_s
                continue
            captured_ns = time.monotonic_ns()
            self._waiting.extend((part, captured_ns) for part in parts)
        self._answer.close()  # here, because `close` must not while this thread still reads
        return None

    def close(self) -> None:
        """Hang up; a read that waits ends at once."""
        self._closed.set()
        self._hang_up()

    def _frame(self, data: bytes, captured_ns: int) -> Frame | None:
        # OpenCV fills a torn JPEG's missing rows with grey and calls it a picture: look for its end marker
        whole = data.startswith(b"\xff\xd8") and data.rstrip(b"\0\r\n").endswith(b"\xff\xd9")
        try:
            if not whole:
                raise DataError("torn JPEG")
            with quiet_stderr():  # libjpeg tells of damage in lines of its own
                image = decode_image(data)
        except DataError:
            self.health.skipped += 1
            return None
        self._attempt = 0
        self.size_wh = (image.shape[1], image.shape[0])
        frame = Frame(image, self._index, captured_ns)
        self._index += 1
        return frame

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

    def _reconnect(self, cause: BaseException) -> None:
        self._hang_up()
        why: object = cause if str(cause) else type(cause).__name__
        while not self._closed.is_set():
            if self._attempt >= len(self._back_off_s):
                raise SourceError(
                    f"{self.uri}: the stream failed after {self._index} frames ({why}) and did not come back "
                    f"in {len(self._back_off_s)} attempts"
                ) from cause
            pause = self._back_off_s[self._attempt]
            self._attempt += 1
            if self._closed.wait(pause):
                return
            with contextlib.suppress(SourceError):
                self._connect()
                self.reconnects += 1
                return

    def _hang_up(self) -> None:
        # shutting the socket down wakes a thread that reads from it; closing the answer alone does not
        stream = getattr(self._answer, "fp", None)
        sock = getattr(getattr(stream, "raw", None), "_sock", None)
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if not self._closed.is_set():
            self._answer.close()


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
