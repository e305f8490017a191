"""Which learning rate to begin with: a short sweep from far too small to far too large (Smith 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import OnsightError, UsageError
from onsight_edge.files import atomic_path
from onsight_train.augment import Batches
from onsight_train.frameworks import load_keras, load_pyplot
from onsight_train.objective import make_loss
from onsight_train.optimizer import make_optimizer
from onsight_train.recipes import Recipe

_MEMORY = 0.9  # of the smoothed loss, per batch
_DIVERGED = 2.0  # times the lowest smoothed loss
_BELOW = 3.0  # the suggestion is the rate of the lowest loss divided by this
_CLEAR = 0.05  # share by which the loss must have fallen
_FEWEST = 10  # batches that a sweep can be read from


@dataclass(frozen=True, slots=True)
class RateSweep:
    """What a sweep over learning rates found.

    Attributes:
        rates: learning rate of each batch, rising.
        losses: smoothed loss after each batch; as many.
        suggestion: the learning rate to train with.
        lowest: the learning rate at which the smoothed loss was lowest.
        diverged: the loss exploded, so that rates above the last one were not tried.
        clear: the loss fell by 5 % at least; otherwise the batches were too few for this network, and the suggestion
            is little better than a guess.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float
    lowest: float
    diverged: bool
    clear: bool

    def to_json(self) -> dict[str, Any]:
        """The sweep as JSON values."""
        return asdict(self)


def find_rate(
    build: Callable[[], Any],
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    *,
    batches: int = 100,
    low: float = 1e-5,
    high: float = 10.0,
    watcher: Callable[[int], None] | None = None,
) -> RateSweep:
    """Train a fresh network for a few batches while the learning rate rises exponentially from `low` to `high`.

    The pictures, the optimizer and the loss are the recipe's; only its learning rate is not used. Keras's random state
    is set to `seed`.

    Args:
        build: makes the network, uncompiled.
        dataset: its training part is used.
        recipe: how to train.
        seed: decides weights, order and changes.
        batches: how many steps.
        low: learning rate of the first batch.
        high: learning rate of the last batch.
        watcher: told the number of batches done.

    Raises:
        UsageError: the range or the number of batches makes no sense.
        OnsightError: the loss is no number from the start.
    """
    if not 0 < low < high < math.inf:
        raise UsageError(f"learning rates are swept from a low one to a higher one, not from {low:g} to {high:g}")
    if batches < _FEWEST:
        raise UsageError(f"a sweep needs at least {_FEWEST} batches, not {batches}")
    keras = load_keras()
    keras.utils.set_random_seed(seed)
    model, classes = build(), len(dataset.classes)
    source = Batches(dataset.train, classes, recipe, seed)
    steady = replace(recipe, lr=low, cosine=False)
    model.compile(
        optimizer=make_optimizer(steady, source.per_epoch), loss=make_loss(recipe, classes), jit_compile=False
    )
    rates = [low * (high / low) ** (i / (batches - 1)) for i in range(batches)]
    losses: list[float] = []
    epochs = -(-batches // source.per_epoch)
    for rate, (images, targets) in zip(rates, islice(source.stream(epochs), batches), strict=True):
        model.optimizer.learning_rate = rate
        model.reset_metrics()  # which would average over all batches
        losses.append(float(model.train_on_batch(images, targets)))
        if watcher:
            watcher(len(losses))
        if _exploded(smooth(losses)):
            break
    return read_sweep(rates[: len(losses)], losses)


def read_sweep(rates: Sequence[float], losses: Sequence[float]) -> RateSweep:
    """What the loss of every batch says about the learning rate.

    The suggestion is a third of the rate at which the smoothed loss is lowest. There the training is about to break,
    and the smoothing is late by some batches; the usual tenth is meant for a rate that is there from the first step
    on, and recipes warm up to theirs. The steepest slope, the other common choice, jumps about with the noise of
    single batches.

    Args:
        rates: learning rate of each batch, rising.
        losses: unsmoothed loss of each batch, measured before its step; as many.

    Raises:
        OnsightError: fewer than ten finite losses.
    """
    smoothed = smooth(losses)
    diverged = _exploded(smoothed)
    if diverged:  # the last value tells only that it was too much
        smoothed = [loss for loss in smoothed if math.isfinite(loss)]
    if len(smoothed) < _FEWEST:
        raise OnsightError(
            f"no learning rate can be suggested: the loss broke after {len(smoothed)} batches, at a rate of "
            f"{rates[len(losses) - 1]:g}; sweep from a lower one"
        )
    position = min(range(len(smoothed)), key=smoothed.__getitem__)
    lowest = rates[position]
    return RateSweep(
        rates=tuple(rates[: len(smoothed)]),
        losses=tuple(smoothed),
        suggestion=lowest / _BELOW,
        lowest=lowest,
        diverged=diverged,
        clear=smoothed[position] <= (1 - _CLEAR) * max(smoothed[:position], default=0.0),
    )


def smooth(losses: Sequence[float], memory: float = _MEMORY) -> list[float]:
    """The exponential average of all losses up to each, without the pull towards 0 at the beginning (Kingma 2015)."""
    mean, smoothed = 0.0, []
    for count, loss in enumerate(losses, start=1):
        mean = memory * mean + (1 - memory) * loss
        smoothed.append(mean / (1 - memory**count))
    return smoothed


def _exploded(smoothed: Sequence[float]) -> bool:
    return not math.isfinite(smoothed[-1]) or smoothed[-1] > _DIVERGED * min(smoothed)


def draw_sweep(path: Path, sweep: RateSweep, title: str = "") -> None:
    """Draw the smoothed loss over the learning rate, with the suggestion marked.

    Args:
        path: the PNG, whole or not at all.
        sweep: of `find_rate`.
        title: over the plot.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    plt = load_pyplot()
    figure, axes = plt.subplots(figsize=(7, 4.6), dpi=100)
    axes.plot(sweep.rates, sweep.losses, color="#0072b2", label="training loss, smoothed")
    doubt = "" if sweep.clear else ", unclear"
    axes.axvline(sweep.suggestion, color="#d55e00", ls="--", lw=1.5, label=f"suggestion: {sweep.suggestion:.2g}{doubt}")
    axes.axvline(sweep.lowest, color="#888888", ls=":", lw=1, label=f"lowest loss: {sweep.lowest:.2g}")
    axes.set_xscale("log")
    low, first = min(sweep.losses), sweep.losses[0]
    # what exploded would press all that matters flat
    axes.set_ylim(low - 0.1 * first, 1.25 * first)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    axes.set_title(title)
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    plt.close(figure)
