"""Where the server listens, who may speak to it under what name, and the token that lets them in."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from onsight_edge.errors import SinkError, UsageError

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
_TOKEN = re.compile(r"^[A-Za-z0-9_-]{22,256}$")  # 22 characters of 6 bits: 128 bits at least
_NAME = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen.

    Attributes:
        host: a name or an address, without brackets.
        port: 0 takes a free one.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    @property
    def loopback(self) -> bool:
        """Whether only programs on this device reach it."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def names(self) -> frozenset[str]:
        """The host names under which who comes from there asks: its own, and in a network those of this device."""
        if self.loopback:
            return frozenset({self.host.lower()})
        own = socket.gethostname().lower()
        return frozenset({self.host.lower(), own, own.partition(".")[0] + ".local"})

    def url(self, scheme: str, port: int) -> str:
        """What to type into a browser on this device; `port` is the one that was taken."""
        host = self.host
        if host in ("0.0.0.0", "::"):
            host = own_address() or socket.gethostname()
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


def parse_address(text: str) -> Address:
    """`HOST:PORT`, `HOST`, `:PORT` or `PORT`; an IPv6 address stands in brackets where a port follows.

    Raises:
        UsageError: neither.
    """
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]*))(?::([0-9]{1,5}))?", text.strip())
    if found is None:
        try:
            return Address(str(ipaddress.IPv6Address(text.strip())))
        except ValueError:
            raise _bad_address(text) from None
    host, port = found[1] or found[2] or "", found[3]
    if port is None and host.isascii() and host.isdigit():
        host, port = "", host
    if found[1] is not None:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise _bad_address(text) from None
    elif host and not _NAME.match(host):
        raise _bad_address(text)
    if not (host or port) or (port is not None and int(port) > 65535):
        raise _bad_address(text)
    return Address(host or DEFAULT_HOST, DEFAULT_PORT if port is None else int(port))


def _bad_address(text: str) -> UsageError:
    return UsageError(
        f"--web takes HOST:PORT, such as 127.0.0.1:8000, not {text!r}; MODEL stands before it, or write --web=HOST:PORT"
    )


def check_name(name: str) -> str:
    """A host's name under which the server may be asked, in lower case.

    Raises:
        UsageError: it is no such name.
    """
    if not _NAME.match(name):
        raise UsageError(f"--web-name takes a host's name, such as door.example.org, not {name!r}")
    return name.lower()


def own_address() -> str | None:
    """This device's address in its network; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: says only which interface a packet would leave by
            return str(probe.getsockname()[0])
        except OSError:
            return None


def new_token() -> str:
    """192 random bits, as 32 letters, digits, - and _."""
    return secrets.token_urlsafe(24)


def token_file(path: Path) -> str:
    """The token that a file holds; where there is no such file one is made, readable by its owner only.

    Raises:
        UsageError: what it holds is no token. SinkError: it cannot be read or made.
    """
    try:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
        else:
            text = new_token()
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise SinkError(f"cannot use the token file {path}: {error.strerror}") from error
    if not _TOKEN.match(text):
        raise UsageError(
            f"{path} holds no token: expected one line of 22 to 256 letters, digits, - or _; remove it to have one made"
        )
    return text
