"""Talking to the service manager that started this process: readiness, sign of life, status.

Protocol: man 3 sd_notify. A datagram of `KEY=value` lines to the socket that $NOTIFY_SOCKET names; nothing is read.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends messages to the service manager.

    Attributes:
        watchdog_s: it restarts this process when it hears nothing for so many seconds; None where it does not watch.
    """

    def __init__(self, address: str, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self._address = "\0" + address[1:] if address.startswith("@") else address  # abstract sockets, man 7 unix
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)  # a manager that does not read must not hold anything up

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Notifier | None:
        """The manager that started this very process; None where none asked to be told."""
        address = environment.get("NOTIFY_SOCKET", "")
        if address[:1] not in ("/", "@") or not hasattr(socket, "AF_UNIX"):
            return None
        return cls(address, _watchdog_s(environment))

    def send(self, **values: str | int) -> bool:
        """Send `KEY=value` lines, such as `READY=1`; whether they could be sent."""
        text = "\n".join(f"{key}={str(value).translate(_NO_LINES)}" for key, value in values.items())
        try:
            self._socket.sendto(text.encode("utf-8", "replace"), self._address)
        except OSError:  # it has gone, or its queue is full: there is nobody to tell
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


_NO_LINES = {ord("\n"): " ", ord("\r"): " "}  # a line more would be a message more


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", ""))
        meant_for = int(environment.get("WATCHDOG_PID", str(os.getpid())))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 and meant_for == os.getpid() else None
