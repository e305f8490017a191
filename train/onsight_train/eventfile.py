"""TensorBoard's event files, written without TensorFlow: they are the same whatever backend trains.

A file is a sequence of TFRecords, each an `Event` protocol buffer (tensorflow/core/util/event.proto,
tensorflow/core/framework/summary.proto); a record is its length, its bytes, and a masked CRC-32C after each
(tensorflow/core/lib/io/record_writer.h).
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from onsight_edge.errors import OnsightError


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_TABLE = _crc_table()


class EventFile:
    """One event file in `folder`, flushed after every call.

    Raises:
        OnsightError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        # no two processes write one file, and TensorBoard reads all of a folder in the order of their names
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("xb")
        except OSError as error:
            raise OnsightError(f"cannot write {self._path}: {error.strerror}") from error
        self._write(_text(3, "brain.Event:2"))

    def begin(self, step: int) -> None:
        """What was logged from `step` on, by an earlier process that was killed, no longer counts."""
        self._write(_number(2, step) + _message(7, _number(1, 1)))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log values by tag at `step`."""
        summary = b"".join(_message(1, _text(1, tag) + _float(2, value)) for tag, value in values.items())
        self._write(_number(2, step) + _message(5, summary))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: bytes) -> None:
        try:
            self._file.write(_record(_double(1, time.time()) + event))
            self._file.flush()
        except OSError as error:
            raise OnsightError(f"cannot write {self._path}: {error.strerror}") from error


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", _masked(length)) + data + struct.pack("<I", _masked(data))


def _masked(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _message(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())
