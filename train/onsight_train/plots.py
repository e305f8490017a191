"""learning_curves.png and confusion_matrix.png."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_edge.files import atomic_path
from onsight_train.diagnose import Diagnosis
from onsight_train.frameworks import load_pyplot
from onsight_train.history import Epoch

TRAIN, VALIDATION = "#0072b2", "#d55e00"  # told apart by every kind of colour vision (Okabe and Ito)


def draw_curves(path: Path, history: Sequence[Epoch], diagnosis: Diagnosis, title: str) -> None:
    """Draw loss and accuracy over the epochs, training and validation together, with the diagnosis under them.

    Args:
        path: the PNG, whole or not at all.
        history: oldest first, at least one epoch.
        diagnosis: its sentence is printed, its best epoch marked.
        title: over both.
    """
    plt = load_pyplot()
    epochs = [row.epoch for row in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), dpi=100)
    for axes, name, unit in ((left, "loss", "cross-entropy"), (right, "accuracy", "share right")):
        factor = 1.0
        for prefix, colour, label in (("", TRAIN, "training"), ("val_", VALIDATION, "validation")):
            values = [getattr(row, prefix + name) * factor for row in history]
            axes.plot(epochs, values, color=colour, label=label, marker="o" if len(epochs) < 15 else None, ms=4)
        axes.axvline(diagnosis.best_epoch, color="#888888", ls=":", lw=1, label="lowest validation loss")
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.grid(alpha=0.25)
        axes.xaxis.get_major_locator().set_params(integer=True)
    left.legend(frameon=False)
    left.set_ylim(bottom=0)
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    figure.suptitle(title)
    figure.text(0.5, 0.02, "\n".join(textwrap.wrap(diagnosis.sentence, 120)), ha="center", va="bottom")
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    plt.close(figure)


def draw_confusion(path: Path, matrix: NDArray[np.integer], classes: Sequence[str], title: str) -> None:
    """Draw which class is taken for which, each row as shares of its true class.

    Args:
        path: the PNG, whole or not at all.
        matrix: (classes, classes) counts, row = true, column = predicted.
        classes: names in label order.
        title: over the picture.
    """
    plt = load_pyplot()
    count = len(classes)
    rows = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, rows, out=np.zeros(matrix.shape), where=rows > 0)
    side = float(np.clip(2.5 + 0.55 * count, 4.5, 24))
    figure, axes = plt.subplots(figsize=(side + 0.8, side), dpi=100)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= 30:  # more would not be readable
        for y, x in np.ndindex(count, count):
            if matrix[y, x]:
                colour = "white" if shares[y, x] > 0.5 else "black"
                axes.text(x, y, f"{shares[y, x]:.0%}", ha="center", va="center", color=colour, fontsize=8)
    short = [textwrap.shorten(name, 18, placeholder="…") for name in classes]
    axes.set_xticks(range(count), short, rotation=45, ha="right", fontsize=8 if count <= 30 else 5)
    axes.set_yticks(range(count), short, fontsize=8 if count <= 30 else 5)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=11)
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.04, format=lambda value, _: f"{value:.0%}")
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    plt.close(figure)
