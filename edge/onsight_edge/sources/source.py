"""What every source is to the live loop, and what they share: pacing and URIs."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from onsight_edge.errors import UsageError
from onsight_edge.frame import Frame

LARGEST_FPS = 1000.0
_SIZE = re.compile(r"^([1-9][0-9]{0,4})x([1-9][0-9]{0,4})$")


class Source(Protocol):
    """An open camera, file or stream.

    Attributes:
        uri: what it was opened from, for people; passwords are blotted out.
        live: frames come at their own pace whether or not anybody takes them.
        fps: frames a second as granted or as the file declares; None where nobody knows.
        size_wh: width and height in pixels as granted; None where frames may differ or none has come yet.
        skipped: pictures that arrived damaged and were left out.
    """

    uri: str
    live: bool
    skipped: int

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
    """`scheme://rest?key=value&...` as (rest, options).

    Raises:
        UsageError: an option that is not in `known`, or one given twice.
    """
    rest, _, query = uri.partition("://")[2].partition("?")
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
