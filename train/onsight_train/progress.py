"""The progress bar of a training, on stderr."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from onsight_train.fit import Epoch


class TrainingProgress:
    """A bar over all batches and a line an epoch; a `Watcher` and a context manager.

    Where stderr is no terminal, the lines alone are printed: a log file wants no bar.
    """

    def __init__(self, epochs: int, per_epoch: int) -> None:
        self._epochs, self._per_epoch = epochs, per_epoch
        self._console = Console(stderr=True, soft_wrap=True)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TextColumn("val {task.fields[val]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=epochs * per_epoch, epoch=1, epochs=epochs, loss="-", val="-")

    def __enter__(self) -> TrainingProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def batch(self, epoch: int, index: int, loss: float, accuracy: float) -> None:
        """See `Watcher.batch`."""
        done = epoch * self._per_epoch + index + 1
        self._progress.update(self._task, completed=done, epoch=epoch + 1, loss=f"{loss:.3f}")

    def epoch(self, row: Epoch) -> None:
        """See `Watcher.epoch`."""
        self._progress.update(self._task, val=f"{row.val_accuracy:.1%}")
        self._console.print(
            f"epoch {row.epoch}/{self._epochs}  loss {row.loss:.4f}  accuracy {row.accuracy:.2%}  "
            f"val loss {row.val_loss:.4f}  val accuracy {row.val_accuracy:.2%}  {row.seconds:.0f} s",
            highlight=False,
        )
