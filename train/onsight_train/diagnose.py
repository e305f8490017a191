"""What a training's curves say in words: over-, underfitting or neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from onsight_train.history import Epoch
from onsight_train.recipes import Recipe

Kind = Literal["overfitting", "underfitting", "balanced", "unclear"]

GAP = 0.10  # accuracy points of training above validation that call for a remedy
RISE = 0.05  # validation loss above its lowest, relative
STILL_FALLING = 0.05  # validation loss lost over the last fifth of the epochs, relative
NOTHING_LEFT = 0.01  # a fall of validation loss that matters to nobody, absolute
LOW = 0.75  # training accuracy under which the network has not learnt its own pictures


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the curves show.

    Attributes:
        kind: the finding.
        sentence: the same for people, with its evidence and a remedy.
        gap: training minus validation accuracy at the end; negative where augmentation makes training harder.
        best_epoch: epoch of the lowest validation loss, counted from 1.
    """

    kind: Kind
    sentence: str
    gap: float
    best_epoch: int


def diagnose(history: Sequence[Epoch], recipe: Recipe | None = None, patience: int | None = None) -> Diagnosis:
    """Name what the curves show; the end is the mean of the last tenth of the epochs, so that one does not decide.

    Args:
        history: oldest first, at least one epoch.
        recipe, patience: what the training used, so that the advice names none of it again.

    Raises:
        ValueError: `history` is empty.
    """
    if not history:
        raise ValueError("no epoch to diagnose")
    best = min(history, key=lambda row: row.val_loss)
    end = history[-max(1, len(history) // 10) :]
    accuracy, val_accuracy = fmean(r.accuracy for r in end), fmean(r.val_accuracy for r in end)
    val_loss = fmean(r.val_loss for r in end)
    gap = accuracy - val_accuracy
    if len(history) < 3:
        count = f"{len(history)} epoch" + "s" * (len(history) > 1)
        return Diagnosis("unclear", f"Too short to tell: {count}.", gap, best.epoch)
    rise = val_loss / best.val_loss - 1 if best.val_loss > 0 else 0.0
    numbers = f"training accuracy {accuracy:.1%}, validation {val_accuracy:.1%}"
    if rise >= RISE and gap > 0:
        return Diagnosis(
            "overfitting",
            f"Overfitting: validation loss was lowest in epoch {best.epoch} and rose {rise:.0%} since ({numbers}). "
            f"{_regularise(recipe, patience is None)}",
            gap,
            best.epoch,
        )
    if gap >= GAP:
        return Diagnosis(
            "overfitting",
            f"Overfitting: {numbers}, a gap of {100 * gap:.1f} points. {_regularise(recipe, False)}",
            gap,
            best.epoch,
        )
    before = history[-1 - max(1, len(history) // 5)]
    fall = 1 - val_loss / before.val_loss if before.val_loss > 0 else 0.0
    if fall >= STILL_FALLING and before.val_loss - val_loss >= NOTHING_LEFT:
        return Diagnosis(
            "underfitting",
            f"Underfitting: validation loss was still falling at the end, by {fall:.0%} over the last fifth "
            f"({numbers}). Try more --epochs.",
            gap,
            best.epoch,
        )
    if max(accuracy, val_accuracy) < LOW:  # blended pictures keep training accuracy low in the best of networks
        return Diagnosis(
            "underfitting",
            f"Underfitting: the curves are flat and the network has not learnt its own training pictures ({numbers}). "
            f"{_loosen(recipe)}",
            gap,
            best.epoch,
        )
    return Diagnosis(
        "balanced",
        f"Neither over- nor underfitting: {numbers}, and validation loss has levelled off. "
        "For more accuracy try a larger --arch.",
        gap,
        best.epoch,
    )


def _regularise(recipe: Recipe | None, patience: bool) -> str:
    """What holds back a network that learns its pictures by heart, and is not in use yet; the strongest first."""
    used = recipe or Recipe("", epochs=1, batch=1, lr=1.0)
    found = ["--patience"] if patience else []
    if not used.dropout:
        found.append("--dropout")
    if not used.augments:
        found.append("--recipe standard")
    else:
        found += [f"--{name}" for name in ("mixup", "cutmix", "cutout", "colour") if not getattr(used, name)][:1]
    if recipe and not used.weight_decay and used.augments:
        found.append("--weight-decay")
    return f"Try {', '.join(found)} or more pictures." if found else "Try more pictures or a smaller --arch."


def _loosen(recipe: Recipe | None) -> str:
    """What keeps a network from learning its pictures: what makes them hard, or its size."""
    names = ("mixup", "cutmix", "cutout", "colour", "dropout", "label_smoothing", "weight_decay")
    # the standard decay holds nobody back
    strong = [name for name in names if recipe and getattr(recipe, name) > (2e-3 if name == "weight_decay" else 0)]
    less = f"less {' and '.join('--' + name.replace('_', '-') for name in strong)}, " if strong else ""
    return f"Try {less}a larger --arch, a larger --imgsz or another --lr."
