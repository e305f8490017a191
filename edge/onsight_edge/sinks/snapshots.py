"""Pictures that the model was not sure of, for people to label: what a model learns most from.

They lie in a folder for each class, the one the model took them for; whoever labels them moves the wrong ones, and
`onsight train` reads the folder as it is.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.collect import Collector, check_class_name
from onsight_edge.errors import DataError, SinkError
from onsight_edge.events import wall_time
from onsight_edge.frame import Result
from onsight_edge.sinks.lines import LineFile, json_line
from onsight_edge.sinks.rotation import LogPolicy, put_aside_files
from onsight_edge.sinks.sink import RunInfo, SinkReport

BELOW = 0.6
EVERY_S = 10.0
BUDGET_BYTES = 500 * 10**6
INDEX = "index.jsonl"
_INDEX_POLICY = LogPolicy(rotate_bytes=10 * 2**20, keep=1)
_SIDE = 16
_ALIKE = 3.0  # mean difference of brightness, of 255: sensor noise is below, somebody who walks by above
_NO_LIMIT = 1 << 62


class SnapshotsSink:
    """Saves whole frames whose best score is low, or close to the second best.

    Never two within a pause, nor one that looks like the one before; when the budget is used up the oldest that still
    lies where it was put is removed. `index.jsonl` has a line for each: file, time, scores, and why it was taken.
    """

    name = "snapshots"
    wants_image = True
    backlog = 8
    relaxed = True

    def __init__(
        self,
        folder: Path,
        *,
        below: float = BELOW,
        margin: float = 0.0,
        every_s: float = EVERY_S,
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        """Save into `folder`.

        Args:
            folder: made when the run starts.
            below: take frames whose best class scores less, 0..1.
            margin: take also those whose best class leads by less, in scores; 0: none for that.
            every_s: seconds between two at least.
            budget_bytes: what those that still lie where they were put may take together.
        """
        self.folder = folder
        self._below, self._margin = below, margin
        self._gap_ns, self._budget = round(every_s * 1e9), budget_bytes
        self._collector = Collector(folder, _NO_LIMIT)
        self._index: LineFile | None = None
        self._info: RunInfo | None = None
        self._files: deque[tuple[Path, int]] = deque()
        self._used = self._saved = self._removed = self._largest = 0
        self._last_ns: int | None = None
        self._last_look: NDArray[np.int16] | None = None

    def open(self, info: RunInfo) -> None:
        """Make the folder, and read what earlier runs put there.

        Raises:
            SinkError: it cannot be written to.
        """
        self._info = info
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"cannot write {self.folder}: {error.strerror}") from error
        path = self.folder / INDEX
        self._files = deque(_still_there(self.folder, [*put_aside_files(path), path]))
        self._used = sum(size for _, size in self._files)
        self._largest = max((size for _, size in self._files), default=0)
        self._index = LineFile(str(path), info.request_stop, append=True, flag="--snapshots", policy=_INDEX_POLICY)

    def picks(self, result: Result) -> bool:
        """Whether the model was unsure of it, the pause is over, and it looks otherwise than the last one."""
        if self._why(result) is None:
            return False
        taken_ns = result.frame.captured_ns
        if self._last_ns is not None and taken_ns - self._last_ns < self._gap_ns:
            return False
        look = _look(result.frame.image_bgr)
        if self._last_look is not None and float(np.abs(look - self._last_look).mean()) < _ALIKE:
            return False
        self._last_ns, self._last_look = taken_ns, look
        return True

    def write(self, result: Result) -> None:
        """Save the frame and a line about it.

        Raises:
            SinkError: the disk is full, or the folder cannot be written to.
        """
        try:
            self._save(result)
        except SinkError:
            self._last_ns = self._last_look = None  # it is to be picked again
            raise

    def recover(self) -> None:
        """Open the index again.

        Raises:
            SinkError: it cannot be written.
        """
        assert self._index is not None  # open
        self._index.reopen()

    def report(self) -> SinkReport:
        """`saved`, and `removed` for want of room."""
        return SinkReport(counts={"saved": self._saved, "removed": self._removed})

    def close(self) -> None:
        """Close the index."""
        if self._index is not None:
            self._index.close()

    def _save(self, result: Result) -> None:
        assert self._index is not None and self._info is not None  # open
        prediction = result.prediction
        self._make_room(self._largest)  # before, so that the one that is being written fits as well
        saved = self._collector.save(result.frame.image_bgr, _folder_of(result), result.frame.index)
        self._files.append((saved.path, saved.size))
        self._used += saved.size
        self._largest = max(self._largest, saved.size)
        self._saved += 1
        self._make_room()
        top = [[name, round(score, 6)] for name, score in prediction.top(5)]
        line: dict[str, Any] = {
            "file": saved.path.relative_to(self.folder).as_posix(),
            "at": wall_time(result.frame.captured_ns),
            "label": prediction.classes[prediction.index],
            "score": round(prediction.score, 6),
            "top": top,
            "why": self._why(result),
            "decision": None if result.decision is None else result.decision.label,
            "frame": result.frame.index,
            "model": self._info.current_model,
            "run": self._info.run,
        }
        self._index.write(json_line(line))

    def _why(self, result: Result) -> str | None:
        scores = result.prediction.scores
        if result.prediction.score < self._below:
            return "score"
        if self._margin > 0 and len(scores) > 1:
            second, best = np.partition(scores, -2)[-2:]
            if best - second < self._margin:
                return "margin"
        return None

    def _make_room(self, coming: int = 0) -> None:
        while self._used + coming > self._budget and len(self._files) > 1:
            path, size = self._files.popleft()
            self._used -= size
            with contextlib.suppress(OSError):
                path.unlink()  # one that was moved in the meantime is not there, and is nobody's to remove
                self._removed += 1


def _folder_of(result: Result) -> str:
    """The class it was taken for, whatever the threshold says; where no folder can be called so, its number."""
    index = result.prediction.index
    try:
        return check_class_name(result.prediction.classes[index])
    except DataError:
        return f"class {index}"


def _look(image_bgr: NDArray[np.uint8]) -> NDArray[np.int16]:
    small = cv2.resize(image_bgr, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.int16)


def _still_there(folder: Path, indexes: list[Path]) -> list[tuple[Path, int]]:
    """What was put into the folder and was not moved since, the oldest first, with sizes."""
    found = []
    for index in indexes:
        try:
            lines = index.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:  # none yet
            continue
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError, OSError):  # torn by a power cut, or removed
                name = json.loads(line)["file"]
                path = folder / name
                if len(Path(name).parts) == 2 and ".." not in Path(name).parts and not path.is_symlink():
                    found.append((path, path.stat().st_size))
    return found
