"""`--webhook`: each event as an HTTP POST, until the receiver has taken it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import random
import ssl
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from onsight_edge.errors import SinkError, UsageError
from onsight_edge.events import REFUSED, EventMaker
from onsight_edge.files import canonical_json
from onsight_edge.frame import Notice, Result
from onsight_edge.sinks.connection import Connection
from onsight_edge.sinks.outbox import MOST, Outbox, Parcel
from onsight_edge.sinks.posting import opener
from onsight_edge.sinks.sink import RunInfo, SinkReport
from onsight_edge.version import __version__

TIMEOUT_S = 10.0
_PAUSES_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
_LONGEST_S = 3600.0  # that a Retry-After is obeyed
_CLOSE_S = 3.0
# what a second attempt cannot mend: the event itself is refused. Others (404, 401, 500) may be mended over there.
_REFUSED = frozenset({400, 406, 409, 410, 413, 414, 415, 422})


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where events are posted.

    Attributes:
        url: http:// or https://, without user and password.
        token: sent as `Authorization: Bearer`; None for none.
        secret: signs each request, see `signature`; None for none.
        ca: a file of certificates in place of the system's.
        device: what this device is called in the events.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    ca: Path | None = None
    device: str = ""

    def __post_init__(self) -> None:
        """Check the URL.

        Raises:
            UsageError: it is none.
        """
        parts = urlsplit(self.url)
        try:
            sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            sound = False
        if not sound or not self.url.isascii() or any(letter.isspace() for letter in self.url):
            raise UsageError(f"--webhook {self.shown}: expected http://HOST/PATH or https://HOST/PATH")
        if parts.username is not None:
            raise UsageError(
                "--webhook: a password does not belong on the command line: put a token into $ONSIGHT_WEBHOOK_TOKEN"
            )

    @property
    def shown(self) -> str:
        """The URL without what may be secret in it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{'?...' if parts.query else ''}"


class WebhookSink:
    """Posts `EventMaker`'s events and notices as JSON, one after the other, oldest first.

    Events wait in an `Outbox` until they are answered with 2xx. No answer, 5xx, 429 and the like are tried again with
    pauses that grow to a minute (or as `Retry-After` asks); an event that is refused for itself (400, 413, 422...) is
    counted and left out. Redirects are not followed.
    """

    name = "webhook"
    wants_image = False
    backlog = 1024
    relaxed = True

    def __init__(self, receiver: Receiver, outbox: Path, most: int = MOST) -> None:
        """Send to `receiver`; events wait in the file `outbox`, at most `most` of them."""
        self.receiver = receiver
        self._path, self._most = outbox, most
        self._outbox: Outbox | None = None
        self._events = EventMaker("")
        self._connection = Connection(self.name, lambda notice: None)
        self._news = threading.Condition()
        self._closing_at: float | None = None
        self._delivered = self._refused = self._attempts = 0
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)

    def open(self, info: RunInfo) -> None:
        """Open the queue and begin to send what an earlier run left in it; the receiver may be away.

        Raises:
            SinkError: the queue cannot be written, the certificates cannot be read, or the secret is none.
        """
        self._events = EventMaker(info.run)
        self._connection = Connection(self.name, info.tell)
        self._opener = _opener(self.receiver)
        self._key = None if self.receiver.secret is None else _key(self.receiver.secret)
        self._outbox = Outbox(self._path, self._most)
        self._connection.opened(self._outbox)
        self._thread.start()

    def write(self, result: Result) -> None:
        """Queue an event if this result changed the decision.

        Raises:
            SinkError: the disk is full.
        """
        event = self._events.of_result(result)
        if event is None:
            return
        try:
            self._put(event)
        except SinkError:
            self._events.take_back()
            raise

    def notice(self, notice: Notice) -> None:
        """Queue a notice, but none of this sink's own.

        Raises:
            SinkError: the disk is full.
        """
        if not notice.text.startswith(f"{self.name}: "):
            self._put(self._events.of_notice(notice))

    def recover(self) -> None:
        """Nothing to do: the queue stays open."""

    def report(self) -> SinkReport:
        """How the receiver answers, and what became of the events."""
        return self._connection.report(self._outbox, delivered=self._delivered, refused=self._refused)

    def close(self) -> None:
        """Send what waits for at most 3 s more, if anybody answers; the rest waits on the disk for the next run."""
        with self._news:
            self._closing_at = time.monotonic()
            self._news.notify_all()
        self._thread.join(_CLOSE_S + TIMEOUT_S / 2)
        if self._outbox is not None and not self._thread.is_alive():
            self._outbox.close()

    def _put(self, event: dict[str, Any]) -> None:
        assert self._outbox is not None  # open
        body = canonical_json({"device": self.receiver.device, **event}).encode(errors="replace")
        self._connection.queue(self._outbox, event["id"], body)
        with self._news:
            self._news.notify_all()

    def _run(self) -> None:
        while self._step():
            continue

    def _step(self) -> bool:
        """Send the oldest event, or wait; false when it is time to end."""
        assert self._outbox is not None  # open
        try:
            goes_on = self._send_next(self._outbox)
        except (_NotYet, SinkError) as error:  # the receiver is away, or the disk is
            self._connection.down(f"{self.receiver.shown}: {error}" if isinstance(error, _NotYet) else str(error))
            asked = error.after_s if isinstance(error, _NotYet) else None
            pause = asked or _PAUSES_S[min(self._attempts, len(_PAUSES_S) - 1)] * random.uniform(0.8, 1.2)
            self._attempts += 1
            return not self._rest(pause)
        self._attempts = 0
        return goes_on

    def _send_next(self, outbox: Outbox) -> bool:
        late = self._closing_at is not None and time.monotonic() > self._closing_at + _CLOSE_S
        waiting = [] if late else outbox.after()
        if not waiting:
            with self._news:
                if self._closing_at is not None:
                    return False
                if not outbox.waiting:
                    self._news.wait(1.0)
            return True
        try:
            self._post(waiting[0])
            self._delivered += 1
        except _Refusal as error:
            self._refused += 1
            self._connection.say(REFUSED, f"an event was refused and left out: {error}")
        outbox.done(waiting[0].n)
        self._connection.up()
        return True

    def _rest(self, seconds: float) -> bool:
        """Wait; whether the run has ended meanwhile."""
        with self._news:
            return self._news.wait_for(lambda: self._closing_at is not None, seconds)

    def _post(self, parcel: Parcel) -> None:
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"onsight/{__version__}",
            "webhook-id": parcel.id,
            "webhook-timestamp": stamp,
        }
        if self.receiver.token is not None:
            headers["Authorization"] = f"Bearer {self.receiver.token}"
        if self._key is not None:
            headers["webhook-signature"] = signature(self._key, parcel.id, stamp, parcel.body)
        request = urllib.request.Request(self.receiver.url, data=parcel.body, headers=headers, method="POST")
        try:
            self._opener.open(request, timeout=TIMEOUT_S).close()  # of an answer only the head matters
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _REFUSED:
                    raise _Refusal(f"HTTP {error.code} {error.reason}") from error
                raise _NotYet(_answered(error), _retry_after(error)) from error
        except urllib.error.URLError as error:
            raise _NotYet(str(getattr(error.reason, "strerror", None) or error.reason)) from error
        except (OSError, ValueError) as error:  # hangs in mid-answer, or answers with no HTTP
            raise _NotYet(str(error) or type(error).__name__) from error
        except Exception as error:  # http.client's own tree
            raise _NotYet(f"{type(error).__name__}: {error}") from error


def signature(key: bytes, event_id: str, stamp: str, body: bytes) -> str:
    """`webhook-signature` of Standard Webhooks: `v1,` and base64 of HMAC-SHA-256 over `id.timestamp.body`.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    signed = b".".join((event_id.encode(), stamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class _Refusal(Exception):
    """The receiver will not take this event, ever."""


class _NotYet(Exception):
    """The receiver may take it later."""

    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


def _opener(receiver: Receiver) -> urllib.request.OpenerDirector:
    try:
        context = ssl.create_default_context(cafile=receiver.ca)
    except (OSError, ssl.SSLError) as error:
        raise SinkError(f"--webhook-ca {receiver.ca}: no certificates can be read from it: {error}") from error
    return opener(context)


def _key(secret: str) -> bytes:
    """The bytes of a secret; one that begins with `whsec_` is base64, as Standard Webhooks writes them."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SinkError("the webhook's secret begins with whsec_, but no base64 follows") from error


def _answered(error: urllib.error.HTTPError) -> str:
    if 300 <= error.code < 400:
        return f"HTTP {error.code}: it redirects, which is not followed: name the address it redirects to"
    return f"HTTP {error.code} {error.reason}"


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    text = error.headers.get("Retry-After", "") if error.headers else ""
    try:
        seconds = float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 1.0), _LONGEST_S)
