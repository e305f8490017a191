"""What a training was like, epoch by epoch, and history.csv."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from onsight_edge.files import atomic_path


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of history.csv.

    Attributes:
        epoch: counted from 1.
        loss, accuracy: mean over the training batches while the weights were still changing, on the pictures and
            the targets as the recipe changed them.
        val_loss, val_accuracy: on the validation part at the end of the epoch, pictures unchanged, plain
            cross-entropy in nats. Those of the averaged weights where the recipe averages them.
        lr: learning rate at the end of the epoch.
        seconds: how long it took, validation included, interruptions left out.
        whole: false for the epoch in which the training was ended by a signal.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    lr: float
    seconds: float
    whole: bool = True

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return asdict(self)


def write_history(path: Path, history: tuple[Epoch, ...]) -> None:
    """Write history.csv, one line an epoch, whole or not at all."""
    names = [field.name for field in fields(Epoch)]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in history:
            values = asdict(row)
            writer.writerow({k: round(v, 6) if isinstance(v, float) else int(v) for k, v in values.items()})
