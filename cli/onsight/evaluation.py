"""What `onsight val` does between its flags and its output: score, measure, and show it on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight.scorers import Scorer
from onsight_benchmarks.evaluation.analysis import Analysis
from onsight_benchmarks.evaluation.leakage import Leakage, search
from onsight_benchmarks.evaluation.robustness import PASSES, Robustness, measure
from onsight_edge.datasets import Dataset, Split
from onsight_edge.errors import UsageError

_SEEN = {"test": ("train", "validation"), "validation": ("train",)}  # what the training of a model saw


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[str, int], None]]:
    """A bar on stderr with the time that is left; yields advance(what is done now, units done)."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(title), total=total)
        yield lambda now, done: bar.update(task, advance=done, description=escape(now or title))


def score(scorer: Scorer, images: NDArray[np.uint8], title: str) -> NDArray[np.float32]:
    """Scores of all pictures, a bar meanwhile."""
    found = []
    with progress(title, len(images)) as advance:
        for start in range(0, len(images), scorer.chunk):
            chunk = images[start : start + scorer.chunk]
            found.append(scorer.scores(chunk))
            advance("", len(chunk))
    return np.concatenate(found)


def spoil(scorer: Scorer, images: NDArray[np.uint8], labels: NDArray[np.int64], clean: int, seed: int) -> Robustness:
    """Accuracy under every corruption, a bar meanwhile."""
    with progress("corruptions", PASSES * len(images)) as advance:
        return measure(
            scorer.scores,
            images,
            labels,
            clean=clean,
            colour=scorer.spec.colour,
            seed=seed,
            chunk=scorer.chunk,
            advance=advance,
        )


def seen_parts(dataset: Dataset, split: str) -> dict[str, Split]:
    """The splits that a training saw before this one was measured.

    Raises:
        UsageError: there are none: the split is the training part itself, or the data set has no other.
    """
    parts = {name: getattr(dataset, name) for name in _SEEN.get(split, ())}
    parts = {name: part for name, part in parts.items() if len(part)}
    if not parts:
        raise UsageError(f"--duplicates compares with the pictures that were trained on: {split} has none beside it")
    return parts


def find_copies(part: Split, split: str, learnt: dict[str, Split], right: NDArray[np.bool_]) -> Leakage:
    """Copies of a split's pictures among those learnt from, a bar meanwhile."""
    with progress("searching copies", len(part)) as advance:
        done = 0

        def on_progress(reached: int, total: int) -> None:
            nonlocal done
            advance("", reached - done)
            done = reached

        return search(part, split, learnt, right, on_progress)


def show(described: dict[str, Any], analysis: Analysis, robustness: Robustness | None, leakage: Leakage | None) -> None:
    """Print tables and figures for people."""
    from rich.console import Console
    from rich.text import Text

    from onsight.tables import class_table

    console = Console(highlight=False, markup=False, soft_wrap=True)
    data, evaluation = described["data"], analysis.evaluation
    variant = f" {described['variant']}" if "variant" in described else ""
    title = f"{described['model']}{variant} on {data['name']} {data['split']}, {described['backend']}"
    console.print(class_table(evaluation, Text(title)))
    low, high = evaluation.interval
    top5 = f", top-5 {evaluation.correct_top5 / evaluation.total:.2%}" if len(evaluation.classes) > 5 else ""
    console.print(
        f"accuracy {evaluation.accuracy:.2%} of {evaluation.total:,} pictures "
        f"(95 % interval {low:.2%} to {high:.2%}){top5}, loss {evaluation.loss:.4f}, macro F1 {evaluation.macro_f1:.2%}"
    )
    refit = analysis.refit
    better = "" if refit is None else f"; temperature {refit.temperature:.3f} would give {refit.ece:.2%}"
    console.print(
        f"calibration error {analysis.reliability.ece:.2%} "
        f"({analysis.intervals.ece[0]:.2%} to {analysis.intervals.ece[1]:.2%}) "
        f"at temperature {analysis.temperature:g}{better}"
    )
    if robustness is not None:
        _show_robustness(console, robustness)
    if leakage is not None:
        console.print(_copies(leakage))


def _show_robustness(console: Any, robustness: Robustness) -> None:
    from rich.table import Table

    from onsight_edge.corruptions import STRENGTHS

    table = Table(title="accuracy on spoilt pictures, by strength", title_justify="left")
    table.add_column("corruption")
    for strength in STRENGTHS:
        table.add_column(str(strength), justify="right")
    table.add_column("mean", justify="right")
    for name in robustness.correct:
        shares = robustness.accuracy(name)
        table.add_row(name, *(f"{share:.1%}" for share in shares), f"{np.mean(shares):.1%}")
    console.print(table)
    relative = "" if robustness.relative is None else f", {robustness.relative:.1%} of the clean accuracy"
    console.print(f"mean over corruptions {robustness.mean:.2%}{relative}")


def _copies(leakage: Leakage) -> str:
    count = len(leakage.copies)
    text = f"copies: {count:,} of {leakage.pictures:,} pictures have one among the {leakage.searched:,} learnt from"
    if leakage.accuracy_without is None or not count:
        return text
    return (
        f"{text} (right on {leakage.accuracy_with:.2%} of them); accuracy without them {leakage.accuracy_without:.2%}"
    )
