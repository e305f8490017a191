"""Tables that several verbs print."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from onsight_edge.metrics import Evaluation


def class_table(evaluation: Evaluation, title: Text) -> Table:
    """Precision and recall of every class; class names are shown as they are, never read as markup."""
    table = Table(title=title, title_justify="left")
    table.add_column("class", overflow="fold")
    for heading in ("pictures", "precision", "recall"):
        table.add_column(heading, justify="right")
    for name, score in zip(evaluation.classes, evaluation.per_class, strict=True):
        table.add_row(Text(name), f"{score.support:,}", percent(score.precision), percent(score.recall))
    return table


def percent(share: float | None) -> str:
    """A share as `12.3%`, or a dash where it is not defined."""
    return "-" if share is None else f"{share:.1%}"
