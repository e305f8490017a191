"""The progress bar of a training, on stderr."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from onsight_train.history import Epoch


class TrainingProgress:
    """A bar over the whole training, the steps of the epoch beside it, and a line an epoch; a `Watcher`.

    A context manager. Where stderr is no terminal, the lines alone are printed: a log file wants no bar.

    Args:
        epochs: of the whole training.
        per_epoch: steps in each.
        epoch, index: the step that comes first, both from 0.
    """

    def __init__(self, epochs: int, per_epoch: int, epoch: int = 0, index: int = 0) -> None:
        self._epochs, self._per_epoch, self._index = epochs, per_epoch, index
        self._console = Console(stderr=True, soft_wrap=True)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            TextColumn("step {task.fields[step]:>{task.fields[width]}}/{task.fields[per_epoch]}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TextColumn("val {task.fields[val]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task(
            "",
            total=epochs * per_epoch,
            completed=epoch * per_epoch + index,
            epoch=min(epoch + 1, epochs),
            epochs=epochs,
            step=index,
            per_epoch=per_epoch,
            width=len(str(per_epoch)),
            loss="-",
            val="-",
        )

    def __enter__(self) -> TrainingProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def batch(self, epoch: int, index: int, loss: float, accuracy: float) -> None:
        """See `Watcher.batch`."""
        self._index = index + 1
        done = epoch * self._per_epoch + self._index
        self._progress.update(self._task, completed=done, epoch=epoch + 1, step=self._index, loss=f"{loss:.3f}")

    def epoch(self, row: Epoch) -> None:
        """See `Watcher.epoch`."""
        self._progress.update(self._task, val=f"{row.val_accuracy:.1%}")
        part = "" if row.whole else f", ended after {self._index} of {self._per_epoch} steps"
        self._console.print(
            f"epoch {row.epoch}/{self._epochs}{part}  loss {row.loss:.4f}  accuracy {row.accuracy:.2%}  "
            f"val loss {row.val_loss:.4f}  val accuracy {row.val_accuracy:.2%}  {row.seconds:.0f} s",
            highlight=False,
        )

    def saved(self, epoch: int, index: int, seconds: float) -> None:
        """Nothing is said of a checkpoint."""
