"""Clients of a run's web server, in a process of their own: some watch, some listen, some of both never read.

`python -m onsight_benchmarks.web_clients PORT WATCHING LISTENING DEAF_WATCHING DEAF_LISTENING` connects, prints a line
when all requests are sent, and goes on until its standard input ends; then it prints what came, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import statistics
import sys
from collections.abc import Callable

_STREAM, _EVENTS = "/stream.mjpg", "/api/events"
_AGE = re.compile(rb"X-Age-Ms: ([0-9.]+)\r\n")
_RESULT = b"event: result\n"
_PIECE = 1 << 16


class Reader:
    """One client that reads all it gets and counts what it is.

    Attributes:
        count: pictures or results.
        ages_ms: how old each picture was when the server sent it.
        ended: the server closed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0
        self.ages_ms: list[float] = []
        self.ended = False

    async def read(self, port: int, sent: Callable[[], None]) -> None:
        """Ask, then read until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_request(self.path))
        await writer.drain()
        sent()
        tail = b""
        while piece := await reader.read(_PIECE):
            text = tail + piece
            if self.path == _STREAM:
                ages = list(_AGE.finditer(text))
                self.ages_ms += [float(age[1]) for age in ages]
                self.count += len(ages)
                tail = text[max(ages[-1].end() if ages else 0, len(text) - 40) :]  # a line may lie in two pieces
            else:
                self.count += text.count(_RESULT)
                tail = text[-(len(_RESULT) - 1) :]
        self.ended = True
        writer.close()


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def run(port: int, watching: int, listening: int, deaf_watching: int, deaf_listening: int) -> dict[str, object]:
    """Connect all, wait for the end of standard input, and say what came."""
    deaf = []
    for path in [_STREAM] * deaf_watching + [_EVENTS] * deaf_listening:
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(_request(path))
        deaf.append(one)
    readers = [Reader(_STREAM) for _ in range(watching)] + [Reader(_EVENTS) for _ in range(listening)]
    waiting = len(readers)
    all_sent = asyncio.Event()

    def sent() -> None:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            all_sent.set()

    tasks = [asyncio.create_task(reader.read(port, sent)) for reader in readers]
    if readers:
        await all_sent.wait()
    print("connected", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for one in deaf:
        one.close()
    ages = [age for reader in readers for age in reader.ages_ms]
    return {
        "pictures": [reader.count for reader in readers if reader.path == _STREAM],
        "results": [reader.count for reader in readers if reader.path == _EVENTS],
        "cut_off": sum(reader.ended for reader in readers),
        "sent_age_ms": statistics.median(ages) if ages else None,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(*map(int, sys.argv[1:6])))))
