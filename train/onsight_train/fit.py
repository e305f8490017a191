"""Fit a network to a data set: the loop, which ends in order at a signal and can go on from any checkpoint.

A loop of our own around `keras.Model.train_on_batch`, on every backend: Keras's `fit` can begin at an epoch only, and
keeps sums of its own that nobody can save.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import OnsightError
from onsight_train.augment import Answers
from onsight_train.checkpoint import Checkpoint
from onsight_train.frameworks import load_keras
from onsight_train.history import Epoch
from onsight_train.loop import Keeper, Loop, Watcher
from onsight_train.recipes import Recipe
from onsight_train.signals import signals_noted

__all__ = ["DivergedError", "Epoch", "Fitted", "Keeper", "Watcher", "fit", "remedy"]


class DivergedError(OnsightError):
    """The loss became NaN or infinite before there was anything to keep."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training came to.

    Attributes:
        history: one entry an epoch, oldest first.
        kept: the epoch (counted from 1) whose weights the model holds now.
        interrupted: a signal ended it before the last epoch was done.
        stopped_early: `patience` ended it before the last epoch.
        seconds: the fitting alone, without loading or evaluating, interruptions left out.
        diverged: what the loss became in the epoch after the last one of `history`: `nan` or `inf`; else empty.
    """

    history: tuple[Epoch, ...]
    kept: int
    interrupted: bool
    stopped_early: bool
    seconds: float
    diverged: str = ""


def fit(
    model: Any,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    patience: int | None = None,
    watcher: Watcher | None = None,
    keeper: Keeper | None = None,
    stop: threading.Event | None = None,
    twin: Any = None,
    teacher: Answers | None = None,
    start: Checkpoint | None = None,
) -> Fitted:
    """Train `model` in place.

    The weights of the lowest validation loss are restored where `patience` is given, or where a signal or a loss that
    is no number ends the training; otherwise the last ones are kept, which a falling learning rate makes the best.

    SIGINT and SIGTERM end it after the batch at hand, see `signals_noted`.

    Args:
        model: a built, uncompiled `keras.Model`.
        dataset: its `train` and `validation` parts are used.
        recipe: how to train.
        seed: decides order and changes of the pictures; the weights' own draw is the caller's.
        patience: stop after so many epochs without a lower validation loss.
        watcher: told of every batch, epoch and checkpoint.
        keeper: writes checkpoints and the best weights.
        stop: ends it once it is set, for a caller that notes signals itself.
        twin: the same network again, in which the weights of each epoch are judged; made here if not given. It
            ends with the same weights as `model`.
        teacher: its answers are learnt beside the labels, as much as the recipe's `distill` says.
        start: go on from here instead of from the beginning.
    Raises:
        DivergedError: the loss became NaN or infinite before the first epoch was done.
        ModelError: `start` is of another network.
    """
    keras = load_keras()
    judged = twin or keras.models.clone_model(model)
    loop = Loop(model, judged, dataset, recipe, seed, patience, watcher, keeper, teacher)
    if start:
        loop.go_on_from(start)
    with signals_noted() if stop is None else nullcontext(stop) as noted:
        loop.run(noted)
    if loop.diverged and not loop.history:
        raise DivergedError(f"training diverged: the loss became {loop.diverged} in epoch 1; {remedy(recipe)}")
    interrupted = noted.is_set() and not loop.done and not loop.diverged
    best = patience is not None or interrupted or bool(loop.diverged)
    kept = loop.best if best else loop.current()
    model.set_weights(kept)
    loop.twin.set_weights(kept)
    return Fitted(
        history=tuple(loop.history),
        kept=loop.best_row.epoch if best else loop.history[-1].epoch,
        interrupted=interrupted,
        stopped_early=loop.out_of_patience and loop.epoch < recipe.epochs,
        seconds=loop.seconds,
        diverged=loop.diverged,
    )


def remedy(recipe: Recipe) -> str:
    """What to try where the loss became no number."""
    clip = "" if recipe.clip_norm else " or --clip-norm 1"
    return f"try a lower --lr than {recipe.lr:g}{clip}"
