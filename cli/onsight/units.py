"""Kinds of flag values with a unit: sizes, durations, addresses."""

from __future__ import annotations

import re

import click

_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


class Size(click.ParamType):  # type: ignore[type-arg]
    """Bytes: `500MB`, `10M`, `1GiB`, `4096`."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes; fails on anything else."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", str(value).strip().lower())
        size = round(float(found[1]) * _BYTES[found[2] or ""]) if found else 0
        if not size:
            self.fail(f"{value!r} is no size above 0: expected a number of bytes, or one with k, M, G, Ki, Mi or Gi.")
        return size


class Duration(click.ParamType):  # type: ignore[type-arg]
    """Seconds: `30`, `30s`, `10min`, `1h`, `1d`."""

    name = "duration"

    def __init__(self, *, zero: bool = False) -> None:
        """`zero`: whether 0 is allowed."""
        self._zero = zero

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; fails on anything else."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)?", str(value).strip().lower())
        seconds = float(found[1]) * _SECONDS[found[2] or ""] if found else -1.0
        if seconds < 0 or (seconds == 0 and not self._zero):
            least = "" if self._zero else " above 0"
            self.fail(f"{value!r} is no duration{least}: expected seconds, or a number with s, min, h or d.")
        return seconds


class Address(click.ParamType):  # type: ignore[type-arg]
    """`HOST:PORT`, `[::1]:PORT` or `PORT` on this machine's own address."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Host and port; fails on anything else."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[^:\[\]\s/]+):)?(\d{1,5})", str(value).strip())
        if not found or int(found[2]) > 65535:
            self.fail(f"{value!r} is no address: expected HOST:PORT, or PORT on 127.0.0.1.")
        return (found[1] or "127.0.0.1").strip("[]"), int(found[2])
