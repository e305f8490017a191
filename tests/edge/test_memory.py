"""Few heaps for many threads, and free memory goes back to the system: seen with glibc's own count and the kernel's."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is told")

HEAPS = """
import ctypes, sys, threading
from onsight_edge.memory import few_heaps
if sys.argv[1] == "few": few_heaps()
all_there = threading.Barrier(6)
def work():
    held = bytes(50_000)
    all_there.wait(20)
threads = [threading.Thread(target=work) for _ in range(6)]
for one in threads: one.start()
for one in threads: one.join()
ctypes.CDLL(None).malloc_stats()
"""

GIVEN_BACK = """
import re
from onsight_edge.memory import give_back
def mib(): return int(re.search(r"RssAnon:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024
held = [b"x" * 50_000 for _ in range(1600)]
last = held[-1]  # what lies above keeps the heap from shrinking by itself
del held
before = mib()
give_back()
print(before - mib())
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def test_threads_share_two_heaps() -> None:
    assert run(HEAPS, "few").stderr.count("Arena ") <= 2 < run(HEAPS, "as it is").stderr.count("Arena ")


def test_what_is_free_goes_back_to_the_system() -> None:
    assert float(run(GIVEN_BACK).stdout) > 50
