"""Which MQTT broker, and how to reach it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from onsight_edge.errors import UsageError
from onsight_edge.files import sha256_bytes

FORM = "mqtt://[USER@]HOST[:PORT][/TOPIC], or mqtts:// for TLS"
Version = Literal["3.1.1", "5"]


@dataclass(frozen=True, slots=True)
class Tls:
    """How the broker proves who it is, and this device.

    Attributes:
        ca: a file of certificates in place of the system's.
        certificate, key: this device's, where the broker asks for one.
        unchecked: take any certificate.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    unchecked: bool = False


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker and the topic below which this device publishes.

    Attributes:
        host, port: where it listens.
        topic: `onsight/porch`; no / at its ends.
        user, password: or None.
        tls: None for a connection without.
        version: of the protocol.
        qos: of events: 0 at most once, 1 at least once, 2 once.
    """

    host: str
    port: int
    topic: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    version: Version = "3.1.1"
    qos: int = 1

    @property
    def shown(self) -> str:
        """As a URL, without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' if self.tls else ''}://{host}:{self.port}/{self.topic}"

    def identity(self, machine: str) -> str:
        """What this device is called among others, always the same: of the machine's own id and the topic."""
        return "onsight_" + sha256_bytes(f"{machine}\n{self.topic}".encode())[:12]


def parse_broker(
    url: str,
    device: str,
    *,
    password: str | None = None,
    tls: Tls | None = None,
    version: Version = "3.1.1",
    qos: int = 1,
) -> Broker:
    """A broker from its URL.

    Args:
        url: see `FORM`. Without a topic it is `onsight/DEVICE`.
        device: what this device is called.
        password: of the user that the URL names.
        tls: for mqtts://; None for the usual.
        version, qos: as in Broker.

    Raises:
        UsageError: it is no such URL, or one with a password in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        secure = parts.scheme == "mqtts"
        host, user, path = parts.hostname, parts.username, unquote(parts.path)
    except ValueError as error:
        raise UsageError(f"--mqtt: expected {FORM}: {error}") from error
    if parts.password is not None:
        raise UsageError(
            "--mqtt: a password does not belong on the command line, where every user of this machine can read it: "
            "put it into $ONSIGHT_MQTT_PASSWORD or name a file with --mqtt-password-file"
        )
    if parts.scheme not in ("mqtt", "mqtts") or not host or port == 0 or parts.query or parts.fragment:
        raise UsageError(f"--mqtt {url}: expected {FORM}")
    if tls is not None and not secure:
        raise UsageError(f"--mqtt {url}: certificates are for mqtts://, this is a connection without TLS")
    if password is not None and user is None:
        raise UsageError(f"--mqtt {url}: there is a password, but no user: name one, as in mqtt://USER@{host}")
    topic = path.strip("/") or f"onsight/{topic_part(device)}"
    if re.search(r"[+#\0]|//", topic) or topic.startswith("$") or len(topic.encode()) > 1000:
        raise UsageError(f"--mqtt {url}: {topic} is no topic to publish below: no + # or // in it, no $ before it")
    usual = 8883 if secure else 1883
    return Broker(
        host,
        port or usual,
        topic,
        None if user is None else unquote(user),
        password,
        (tls or Tls()) if secure else None,
        version,
        qos,
    )


def topic_part(name: str) -> str:
    """`name` as one level of a topic."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-") or "device"
