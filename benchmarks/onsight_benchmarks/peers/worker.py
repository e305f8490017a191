"""One subject in a process of its own: python -m onsight_benchmarks.peers.worker

Answers requests (onsight_benchmarks.worker). The clocks are read here, around frame -> class alone, so that the pipe
costs the subject nothing.

    {"do": "convert", "adapter": A, "job": {...}, "folder": F}      -> the path of the runtime's own file
    {"do": "open", "adapter": A, "job": {...}, "frame": F.npy}      -> version detail init_ms first_ms
    {"do": "labels", "frames": F.npy}                               -> labels
    {"do": "block", "calls": N, "settle_calls": N, "settle_ms": X}  -> ns, a list; cores: processor time by wall time
    {"do": "memory"}                                                -> rss_mib

Runs in every peer's environment: it imports no package but NumPy before a runtime is asked for.
"""

from __future__ import annotations

import importlib
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from onsight_benchmarks.peers.job import Job, Opened
from onsight_benchmarks.worker import serve

ADAPTERS = "onsight_benchmarks.peers.adapters"


class PeerWorker:
    """What the requests are asked of."""

    def __init__(self) -> None:
        self._opened: Opened | None = None
        self._frame: Any = None

    def convert(self, adapter: str, job: dict[str, Any], folder: str) -> str:
        """Make the runtime's own file of a model."""
        return str(self._adapter(adapter).convert(_job(job), Path(folder)))

    def open(self, adapter: str, job: dict[str, Any], frame: str) -> dict[str, Any]:
        """Load a model; the clock starts before the runtime is imported."""
        self._frame = np.load(frame, allow_pickle=False)
        started = time.perf_counter_ns()
        opened: Opened = self._adapter(adapter).open_subject(_job(job))
        ready = time.perf_counter_ns()
        if "cv2" in sys.modules:  # its pool belongs to the process, and its default is every core
            sys.modules["cv2"].setNumThreads(job["threads"])
        configured = time.perf_counter_ns()
        opened.classify(self._frame)
        answered = time.perf_counter_ns()
        self._opened = opened
        return {
            "version": opened.version,
            "detail": opened.detail,
            "init_ms": round((ready - started) / 1e6, 3),
            "first_ms": round((answered - configured) / 1e6, 4),
        }

    def labels(self, frames: str) -> list[int]:
        """The class of every frame of an .npy file of (N, height, width, 3) uint8 BGR."""
        classify = self._ready().classify
        shown = np.load(frames, mmap_mode="r", allow_pickle=False)
        return [int(classify(np.ascontiguousarray(frame))) for frame in shown]

    def block(self, calls: int, settle_calls: int, settle_ms: float) -> dict[str, Any]:
        """Settle, then measure so many calls of the frame."""
        classify, frame, clock = self._ready().classify, self._frame, time.perf_counter_ns
        until = clock() + int(settle_ms * 1e6)
        for _ in range(settle_calls):
            classify(frame)
        while clock() < until:
            classify(frame)
        taken = []
        busy, began = time.process_time_ns(), clock()
        for _ in range(calls):
            started = clock()
            classify(frame)
            taken.append(clock() - started)
        return {"ns": taken, "cores": round((time.process_time_ns() - busy) / (clock() - began), 3)}

    def memory(self) -> dict[str, float | None]:
        """This process's resident memory in MiB (man 5 proc: VmRSS)."""
        try:
            found = re.search(r"^VmRSS:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        except OSError:
            found = None
        return {"rss_mib": None if found is None else round(int(found[1]) / 1024, 1)}

    def _ready(self) -> Opened:
        if self._opened is None:
            raise RuntimeError("nothing is opened")
        return self._opened

    def _adapter(self, name: str) -> Any:
        return importlib.import_module(name if "." in name else f"{ADAPTERS}.{name}")


def _job(values: dict[str, Any]) -> Job:
    return Job(**{**values, "size_wh": tuple(values["size_wh"])})


if __name__ == "__main__":
    serve(PeerWorker())
