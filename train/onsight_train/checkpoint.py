"""Checkpoints: all that a training has come to, in one file that is whole or told apart from one that is not.

A file is a line of text with the format's number, a line with the SHA-256 of the rest, and the rest: an uncompressed
.npz of every array that a step changes, with the counters and the history as JSON in its entry `about`. Two files take
turns, so that while one is written, and where it comes out damaged, the other still holds the state before it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import IntegrityError, ModelError
from onsight_edge.files import atomic_path, sha256_bytes
from onsight_train.history import Epoch

Arrays = Mapping[str, NDArray[Any]]

NAMES = ("checkpoint.0", "checkpoint.1")
_MAGIC = b"onsight checkpoint "
_FORMAT = b"1"
_ABOUT = "about"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Where a training stands between two batches. With its plan and its pictures it goes on as if it never stopped.

    Attributes:
        epoch, index: the batch that comes next, both from 0.
        loss, right: sums over the pictures of the epoch so far: of losses, and of right answers.
        seen: how many pictures that were.
        epoch_seconds, seconds: spent on the epoch so far, and on all of them.
        history: the epochs that are done.
        arrays: all else, by name: weights, optimizer, random states, averages, the best weights so far.
    """

    epoch: int
    index: int
    loss: float
    right: float
    seen: int
    epoch_seconds: float
    seconds: float
    history: tuple[Epoch, ...]
    arrays: Arrays


class Checkpoints:
    """The two files of one training.

    Args:
        folder: where they lie.
        plan: digest of the training's plan; a checkpoint of another plan is refused.
    """

    def __init__(self, folder: Path, plan: str) -> None:
        self._folder, self._plan = folder, plan
        self._count = 0

    def write(self, checkpoint: Checkpoint) -> None:
        """Put `checkpoint` in the place of the older file, on the disk when this returns.

        Raises:
            OnsightError: the disk is full or cannot be written to; both files are then as they were.
        """
        data = _packed(checkpoint, self._plan, self._count)
        with atomic_path(self._folder / NAMES[self._count % 2]) as temporary:
            temporary.write_bytes(data)
        self._count += 1

    def read(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that is whole.

        Returns:
            None where there is no file at all; and a sentence about each file that is damaged.

        Raises:
            IntegrityError: there are files and none is whole.
            ModelError: a file was written by another onsight, or for another plan.
        """
        found: list[tuple[int, Checkpoint]] = []
        damages = []
        for path in (self._folder / name for name in NAMES if (self._folder / name).exists()):
            try:
                found.append(_unpacked(path, self._plan))
            except IntegrityError as error:  # noqa: PERF203
                damages.append(str(error))
        if not found:
            if damages:
                raise IntegrityError("; ".join(damages))
            return None, []
        count, newest = max(found, key=lambda each: each[0])
        self._count = count + 1
        return newest, damages

    def remove(self) -> None:
        """Take both away; a training that is done needs none."""
        for name in NAMES:
            (self._folder / name).unlink(missing_ok=True)


def _packed(checkpoint: Checkpoint, plan: str, count: int) -> bytes:
    about = {
        "plan": plan,
        "count": count,
        "epoch": checkpoint.epoch,
        "index": checkpoint.index,
        "loss": checkpoint.loss,
        "right": checkpoint.right,
        "seen": checkpoint.seen,
        "epoch_seconds": checkpoint.epoch_seconds,
        "seconds": checkpoint.seconds,
        "history": [row.to_json() for row in checkpoint.history],
    }
    body = io.BytesIO()
    entries: dict[str, Any] = {_ABOUT: np.array(json.dumps(about)), **checkpoint.arrays}
    np.savez(body, **entries)
    data = body.getvalue()
    return _MAGIC + _FORMAT + b"\n" + sha256_bytes(data).encode() + b"\n" + data


def _unpacked(path: Path, plan: str) -> tuple[int, Checkpoint]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read ({error.strerror})") from error
    head, _, rest = data.partition(b"\n")
    digest, _, body = rest.partition(b"\n")
    if head.startswith(_MAGIC) and head != _MAGIC + _FORMAT and len(head) < 40:
        raise ModelError(f"{path} was written by another onsight: go on with the one that began the training")
    if head != _MAGIC + _FORMAT or digest != sha256_bytes(body).encode():
        raise IntegrityError(f"{path} is damaged")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            about = json.loads(str(archive[_ABOUT]))
            arrays = {name: archive[name] for name in archive.files if name != _ABOUT}
        if about.pop("plan") != plan:
            raise ModelError(f"{path} belongs to another training than the plan beside it")
        history = tuple(Epoch(**row) for row in about.pop("history"))
        return int(about.pop("count")), Checkpoint(history=history, arrays=arrays, **about)
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} was written by another onsight ({error})") from error
