"""How a network is trained: a recipe is all that decides it beside the data, the network and the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from onsight_edge.errors import UsageError
from onsight_train.names import find_named

Optimizer = Literal["adam", "sgd"]
OPTIMIZERS: tuple[Optimizer, ...] = ("adam", "sgd")
TEACHER_SHARE = 0.9  # of the loss, where there is a teacher and nothing else was asked for

_INTEGERS = {"epochs": 1, "batch": 1, "pad": 0, "cutout": 0}  # and their lowest values
_SHARES = ("label_smoothing", "ema", "dropout")  # 0 up to, not including, 1
_NOT_NEGATIVE = ("weight_decay", "warmup_epochs", "mixup", "cutmix", "clip_norm")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything about a training that can be written down; a default leaves its thing off.

    What each does, where it comes from and when to use it: docs/recipes.md.

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
        colour: strength 0..1 of random brightness, contrast and saturation.
        mixup: alpha of the Beta distribution that pictures are blended by.
        cutmix: alpha of the Beta distribution that rectangles are exchanged by.
        clip_norm: the gradients together are scaled down to this norm.
        ema: decay per step of the averaged weights, 0.999 for instance.
        class_weights: weigh pictures by how rare their class is, 1 on the average.
        dropout: share of the last hidden features left out while training.
        mixed_precision: compute in 16 bits, on a GPU only.
        distill: share of the loss that comes from a teacher's answers; 0 without a teacher.
        temperature: both answers are softened by this for distillation.

    Raises:
        UsageError: a value makes no sense; the message names the flag.
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
    colour: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    class_weights: bool = False
    dropout: float = 0.0
    mixed_precision: bool = False
    distill: float = 0.0
    temperature: float = 4.0

    def __post_init__(self) -> None:
        # written so that NaN, which compares false with everything, is refused
        for name, low in _INTEGERS.items():
            self._require(name, getattr(self, name) >= low, f"at least {low}")
        for name in ("lr", "temperature"):
            self._require(name, 0 < getattr(self, name) < float("inf"), "a positive number")
        for name in _NOT_NEGATIVE:
            self._require(name, 0 <= getattr(self, name) < float("inf"), "0 or a positive number")
        for name in _SHARES:
            self._require(name, 0 <= getattr(self, name) < 1, "at least 0 and less than 1")
        for name in ("colour", "distill"):
            self._require(name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        self._require("optimizer", self.optimizer in OPTIMIZERS, " or ".join(OPTIMIZERS))

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise UsageError(f"--{name.replace('_', '-')} must be {expected}, not {getattr(self, name)}")

    @property
    def augments(self) -> bool:
        """Whether the network sees changed pictures, which makes its training accuracy look lower."""
        return self.flip or max(self.pad, self.cutout, self.colour, self.mixup, self.cutmix) > 0

    def with_overrides(self, **given: Any) -> Recipe:
        """This recipe with what the caller chose otherwise.

        Args:
            given: any attribute; None leaves it as it is.

        Raises:
            UsageError: a value makes no sense.
            TypeError: there is no such attribute.
        """
        return replace(self, **{key: value for key, value in given.items() if value is not None})

    def with_teacher(self) -> Recipe:
        """This recipe for a training that has a teacher: `distill` as it is, or `TEACHER_SHARE` where it is 0."""
        return self if self.distill else replace(self, distill=TEACHER_SHARE)

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return asdict(self)


_STANDARD = Recipe(
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
)

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe("tutorial", epochs=10, batch=32, lr=1e-3),
            _STANDARD,
            # no more noise than `standard` has: a network this small lacks capacity, not regularisation
            replace(_STANDARD, name="best", epochs=120, warmup_epochs=5, ema=0.999),
        )
    }
)


# Without batch norm SGD at 0.1 learns slowly for long, and at lower rates still more slowly than Adam (Bjorck 2018 on
# why normalised networks take higher rates). Nine tenths of its weights are in one dense layer, which overfits.
_UNNORMALISED: Mapping[str, Any] = {"optimizer": "adam", "lr": 2e-3, "weight_decay": 0.02, "dropout": 0.3}
_OWN: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("standard", "seed-cnn"): {**_UNNORMALISED, "epochs": 30},
    ("best", "seed-cnn"): _UNNORMALISED,
}


def find_recipe(name: str, arch: str | None = None) -> Recipe:
    """The recipe called `name`.

    Args:
        name: as typed.
        arch: name of the architecture it is for. Some need another learning rate; None gives the general recipe.

    Raises:
        ModelError: there is none; the message lists the known ones and the closest.
    """
    recipe = find_named("recipe", name, RECIPES)
    return recipe.with_overrides(**_OWN.get((name, arch or ""), {}))
