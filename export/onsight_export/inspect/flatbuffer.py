"""Reads flatbuffers by the format's own rules, every step checked: https://flatbuffers.dev/internals

For buffers whose schema has no generated code at hand. Whatever the bytes are, the answer is a value or a ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
_MOST = 100_000  # items of one vector of tables or texts: a labels' list, not a bomb


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a flatbuffer.

    Attributes:
        data: the whole buffer.
        at: where the table begins.
    """

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes) -> Table:
        """The root table.

        Raises:
            ValueError: too short for one.
        """
        return cls(data, _read("<I", data, 0))

    def number(self, slot: int, form: str) -> int | float:
        """A scalar; `form` is struct's letter for it. 0 where it is absent, as in all tables read here."""
        at = self._field(slot)
        return 0 if at is None else _read("<" + form, self.data, at)

    def table(self, slot: int) -> Table | None:
        """A table, or what a union holds."""
        at = self._field(slot)
        return None if at is None else Table(self.data, self._follow(at))

    def text(self, slot: int) -> str:
        """A string, "" where it is absent; bytes that are no UTF-8 are replaced."""
        at = self._field(slot)
        return "" if at is None else self._text(self._follow(at))

    def floats(self, slot: int) -> tuple[float, ...]:
        """A vector of float32."""
        return self._vector(slot, lambda at: float(_read("<f", self.data, at)))

    def tables(self, slot: int) -> tuple[Table, ...]:
        """A vector of tables."""
        return self._vector(slot, lambda at: Table(self.data, self._follow(at)))

    def _field(self, slot: int) -> int | None:
        vtable = self.at - int(_read("<i", self.data, self.at))
        if 4 + 2 * slot >= _read("<H", self.data, vtable):
            return None
        offset = int(_read("<H", self.data, vtable + 4 + 2 * slot))
        return self.at + offset if offset else None

    def _follow(self, at: int) -> int:
        return at + int(_read("<I", self.data, at))

    def _text(self, at: int) -> str:
        length = int(_read("<I", self.data, at))
        if at + 4 + length > len(self.data):
            raise ValueError(f"a text of {length} bytes reaches over the end")
        return self.data[at + 4 : at + 4 + length].decode("utf-8", "replace")

    def _vector(self, slot: int, item: Callable[[int], T]) -> tuple[T, ...]:
        at = self._field(slot)
        if at is None:
            return ()
        start = self._follow(at)
        length = int(_read("<I", self.data, start))
        if length > _MOST or start + 4 + 4 * length > len(self.data):
            raise ValueError(f"a vector of {length} items reaches over the end")
        return tuple(item(start + 4 + 4 * i) for i in range(length))


def _read(form: str, data: bytes, at: int) -> int:
    if not 0 <= at <= len(data) - struct.calcsize(form):
        raise ValueError(f"an offset leads to byte {at} of {len(data)}")
    value: int = struct.unpack_from(form, data, at)[0]
    return value
