"""Protobuf messages walked by field number, for the few fields of an ONNX file that need no schema library."""

from __future__ import annotations

from collections.abc import Iterator


def walk(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """The fields of one message in their order: number and value.

    Source: https://protobuf.dev/programming-guides/encoding

    Args:
        message: its bytes.

    Yields:
        Length-delimited fields as their bytes, varints as the unsigned number; fixed-width ones are passed over.

    Raises:
        ValueError, IndexError: the bytes are no protobuf message.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 2:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("the message ends within a field")
            yield number, message[at : at + length]
            at += length
        elif wire == 0:
            value, at = _varint(message, at)
            yield number, value
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a varint is longer than 64 bits")
