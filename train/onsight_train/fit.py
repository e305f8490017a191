"""Fit a network to a data set: the loop around Keras, which survives Ctrl-C and never loses a finished epoch."""

from __future__ import annotations

import csv
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import OnsightError
from onsight_edge.files import atomic_path
from onsight_train.augment import Batches, one_hot
from onsight_train.frameworks import load_keras
from onsight_train.recipes import Recipe

Weights = list[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of history.csv.

    Attributes:
        epoch: counted from 1.
        loss, accuracy: mean over the training batches while the weights were still changing, on the pictures as
            the recipe changed them.
        val_loss, val_accuracy: on the validation part at the end of the epoch, pictures unchanged.
        lr: learning rate at the end of the epoch.
        seconds: how long it took, validation included.
        whole: false for the epoch in which the training was interrupted.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    lr: float
    seconds: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training came to.

    Attributes:
        history: one entry an epoch, oldest first.
        kept: the epoch (counted from 1) whose weights the model holds now.
        interrupted: a signal ended it before the last epoch.
        stopped_early: `patience` ended it before the last epoch.
        seconds: the fitting alone, without loading or evaluating.
    """

    history: tuple[Epoch, ...]
    kept: int
    interrupted: bool
    stopped_early: bool
    seconds: float


class Watcher(Protocol):
    """What wants to know how far a training is; the progress bar, for one."""

    def batch(self, epoch: int, index: int, loss: float, accuracy: float) -> None:
        """Batch `index` of epoch `epoch` (both from 0) is done; running means of the epoch so far."""

    def epoch(self, row: Epoch) -> None:
        """An epoch is done."""


def fit(
    model: Any,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    patience: int | None = None,
    watcher: Watcher | None = None,
    checkpoint: Callable[[tuple[Epoch, ...]], None] | None = None,
    stop: threading.Event | None = None,
) -> Fitted:
    """Train `model` in place.

    The weights of the lowest validation loss are restored where `patience` is given or a signal ends the
    training; otherwise the last ones are kept, which a falling learning rate makes the best.

    SIGINT and SIGTERM end it after the batch at hand, see `signals_noted`.

    Args:
        model: a built, uncompiled `keras.Model`.
        dataset: its `train` and `validation` parts are used.
        recipe: how to train.
        seed: decides order and changes of the pictures; the weights' own draw is the caller's.
        patience: stop after so many epochs without a lower validation loss.
        watcher: told of every batch and epoch.
        checkpoint: called after every epoch with the history so far.
        stop: ends it once it is set, for a caller that notes signals itself.
    Raises:
        OnsightError: the loss became NaN or infinite.
    """
    keras = load_keras()
    batches = Batches(dataset.train, len(dataset.classes), recipe, seed)
    model.compile(
        optimizer=_optimizer(keras, recipe, batches.per_epoch),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,  # XLA is slower than TensorFlow's own kernels on a CPU
    )
    with signals_noted() if stop is None else nullcontext(stop) as noted:
        loop = _loop(keras, model, noted, patience, watcher, checkpoint)
        started = time.monotonic()
        with warnings.catch_warnings():
            # that a generator is not shuffled by Keras: it is not meant to be
            warnings.filterwarnings("ignore", message="`shuffle=True` was passed")
            model.fit(
                batches.stream(recipe.epochs),
                steps_per_epoch=batches.per_epoch,
                epochs=recipe.epochs,
                validation_data=(
                    dataset.validation.images,
                    one_hot(dataset.validation.labels, len(dataset.classes)),
                ),
                validation_batch_size=256,
                callbacks=[loop],
                verbose=0,
            )
        seconds = time.monotonic() - started
    history = tuple(loop.history)
    if loop.diverged:
        raise OnsightError(
            f"training diverged: the loss became {loop.diverged} in epoch {len(history) + 1}; try a lower --lr than "
            f"{recipe.lr:g}"
        )
    kept = history[-1].epoch
    if patience is not None or noted.is_set():
        model.set_weights(loop.best)
        kept = loop.best_epoch
    return Fitted(history, kept, noted.is_set(), loop.stopped_early, seconds)


def write_history(path: Path, history: tuple[Epoch, ...]) -> None:
    """Write history.csv, one line an epoch, whole or not at all."""
    names = [field.name for field in fields(Epoch)]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in history:
            values = asdict(row)
            writer.writerow({k: round(v, 6) if isinstance(v, float) else int(v) for k, v in values.items()})


def _optimizer(keras: Any, recipe: Recipe, steps_per_epoch: int) -> Any:
    rate: Any = recipe.lr
    total = recipe.epochs * steps_per_epoch
    if recipe.cosine:
        warmup = min(int(recipe.warmup_epochs * steps_per_epoch), total // 5)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else recipe.lr,
            decay_steps=max(1, total - warmup),
            warmup_target=recipe.lr if warmup else None,
            warmup_steps=warmup,
        )
    decay = recipe.weight_decay or None
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
    else:
        optimizer = keras.optimizers.Adam(rate, weight_decay=decay)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _loop(
    keras: Any,
    model: Any,
    stop: threading.Event,
    patience: int | None,
    watcher: Watcher | None,
    checkpoint: Callable[[tuple[Epoch, ...]], None] | None,
) -> Any:
    # keras.callbacks.Callback exists only once Keras is loaded
    class Loop(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.history: list[Epoch] = []
            self.best: Weights = []
            self.best_epoch = 0
            self.lowest = math.inf
            self.stopped_early = False
            self.diverged = ""
            self.started = 0.0

        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.started = time.monotonic()

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            logs = logs or {}
            loss = float(logs["loss"])
            if not math.isfinite(loss):
                self.diverged = str(loss)
                model.stop_training = True
            elif watcher:
                watcher.batch(len(self.history), batch, loss, float(logs["accuracy"]))
            if stop.is_set():
                model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            logs = logs or {}
            if self.diverged:
                return
            if not math.isfinite(logs["val_loss"]):
                self.diverged = str(float(logs["val_loss"]))
                model.stop_training = True
                return
            row = Epoch(
                epoch=epoch + 1,
                loss=float(logs["loss"]),
                accuracy=float(logs["accuracy"]),
                val_loss=float(logs["val_loss"]),
                val_accuracy=float(logs["val_accuracy"]),
                lr=float(np.asarray(keras.ops.convert_to_numpy(model.optimizer.learning_rate))),
                seconds=time.monotonic() - self.started,
                whole=not stop.is_set(),
            )
            self.history.append(row)
            if row.val_loss < self.lowest:
                self.lowest, self.best_epoch, self.best = row.val_loss, row.epoch, model.get_weights()
            elif patience is not None and row.epoch - self.best_epoch >= patience:
                self.stopped_early = True
                model.stop_training = True
            if watcher:
                watcher.epoch(row)
            if checkpoint:
                checkpoint(tuple(self.history))

    return Loop()


@contextmanager
def signals_noted() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets; a second SIGINT raises KeyboardInterrupt.

    Handlers are set only when called from the main thread.
    """
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        if noted.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        noted.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
