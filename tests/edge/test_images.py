"""The picture decoder: sizes that are refused before anything is decoded."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path


def black_png(path: Path, side: int) -> None:
    """A black picture of one bit a pixel: large, in a small file."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def test_a_picture_that_would_fill_the_memory_is_refused_unread(tmp_path: Path) -> None:
    black_png(tmp_path / "huge.png", 20_000)  # 1.1 GiB as 8-bit BGR, 0.2 MiB as a file
    done = subprocess.run(
        [sys.executable, "-m", "onsight", "predict", "huge.png"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "onsight: huge.png: the picture has too many pixels: expected at most 67 million\n"
