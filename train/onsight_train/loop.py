"""The loop of a training: batches, epochs, validation, and everything that a checkpoint of it holds."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import ModelError
from onsight_train import state
from onsight_train.augment import Answers, Batches
from onsight_train.averaging import WeightAverage
from onsight_train.checkpoint import Checkpoint
from onsight_train.evaluate import predict_scores
from onsight_train.frameworks import load_keras
from onsight_train.history import Epoch
from onsight_train.objective import make_accuracy, make_loss
from onsight_train.optimizer import make_optimizer
from onsight_train.prefetch import prefetched
from onsight_train.recipes import Recipe
from onsight_train.state import Weights

Batch = tuple[NDArray[np.uint8], NDArray[np.float32]]


class Watcher(Protocol):
    """What wants to know how far a training is; the progress bar, for one."""

    def batch(self, epoch: int, index: int, loss: float, accuracy: float) -> None:
        """Batch `index` of epoch `epoch` (both from 0) is done; means over the epoch so far."""

    def epoch(self, row: Epoch) -> None:
        """An epoch is done, or was ended by a signal."""

    def saved(self, epoch: int, index: int, seconds: float) -> None:
        """A checkpoint is written, which took `seconds`; batch `index` of epoch `epoch` comes next (both from 0)."""


class Keeper(Protocol):
    """What puts a training on the disk while it lasts."""

    def due(self) -> bool:
        """Whether it is time for a checkpoint within an epoch."""

    def epoch(self, history: tuple[Epoch, ...], best: bool) -> None:
        """An epoch is done; `best` where its weights, which are in the twin now, have the lowest validation loss."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint."""


class Loop:
    """A training from wherever it stands to its end; see `fit.fit` for the arguments.

    Attributes:
        model: the network that steps change.
        twin: takes the weights of each epoch to judge them.
        epoch: the next batch's, from 0.
        seconds: spent so far.
        history: the epochs that are done.
        best: the weights of the lowest validation loss so far.
        diverged: what the loss became where it is no number any more; else empty.
    """

    def __init__(
        self,
        model: Any,
        twin: Any,
        dataset: Dataset,
        recipe: Recipe,
        seed: int,
        patience: int | None,
        watcher: Watcher | None,
        keeper: Keeper | None,
        teacher: Answers | None,
    ) -> None:
        self.model, self.twin, self._recipe = model, twin, recipe
        self._dataset, self._patience = dataset, patience
        self._watcher, self._keeper = watcher, keeper
        self._batches = Batches(dataset.train, len(dataset.classes), recipe, seed, teacher)
        self._teacher = teacher
        self._average = WeightAverage(recipe.ema) if recipe.ema else None
        self.epoch = self._index = self._seen = 0  # the next batch's, both from 0; pictures of the epoch so far
        self._loss = self._right = 0.0
        self._epoch_seconds = self.seconds = self._clock = 0.0
        self.history: list[Epoch] = []
        self.best: Weights = []
        self.diverged = ""
        keras = load_keras()
        model.compile(
            optimizer=make_optimizer(recipe, self._batches.per_epoch),
            loss=make_loss(recipe, len(dataset.classes), teacher is not None),
            metrics=[make_accuracy(len(dataset.classes))],
            # XLA is slower than TensorFlow's own kernels on a CPU; JAX is nothing without it
            jit_compile=keras.backend.backend() == "jax",
        )
        model.optimizer.build(model.trainable_variables)

    @property
    def best_row(self) -> Epoch:
        """The epoch of the lowest validation loss, the first of equal ones."""
        return min(self.history, key=lambda row: row.val_loss)

    @property
    def out_of_patience(self) -> bool:
        """Whether so many epochs brought no lower validation loss that patience is at its end."""
        if self._patience is None or not self.history:
            return False
        return self.history[-1].epoch - self.best_row.epoch >= self._patience

    @property
    def done(self) -> bool:
        """Whether nothing is left to train."""
        return self.epoch >= self._recipe.epochs or self.out_of_patience

    def current(self) -> Weights:
        """The weights that would be kept if the training ended now."""
        weights: Weights = self._average.weights() if self._average else self.model.get_weights()
        return weights

    def go_on_from(self, start: Checkpoint) -> None:
        """Stand where a training stood.

        Raises:
            ModelError: it was one of another network.
        """
        state.put(self.model, state.unnumbered("state", start.arrays))
        self.best = state.unnumbered("best", start.arrays)
        if self._average:
            average = state.under("average", start.arrays)
            if not average:
                raise ModelError("the checkpoint holds no averaged weights")
            self._average.restore(average)
        self.epoch, self._index, self._seen = start.epoch, start.index, start.seen
        self._loss, self._right = start.loss, start.right
        self._epoch_seconds, self.seconds = start.epoch_seconds, start.seconds
        self.history = list(start.history)

    def run(self, stop: threading.Event) -> None:
        """Train until all is done, patience is out, the loss is no number, or `stop` is set and an epoch judged."""
        if self.done:
            return
        self._clock = time.monotonic()
        self._trace()
        with prefetched(self._batches.stream(self._recipe.epochs, (self.epoch, self._index))) as batches:
            while not self.done and not self.diverged and not (stop.is_set() and self.history):
                self._train(batches, stop)
                if not self.diverged:
                    self._judge()

    def _trace(self) -> None:
        """Let TensorFlow compile one graph of a step, for batches of any size.

        It compiles for the very size it meets first, and for any size when it meets a second one. Left to chance, a
        training that goes on from a checkpoint could run another graph than one that was never interrupted, and round
        differently. JAX and torch treat every size alike, whenever they meet it.
        """
        if load_keras().backend.backend() != "tensorflow":
            return
        kept = state.take(self.model)
        for count in (1, 2):
            if self._teacher:
                self._teacher.scores(self._dataset.train.images[:count])
        images, targets = self._batches.batch(0, 0)
        for count in (1, 2):
            self.model.train_on_batch(images[:count], targets[:count])
        state.put(self.model, kept)

    def _train(self, batches: Iterator[Batch], stop: threading.Event) -> None:
        """The rest of an epoch's batches, or one at least until `stop` is set."""
        while self._index < self._batches.per_epoch and not (stop.is_set() and self._seen):
            images, targets = next(batches)
            self.model.reset_metrics()  # older Keras (3.12, say) goes on averaging over batches
            logs = self.model.train_on_batch(images, targets, return_dict=True)
            loss = float(logs["loss"])
            if not math.isfinite(loss):
                self.diverged = str(loss)
                return
            if self._average:
                self._average.update(self.model)
            self._index += 1
            self._seen += len(images)
            self._loss += loss * len(images)
            self._right += float(logs["accuracy"]) * len(images)
            self._tick()
            if self._watcher:
                means = self._loss / self._seen, self._right / self._seen
                self._watcher.batch(self.epoch, self._index - 1, *means)
            if self._keeper and self._index < self._batches.per_epoch and self._keeper.due():
                self._save()

    def _judge(self) -> None:
        """The end of an epoch: validation, its row, what is kept of it."""
        weights = self.current()
        self.twin.set_weights(weights)
        scores = predict_scores(self.twin, self._dataset.validation.images)
        labels = self._dataset.validation.labels
        # floored as Keras floors it: a score of 0 would be infinitely wrong; NaN stays NaN
        loss = float(-np.log(np.clip(scores[np.arange(len(labels)), labels], 1e-7, 1.0, dtype=np.float64)).mean())
        if not math.isfinite(loss):
            self.diverged = str(loss)
            return
        self._tick()
        whole = self._index == self._batches.per_epoch
        row = Epoch(
            epoch=self.epoch + 1,
            loss=self._loss / self._seen,
            accuracy=self._right / self._seen,
            val_loss=loss,
            val_accuracy=float((scores.argmax(axis=1) == labels).mean()),
            lr=float(np.asarray(load_keras().ops.convert_to_numpy(self.model.optimizer.learning_rate))),
            seconds=self._epoch_seconds,
            whole=whole,
        )
        self.history.append(row)
        is_best = self.best_row is row
        if is_best:
            self.best = weights
        if self._watcher:
            self._watcher.epoch(row)
        if self._keeper:
            self._keeper.epoch(tuple(self.history), is_best)
        if whole:
            self.epoch, self._index, self._seen = self.epoch + 1, 0, 0
            self._loss = self._right = self._epoch_seconds = 0.0
            if self._keeper:
                self._save()

    def _tick(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._clock
        self._epoch_seconds += now - self._clock
        self._clock = now

    def _save(self) -> None:
        assert self._keeper
        began = time.monotonic()
        arrays = {**state.numbered("state", state.take(self.model)), **state.numbered("best", self.best)}
        if self._average:
            arrays |= {f"average/{name}": value for name, value in self._average.state().items()}
        self._keeper.save(
            Checkpoint(
                epoch=self.epoch,
                index=self._index,
                loss=self._loss,
                right=self._right,
                seen=self._seen,
                epoch_seconds=self._epoch_seconds,
                seconds=self.seconds,
                history=tuple(self.history),
                arrays=arrays,
            )
        )
        if self._watcher:
            self._watcher.saved(self.epoch, self._index, time.monotonic() - began)
