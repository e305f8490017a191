"""What a training tells others while it lasts: JSON lines and TensorBoard. Each a `Watcher`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from onsight_edge.errors import OnsightError
from onsight_train.eventfile import EventFile
from onsight_train.history import Epoch
from onsight_train.loop import Watcher


class Watchers:
    """Several watchers as one."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers

    def batch(self, epoch: int, index: int, loss: float, accuracy: float) -> None:
        """See `Watcher.batch`."""
        for watcher in self._watchers:
            watcher.batch(epoch, index, loss, accuracy)

    def epoch(self, row: Epoch) -> None:
        """See `Watcher.epoch`."""
        for watcher in self._watchers:
            watcher.epoch(row)

    def saved(self, epoch: int, index: int, seconds: float) -> None:
        """See `Watcher.saved`."""
        for watcher in self._watchers:
            watcher.saved(epoch, index, seconds)


class EventLines:
    """One JSON object a line for what happens to a training; the keys are in docs/cli/train.md.

    Args:
        stream: where they go; flushed after every line.
        run: the run's folder, in every line.
    """

    def __init__(self, stream: TextIO, run: Path) -> None:
        self._stream, self._run = stream, run

    def write(self, event: str, **values: Any) -> None:
        """Write one line.

        Raises:
            OnsightError: it cannot be written.
        """
        line = {"event": event, "run": str(self._run), "time": round(time.time(), 3), **values}
        try:
            print(json.dumps(line, ensure_ascii=False, allow_nan=False), file=self._stream, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OnsightError(f"cannot write the events to {self._stream.name}: {error.strerror}") from error

    def batch(self, epoch: int, index: int, loss: float, accuracy: float) -> None:
        """Nothing is written for a batch: there are too many."""

    def epoch(self, row: Epoch) -> None:
        """See `Watcher.epoch`."""
        self.write("epoch", **row.to_json())

    def saved(self, epoch: int, index: int, seconds: float) -> None:
        """See `Watcher.saved`; here the epoch counts from 1, as in the other lines."""
        self.write("checkpoint", epoch=epoch + 1, step=index, seconds=round(seconds, 6))


class TensorBoard:
    """Event files `train` and `validation` in a folder, with the tags of Keras's own callback.

    Args:
        folder: of this run.
        epoch: from which on they are written, from 0: 0 for a training from its beginning.
    """

    def __init__(self, folder: Path, epoch: int = 0) -> None:
        self._train, self._validation = EventFile(folder / "train"), EventFile(folder / "validation")
        for file in (self._train, self._validation):
            file.begin(epoch)

    def batch(self, epoch: int, index: int, loss: float, accuracy: float) -> None:
        """Nothing is logged for a batch."""

    def epoch(self, row: Epoch) -> None:
        """See `Watcher.epoch`; steps are epochs from 0, as Keras counts them."""
        learnt = {"epoch_loss": row.loss, "epoch_accuracy": row.accuracy, "epoch_learning_rate": row.lr}
        self._train.scalars(row.epoch - 1, learnt)
        self._validation.scalars(row.epoch - 1, {"epoch_loss": row.val_loss, "epoch_accuracy": row.val_accuracy})

    def saved(self, epoch: int, index: int, seconds: float) -> None:
        """Nothing is logged for a checkpoint."""

    def close(self) -> None:
        """Close the files."""
        self._train.close()
        self._validation.close()
