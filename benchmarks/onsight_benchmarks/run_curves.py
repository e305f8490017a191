"""The learning curves of a run, from its history.csv."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from onsight_edge.errors import ModelError

_CURVES = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True, slots=True)
class Curves:
    """Columns of history.csv, a value an epoch.

    Attributes:
        epoch: counted from 1.
        loss, accuracy: of the training batches while they were learned, as the recipe changed them.
        val_loss, val_accuracy: of the validation part at the end of the epoch.
    """

    epoch: tuple[int, ...]
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    val_loss: tuple[float, ...]
    val_accuracy: tuple[float, ...]


def read_curves(path: Path) -> Curves:
    """Read a history.csv; columns that are not compared are passed over.

    Raises:
        ModelError: not there, damaged, or without a single epoch.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = [[float(row[column]) for column in _CURVES] for row in csv.DictReader(lines)]
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ModelError(f"{path} is damaged: expected the columns {', '.join(_CURVES)} ({error})") from error
    if not rows:
        raise ModelError(f"{path} holds no epoch")
    epoch, loss, accuracy, val_loss, val_accuracy = (tuple(column) for column in zip(*rows, strict=True))
    return Curves(tuple(int(e) for e in epoch), loss, accuracy, val_loss, val_accuracy)
