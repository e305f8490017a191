"""One training for the command: its watchers, what it says on the screen, and how it ended."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from onsight_edge.errors import OnsightError

if TYPE_CHECKING:
    from onsight_edge.datasets import Dataset
    from onsight_train.plan import Plan
    from onsight_train.remains import Remains
    from onsight_train.run import Run


@dataclass(frozen=True, slots=True)
class Logs:
    """Where a training tells how far it is.

    Attributes:
        events: where JSON lines go; None writes none.
        tensorboard: folder that gets one of the run's name; None writes none.
        every_s: seconds between checkpoints within an epoch.
    """

    events: TextIO | None
    tensorboard: Path | None
    every_s: float


@contextlib.contextmanager
def event_stream(name: str | None, *, append: bool) -> Iterator[TextIO | None]:
    """The stream that `--events` names: a file, `-` for stdout, or none.

    Raises:
        OnsightError: the file cannot be written.
    """
    if name is None or name == "-":
        yield sys.stdout if name else None
        return
    try:
        file = Path(name).open("a" if append else "w", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise OnsightError(f"cannot write {name}: {error.strerror}") from error
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):  # a full disk was told of when the line was written
            file.close()


def carry_out(dataset: Dataset, plan: Plan, folder: Path, logs: Logs, left: Remains | None = None) -> Run:
    """Train from the beginning, or go on with what is left of a killed training; say how it goes.

    Raises:
        OnsightError: as `train_run` and `resume_run` raise it.
        KeyboardInterrupt: a second Ctrl-C.
    """
    from onsight_train.augment import Batches
    from onsight_train.logs import EventLines, TensorBoard, Watchers
    from onsight_train.loop import Watcher
    from onsight_train.progress import TrainingProgress
    from onsight_train.run import resume_run, train_run

    recipe = plan.recipe
    per_epoch = Batches(dataset.train, len(dataset.classes), recipe, plan.seed).per_epoch
    start = left.checkpoint if left else None
    epoch, index = (start.epoch, start.index) if start else (0, 0)
    click.echo(
        f"training {plan.arch.name} on {dataset.name}: {len(dataset.train):,} pictures of {dataset.size_wh[0]}x"
        f"{dataset.size_wh[1]}, {len(dataset.classes)} classes, "
        f"{recipe.epochs} epoch{'s' * (recipe.epochs > 1)}, recipe {recipe.name}, seed {plan.seed}"
        + (f", from epoch {epoch + 1}, step {index} of {per_epoch} on" if start else ""),
        err=True,
    )
    events = EventLines(logs.events, folder) if logs.events else None
    with contextlib.ExitStack() as stack:
        watchers: list[Watcher] = [stack.enter_context(TrainingProgress(recipe.epochs, per_epoch, epoch, index))]
        if logs.tensorboard:
            board = TensorBoard(logs.tensorboard / folder.name, epoch)
            stack.callback(board.close)
            watchers.append(board)
        if events:
            watchers.append(events)
            events.write(
                "begin",
                arch=plan.arch.name,
                recipe=recipe.name,
                seed=plan.seed,
                epochs=recipe.epochs,
                steps_per_epoch=per_epoch,
                epoch=epoch + 1,
                step=index,
                resumed=left is not None,
            )
        try:
            if left:
                run = resume_run(left, dataset, Watchers(watchers), every_s=logs.every_s)
            else:
                run = train_run(dataset, plan, folder, Watchers(watchers), every_s=logs.every_s)
        except (OnsightError, KeyboardInterrupt) as error:
            if events:
                with contextlib.suppress(OnsightError):  # the error itself may be that it cannot be written
                    events.write("end", status="failed", error=str(error) or "interrupted")
            raise
    if events:
        fitted = run.fitted
        status = "interrupted" if fitted.interrupted else "diverged" if fitted.diverged else "done"
        events.write(
            "end",
            status=status,
            epochs=len(fitted.history),
            kept=fitted.kept,
            test_accuracy=round(run.test.accuracy, 6),
            seconds=round(fitted.seconds, 1),
        )
    return run


def tell_early_end(run: Run, plan: Plan) -> None:
    """Say on stderr why a run that was written did not train to its end."""
    from onsight_train.fit import remedy

    last = run.fitted.history[-1]
    if run.fitted.interrupted:
        reason = f"interrupted in epoch {last.epoch}"
    elif run.fitted.diverged:
        reason = (
            f"training diverged: the loss became {run.fitted.diverged} in epoch {last.epoch + 1}; {remedy(plan.recipe)}"
        )
    else:
        return
    click.echo(f"onsight: {reason}; the weights of epoch {run.fitted.kept} are kept in {run.folder}", err=True)


def tell_what_is_left(folder: Path) -> bool:
    """Say on stderr what a training that a second Ctrl-C ended has left; False where that is nothing."""
    from onsight_train.checkpoint import NAMES
    from onsight_train.folder import MODEL, partial_folder, resume_command

    partial = partial_folder(folder)
    if not partial.exists():
        return False
    model = f"; the best model until then is in {partial}" if (partial / MODEL).exists() else ""
    saved = any((partial / name).exists() for name in NAMES)
    how = f"; go on with `{resume_command(folder)}`" if saved else ""
    click.echo(f"onsight: interrupted{model}{how}", err=True)
    return True


def show(run: Run, *, to_stderr: bool) -> None:
    """Print what a training came to, for people."""
    from rich.console import Console
    from rich.text import Text

    from onsight.tables import class_table

    console = Console(highlight=False, markup=False, soft_wrap=True, stderr=to_stderr)
    low, high = run.test.interval
    console.print(class_table(run.test, Text(f"{run.spec.name}: {run.test.total:,} test pictures")))
    done = len(run.fitted.history)
    console.print(
        f"test accuracy {run.test.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}), "
        f"{run.parameters:,} parameters, {done} epoch{'s' * (done != 1)} in {run.fitted.seconds:.0f} s"
    )
    if run.fitted.stopped_early:
        console.print(f"stopped early; the weights of epoch {run.fitted.kept} are kept")
    console.print(run.diagnosis.sentence)
    console.print(f"run: {run.folder}")
    console.print(f"next: onsight export {shlex.quote(str(run.folder))}")
