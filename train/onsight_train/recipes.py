"""How a network is trained: a recipe is all that decides it beside the data, the network and the seed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from onsight_edge.errors import ModelError, UsageError

Optimizer = Literal["adam", "sgd"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything about a training that can be written down.

    Attributes:
        name: what `--recipe` takes.
        epochs: passes over the training pictures.
        batch: pictures per step; those of one epoch differ by one at most, so that none is left over.
        lr: learning rate, the highest one where it changes.
        optimizer: `adam`, or `sgd` with Nesterov momentum 0.9.
        weight_decay: share of every kernel taken off per step, times the learning rate; biases and batch norm
            are left alone.
        warmup_epochs: the learning rate rises linearly from 0 over these.
        cosine: the learning rate falls to 0 along half a cosine; otherwise it stays.
        label_smoothing: share of the target spread evenly over all classes.
        flip: mirror half of the pictures.
        pad: shift pictures by up to this many pixels each way, mirrored borders filling the gap.
        cutout: side in pixels of a grey square laid over each picture; 0 lays none.
    """

    name: str
    epochs: int
    batch: int
    lr: float
    optimizer: Optimizer = "adam"
    weight_decay: float = 0.0
    warmup_epochs: float = 0.0
    cosine: bool = False
    label_smoothing: float = 0.0
    flip: bool = False
    pad: int = 0
    cutout: int = 0

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch", 1), ("pad", 0), ("cutout", 0)):
            if getattr(self, name) < low:
                raise UsageError(f"--{name} must be at least {low}, not {getattr(self, name)}")
        if not 0 < self.lr < float("inf"):
            raise UsageError(f"--lr must be a positive number, not {self.lr}")

    @property
    def augments(self) -> bool:
        """Whether the network sees changed pictures, which makes its training accuracy look lower."""
        return self.flip or self.pad > 0 or self.cutout > 0

    def with_overrides(self, *, epochs: int | None = None, batch: int | None = None, lr: float | None = None) -> Recipe:
        """This recipe with what the caller chose otherwise.

        Raises:
            UsageError: a value makes no sense.
        """
        given = {"epochs": epochs, "batch": batch, "lr": lr}
        return replace(self, **{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return asdict(self)


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe("tutorial", epochs=10, batch=32, lr=1e-3),
            Recipe(
                "standard",
                epochs=50,
                batch=128,
                lr=0.1,
                optimizer="sgd",
                # decoupled: momentum 0.9 makes a coupled L2 of 2e-4 (MLPerf Tiny's) ten times as strong
                weight_decay=2e-3,
                warmup_epochs=2,
                cosine=True,
                flip=True,
                pad=4,
            ),
        )
    }
)


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        ModelError: there is none; the message lists the known ones and the closest.
    """
    if name in RECIPES:
        return RECIPES[name]
    close = difflib.get_close_matches(name.lower(), RECIPES, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ModelError(f"unknown recipe {name!r}: {hint}known are {', '.join(RECIPES)}")
