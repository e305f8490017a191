"""What was seen of the device over the time of a measurement, as a record keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from onsight_benchmarks.sampler import Sample

MOST = 600  # rows that a record keeps: five minutes at two looks a second

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Series:
    """Looks at the device: parallel lists, one item a look. A list is None where the device never told; an item is None
    where it did not at that look.

    Attributes:
        t_s: seconds since the measuring began; the first may lie a little before it.
        temperature_c: of the processor.
        mhz: the fastest core's clock.
        limit_mhz: the highest clock that any core was allowed.
        governor: what decided the clocks.
        throttled: what held the device back since the look before, in words joined by commas; empty where nothing did.
        power_w: what the power sensor said.
    """

    t_s: tuple[float, ...]
    temperature_c: tuple[float | None, ...] | None = None
    mhz: tuple[float | None, ...] | None = None
    limit_mhz: tuple[float | None, ...] | None = None
    governor: tuple[str | None, ...] | None = None
    throttled: tuple[str, ...] | None = None
    power_w: tuple[float | None, ...] | None = None


def series(rows: Sequence[Sample], began: float, *, tells_throttling: bool) -> Series | None:
    """The looks as a record keeps them: at most about MOST, those among them where something changed or held it back.

    Args:
        rows: in the order of time.
        began: when the measuring did, seconds of `time.monotonic()`.
        tells_throttling: whether the device tells of throttling at all.

    Returns:
        None where there were no looks, or the device told nothing at any.
    """
    kept = _thinned(rows)
    found = Series(
        tuple(round(row.t - began, 2) for row in kept),
        _column([_rounded(row.temperature_c, 1) for row in kept]),
        _column([_rounded(row.mhz, 0) for row in kept]),
        _column([_rounded(row.limit_mhz, 0) for row in kept]),
        _column([row.governor for row in kept]),
        tuple(", ".join(row.throttled) for row in kept) if tells_throttling else None,
        _column([_rounded(row.power_w, 3) for row in kept]),
    )
    columns = (found.temperature_c, found.mhz, found.governor, found.throttled, found.power_w)
    return found if rows and any(column is not None for column in columns) else None


def _thinned(rows: Sequence[Sample]) -> list[Sample]:
    stride = -(-len(rows) // MOST)
    return [
        row
        for i, row in enumerate(rows)
        if i % stride == 0 or i == len(rows) - 1 or _telling(row) != _telling(rows[i - 1])
    ]


def _telling(row: Sample) -> tuple[object, ...]:
    return row.throttled, row.governor, row.limit_mhz


def _column(values: list[Value | None]) -> tuple[Value | None, ...] | None:
    return None if all(value is None for value in values) else tuple(values)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
