"""What every source is to the live loop, and what they share: pacing and URIs."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from onsight_edge.errors import UsageError
from onsight_edge.frame import Frame, Notice

LARGEST_FPS = 1000.0
_SIZE = re.compile(r"^([1-9][0-9]{0,4})x([1-9][0-9]{0,4})$")


@dataclass(slots=True)
class Health:
    """What a source counted while it delivered.

    Attributes:
        skipped: pictures that arrived damaged and were left out.
        frozen: frames that were the same as the one before, bit for bit, from a camera that should move.
        resized: how often the size of the frames changed.
        reopened: how often the camera or stream was lost and came back.
    """

    skipped: int = 0
    frozen: int = 0
    resized: int = 0
    reopened: int = 0


class Source(Protocol):
    """An open camera, file or stream.

    Attributes:
        uri: what it was opened from, for people; passwords are blotted out.
        live: frames come at their own pace whether or not anybody takes them.
        fps: frames a second as granted or as the file declares; None where nobody knows.
        size_wh: width and height in pixels as granted; None where frames may differ or none has come yet.
        health: what went wrong so far, counted.
    """

    uri: str
    live: bool
    health: Health

    @property
    def fps(self) -> float | None: ...  # noqa: D102  (see Attributes)

    @property
    def size_wh(self) -> tuple[int, int] | None: ...  # noqa: D102

    def read(self) -> Frame | None:
        """Wait for the next frame; None at the end, and soon after `close`. One thread reads.

        Raises:
            SourceError: the camera, file or stream failed.
        """
        ...

    def close(self) -> None:
        """Free the device or the connection. Any thread may call it, also while another reads, and again."""
        ...


@runtime_checkable
class Reducible(Protocol):
    """A source whose pictures arrive as JPEGs, which can be decoded at a fraction of their size for less.

    Attributes:
        reduction: from a picture's width and height to 1, 2, 4 or 8, by which it may be reduced; set before the first
            `read`. Frames then carry `full`.
    """

    reduction: Callable[[tuple[int, int]], int]


@runtime_checkable
class Notifying(Protocol):
    """A source that has things to tell while it runs.

    Attributes:
        on_notice: called from the thread that reads; set before the first `read`.
    """

    on_notice: Callable[[Notice], None]


class Pacer:
    """Wakes its caller on a grid of absolute times, so that no delay adds up.

    Whoever comes late by more than a period waits for the next line of the grid, as with a camera; there is no
    burst to catch up.
    """

    def __init__(
        self,
        fps: float,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], bool] | None = None,
    ) -> None:
        """Make a grid of `fps` lines a second; tests bring a clock, and a `sleep` that is true once closed."""
        self._period_ns = round(1e9 / check_fps(fps))
        self._next_ns: int | None = None
        self._closed = threading.Event()
        self._clock_ns, self._sleep = clock_ns, sleep or self._closed.wait

    def wait(self) -> bool:
        """Wait for the next line of the grid, the first time not at all; false once closed."""
        now = self._clock_ns()
        if self._next_ns is None:
            self._next_ns = now
        elif now > self._next_ns + self._period_ns:
            self._next_ns += -(-(now - self._next_ns) // self._period_ns) * self._period_ns
        while (left := self._next_ns - self._clock_ns()) > 0:
            if self._sleep(left / 1e9):
                return False
        self._next_ns += self._period_ns
        return not self._closed.is_set()

    def close(self) -> None:
        """Wake whoever waits."""
        self._closed.set()


def check_fps(fps: float) -> float:
    """`fps` itself.

    Raises:
        UsageError: not a number above 0 and up to 1000.
    """
    if not (math.isfinite(fps) and 0 < fps <= LARGEST_FPS):
        raise UsageError(f"frames a second must be above 0 and at most {LARGEST_FPS:.0f}, not {fps}")
    return fps


def parse_size(text: str) -> tuple[int, int]:
    """`640x480` as (640, 480).

    Raises:
        UsageError: not WIDTHxHEIGHT with 1..16384 pixels a side.
    """
    match = _SIZE.match(text.strip().lower())
    if match is None or max(int(match[1]), int(match[2])) > 16384:
        raise UsageError(f"a size is WIDTHxHEIGHT in pixels, such as 640x480, not {text!r}")
    return int(match[1]), int(match[2])


def split_options(uri: str, known: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """`scheme://rest?key=value&...`, or the same without `scheme://`, as (rest, options).

    Raises:
        UsageError: an option that is not in `known`, or one given twice.
    """
    rest, _, query = uri.partition("://")[2 if "://" in uri else 0].partition("?")
    options: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in known:
            raise UsageError(f"{uri}: unknown option {key!r}; known are {', '.join(known)}")
        if key in options:
            raise UsageError(f"{uri}: the option {key!r} is given twice")
        options[key] = value
    return rest, options


def number_option(uri: str, options: dict[str, str], key: str, default: float) -> float:
    """The number that an option gives, or `default`.

    Raises:
        UsageError: it is not a number.
    """
    try:
        value = float(options.get(key, default))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{uri}: {key} must be a number, not {options[key]!r}")
    return value


def whole_option(uri: str, options: dict[str, str], key: str, default: int) -> int:
    """The whole number from 0 that an option gives, or `default`.

    Raises:
        UsageError: it is not one.
    """
    value = number_option(uri, options, key, default)
    if value < 0 or value != int(value):
        raise UsageError(f"{uri}: {key} must be a whole number from 0, not {options[key]!r}")
    return int(value)


def without_password(url: str) -> str:
    """`url` with the password that may stand in it blotted out, for messages and logs.

    Raises:
        UsageError: it is no URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        shown = "" if "@" in url else f" {url}"  # where a password ends cannot be told
        raise UsageError(f"the source{shown} is no valid URL, such as http://host:8080/stream") from error
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))
