"""How memory that is free again finds its way back to the system, where the C library is glibc.

Frames are large, made in one thread and let go in another. glibc keeps a heap for nearly each thread, up to eight for
each core, and what lies free in one is of no use to another: a run whose recordings come and go grew by some 4 MiB with
each of them (`python -m onsight_benchmarks.endurance`).
"""

from __future__ import annotations

import functools
import sys
from typing import Any

_M_ARENA_MAX = -8  # malloc.h
_HEAPS = 2


def few_heaps() -> None:
    """Let all threads share two heaps; for the start of a program that runs for long. See mallopt(3)."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, _HEAPS)


def give_back() -> None:
    """Give the system what is free, where much has just become so: after a video, a model. See malloc_trim(3).

    Takes a millisecond or so, for which others that want memory wait.
    """
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> Any:
    """The C library, if it is one that has both functions; else None."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
