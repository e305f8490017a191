"""The annotated video that a button starts and ends."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from onsight_edge.collect import folder_bytes, time_name
from onsight_edge.errors import SinkError
from onsight_edge.frame import Result
from onsight_edge.memory import give_back
from onsight_edge.sinks import RunInfo, SinkWorker
from onsight_edge.sinks.mp4 import Mp4Sink, remove_left_behind

LONGEST_S = 30 * 60.0  # a forgotten recording ends by itself
_FINISH_S = 8.0
_LOOK_S = 2.0
_RESERVE_BYTES = 2**20  # of the budget, for what comes between looks and for a file's index


class Recorder:
    """Writes one video at a time into a folder. `offer` is for the sink's thread, the rest for the server's."""

    def __init__(self, folder: Path, info: RunInfo, budget_bytes: int) -> None:
        """Record a run into `folder`, which is made when the first recording begins."""
        self._folder, self._info, self._budget_bytes = folder, info, budget_bytes
        self._worker: SinkWorker | None = None
        self._ending: SinkWorker | None = None  # one that was ended because it was long enough
        self._name: str | None = None
        self._began = self._looked = 0.0
        self._used = 0
        self._reserve = min(_RESERVE_BYTES, budget_bytes // 4)
        self._error: str | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin a video; does nothing where one is being written.

        Raises:
            SinkError: the folder cannot be written to, the disk is full or the budget used up.
        """
        with self._lock:
            if self._worker is not None and self._worker.error is None:
                return
            self._stop()
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SinkError(f"cannot write {self._folder}: {error.strerror}") from error
            remove_left_behind(self._folder.glob(".*.tmp.mp4"))
            self._check_budget()
            name = f"{time_name()}.mp4"
            sink = Mp4Sink(self._folder / name)
            sink.open(self._info)
            self._worker, self._name, self._error = SinkWorker(sink, wait=False), name, None
            self._began = self._looked = time.monotonic()
            self._used = folder_bytes(self._folder)

    def stop(self) -> None:
        """End the video, if there is one, and wait until its file is whole."""
        with self._lock:
            self._stop()

    def offer(self, result: Result) -> None:
        """Take a result; never waits."""
        worker = self._worker
        if worker is None:
            return
        worker.offer(result)
        now = time.monotonic()
        if now - self._looked >= _LOOK_S:
            self._looked = now
            used = folder_bytes(self._folder)
            coming = max(0, used - self._used)  # until the next look, if it goes on like this
            self._used = used
            if now - self._began > LONGEST_S or used + coming > self._budget_bytes - self._reserve:
                worker.close()
                self._ending, self._worker = worker, None

    def to_json(self) -> dict[str, Any]:
        """Whether a video is being written, which was the last one, and what went wrong with it."""
        worker = self._worker  # without the lock, which `stop` holds while a file is finished
        error = self._error if worker is None else worker.error
        running = worker is not None and error is None
        return {
            "recording": running,
            "name": self._name,
            "seconds": round(time.monotonic() - self._began, 1) if running else None,
            "error": error,
        }

    def _stop(self) -> None:
        worker, self._worker, self._ending = self._worker or self._ending, None, None
        if worker is not None:
            worker.close(_FINISH_S)
            done = worker.join(_FINISH_S)
            self._error = done.error
            give_back()
            if not done.written:  # without a frame there is no file
                self._name = None

    def _check_budget(self) -> None:
        if folder_bytes(self._folder) >= self._budget_bytes - self._reserve:
            raise SinkError(f"{self._folder} has reached its {self._budget_bytes / 2**20:g} MiB: take videos away")
