"""Looks at a running process and its folders from outside: man 5 proc."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_MEMORY = re.compile(r"^(VmRSS|RssAnon|Threads):\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Look:
    """One look.

    Attributes:
        t_s: seconds since the run was ready.
        rss_mib: resident memory. anon_mib: the part of it that no file stands behind: heap, stacks, buffers.
        fds, threads: open file descriptors, threads.
        quiet: no client was connected from outside at that moment, and nothing was recorded.
        folders: name -> bytes that all files in it take, temporary ones too.
    """

    t_s: float
    rss_mib: float
    anon_mib: float
    fds: int
    threads: int
    quiet: bool
    folders: dict[str, int]


def look(pid: int, t_s: float, folders: Mapping[str, Path], *, quiet: bool, proc: Path = Path("/proc")) -> Look:
    """Look at the process `pid`.

    Raises:
        OSError: it is not there any more.
    """
    of = proc / str(pid)
    told = {name: int(value) for name, value in _MEMORY.findall((of / "status").read_text())}
    return Look(
        t_s=round(t_s, 2),
        rss_mib=round(told.get("VmRSS", 0) / 1024, 3),
        anon_mib=round(told.get("RssAnon", 0) / 1024, 3),
        fds=sum(1 for _ in (of / "fd").iterdir()),
        threads=told.get("Threads", 0),
        quiet=quiet,
        # twice: between a new file and the removal of the oldest there is a moment
        folders={name: min(folder_bytes(path), folder_bytes(path)) for name, path in folders.items()},
    )


def folder_bytes(folder: Path) -> int:
    """What the files below a folder take, but not those of an index of what lies there (`index*.jsonl`)."""
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            if not (name.startswith("index") and name.endswith(".jsonl")):
                with contextlib.suppress(OSError):  # gone in the meantime
                    total += (Path(root) / name).lstat().st_size
    return total
