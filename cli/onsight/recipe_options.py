"""The flags of `onsight train` that change one part of a recipe each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from onsight.options import FiniteRange

# each of these options is the recipe's field of the same name
RECIPE_FIELDS = (
    "epochs", "batch", "lr", "weight_decay", "clip_norm", "ema", "label_smoothing", "class_weights", "dropout", "flip",
    "pad", "colour", "cutout", "mixup", "cutmix", "mixed_precision", "distill", "temperature",
)  # fmt: skip


def recipe_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Flags that change one field of the recipe each."""
    positive, share = FiniteRange(0, min_open=True), FiniteRange(0, 1, max_open=True)
    from_zero = FiniteRange(0)
    options = [
        click.option("--epochs", type=click.IntRange(1), help="Passes over the training pictures."),
        click.option("--batch", type=click.IntRange(1), help="Pictures per step."),
        click.option("--lr", type=positive, help="Learning rate, the highest one."),
        click.option(
            "--weight-decay", type=from_zero, help="Share of every kernel taken off per step, times the rate."
        ),
        click.option("--clip-norm", type=from_zero, help="Scale gradients down to this norm; 0 does not."),
        click.option(
            "--ema", type=share, help="Decay per step of averaged weights, 0.999 for instance; 0 averages none."
        ),
        click.option("--label-smoothing", type=share, help="Share of the target spread over all classes."),
        click.option(
            "--class-weights/--no-class-weights", default=None, help="Let rare classes count as much as others."
        ),
        click.option("--dropout", type=share, help="Share of the last hidden features left out while training."),
        click.option("--flip/--no-flip", default=None, help="Mirror half of the pictures; not for text and digits."),
        click.option("--pad", type=click.IntRange(0), help="Shift pictures by up to so many pixels."),
        click.option("--colour", type=FiniteRange(0, 1), help="Strength of random brightness, contrast, saturation."),
        click.option("--cutout", type=click.IntRange(0), help="Cover a square of so many pixels."),
        click.option("--mixup", type=from_zero, help="Blend pairs of pictures; alpha of the Beta distribution."),
        click.option("--cutmix", type=from_zero, help="Exchange rectangles between pictures; alpha likewise."),
        click.option("--mixed-precision/--no-mixed-precision", default=None, help="Compute in 16 bits, on a GPU only."),
        click.option("--distill", type=FiniteRange(0, 1), help="Share of the loss that the teacher's answers make."),
        click.option("--temperature", type=positive, help="How much the teacher's answers are softened."),
    ]
    for option in reversed(options):
        function = option(function)
    return function
