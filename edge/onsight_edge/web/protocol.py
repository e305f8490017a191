"""One connection, with limits that uvicorn does not have: on the time to send a request and to read an answer.

uvicorn's own time-out is for connections that are idle between requests, and starts anew with every byte. Here a
request has to be there as a whole after some seconds, and whoever lets an answer stand is cut off: so neither slow
writers nor slow readers hold memory or a place for long.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from onsight_edge.web.answers import ApiError
from onsight_edge.web.guard import SECURITY_HEADERS

MOST_CONNECTIONS = 160
HEAD_S = 10.0  # from the connection, or a request's first byte, to the end of its head
BODY_S = 30.0  # from there to the end of its body
READ_S = 10.0  # an answer that stands in the buffer for so long has no reader
SEND_BUFFER = 128 * 1024  # bytes in the kernel a connection: what is older than that is not sent to a slow reader


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 with deadlines."""

    head_s, body_s, read_s, most_connections = HEAD_S, BODY_S, READ_S, MOST_CONNECTIONS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it at once where there are enough."""
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=1)  # one piece of an answer at a time; at 0 a TLS one never goes on
        if len(self.connections) > self.most_connections:
            self._refuse(503, "too-many-connections", "too many connections: try again later")
            return
        self._expect(self.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._expect(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the clock runs from the first byte of a request to its last."""
        if self.transport.is_closing():
            return
        idle = self.conn.their_state is h11.IDLE
        if idle and self._deadline is None:
            self._expect(self.head_s)
        super().data_received(data)
        if self.conn.their_state is h11.SEND_BODY:
            if idle:
                self._expect(self.body_s)
        elif self.conn.their_state is not h11.IDLE:
            self._expect(None)

    def on_response_complete(self) -> None:
        """An answer is sent: what follows is another request."""
        super().on_response_complete()
        if self.conn.their_state is not h11.SEND_BODY:
            self._expect(None)
        elif self._deadline is None:  # the next one came along with this one
            self._expect(self.body_s)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(self.read_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read all."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or has a head of more than 16 KiB."""
        self._refuse(400, "bad-request", "that is no HTTP request, or its head is too long")

    def _expect(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._deadline = None
        self._refuse(408, "too-slow", "the request took too long to come")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer by hand, whatever state HTTP is in, and close; where an answer has begun, close at once."""
        cycle: Any = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.abort()
            return
        body = ApiError(status, code, message).answer().body
        lines = [f"HTTP/1.1 {status} {code}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += ["Cache-Control: no-store", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in SECURITY_HEADERS.items()]
        if not self.transport.is_closing():
            self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + cast(bytes, body))
            self.transport.close()
