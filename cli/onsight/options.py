"""Arguments and options that several verbs share, so that they are called and described alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from onsight.region import Roi, parse_roi
from onsight_edge.backends import BACKENDS

F = TypeVar("F", bound=Callable[..., object])

MAX_THREADS = 64
MAX_SEED = 2**32 - 1  # NumPy's and Keras's


class FiniteRange(click.FloatRange):
    """A number in a range. nan compares false with every limit, so click's own range lets it through."""

    name = "float range"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; fails on nan and inf."""
        number = float(super().convert(value, param, ctx))  # type: ignore[arg-type]
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


SEED = click.IntRange(0, MAX_SEED)


def gathered(function: F, name: str, kind: type[Any], *options: Callable[[Any], Any]) -> F:
    """Give a command many flags as one argument, so that its signature does not grow with every flag.

    Args:
        function: the command, which has one parameter `name`.
        name: of that parameter.
        kind: a dataclass, one field for each option, under the option's parameter name.
        options: `click.option(...)`, in the order of the help.
    """
    names = [field.name for field in fields(kind)]

    @wraps(function)
    def command(*args: Any, **values: Any) -> object:
        gathered_values = {field: values.pop(field) for field in names}
        return function(*args, **values, **{name: kind(**gathered_values)})

    for option in reversed(options):
        command = option(command)
    return cast(F, command)


def variant_option(function: F) -> F:
    """`--variant`: which file of a bundle."""
    return click.option(
        "--variant",
        metavar="NAME",
        help="Which of the bundle's variants, default: tflite-int8 if it is there, else the next (docs/bundle.md).",
    )(function)


def backend_option(function: F) -> F:
    """`--backend`: what executes the model."""
    return click.option(
        "--backend",
        type=click.Choice(["auto", *BACKENDS]),
        default="auto",
        show_default=True,
        help="What executes the model.",
    )(function)


def threads_option(function: F) -> F:
    """`--threads`: for one inference."""
    return click.option(
        "--threads",
        type=click.IntRange(1, MAX_THREADS),
        default=1,
        show_default=True,
        help="Threads for one inference.",
    )(function)


def spec_option(function: F) -> F:
    """`--spec`: describes a third-party file."""
    return click.option(
        "--spec",
        type=click.Path(path_type=Path, dir_okay=False),
        help="JSON file that describes a third-party model: classes, input, value range (docs/bundle.md).",
    )(function)


def json_option(function: F) -> F:
    """`--json`: one document on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")(function)


def roi_option(function: F) -> F:
    """`--roi`: the part of a frame that is looked at; gives `parse_roi`'s four numbers."""
    return click.option(
        "--roi",
        metavar="X,Y,W,H",
        callback=_parsed_roi,
        help="Look at this part of a frame only: left, top, width, height as shares 0..1, or in pixels.",
    )(function)


def rotate_option(function: F) -> F:
    """`--rotate`: clockwise."""
    return click.option(
        "--rotate",
        type=click.Choice(["0", "90", "180", "270"]),
        callback=lambda context, parameter, value: None if value is None else int(value),
        help="Turn frames by so many degrees clockwise, for a camera that hangs askew.",
    )(function)


def flip_option(name: str) -> Callable[[F], F]:
    """`--flip` after the turn, as the parameter `flip`; `train` calls it by another name, its recipes have a --flip."""
    return click.option(
        name,
        type=click.Choice(["none", "horizontal", "vertical", "both"]),
        help="Mirror frames after the turn; horizontal swaps left and right.",
    )


def looking_options(function: F) -> F:
    """`--roi`, `--rotate` and `--flip`: the three values of a `Looking`."""
    return roi_option(rotate_option(flip_option("--flip")(function)))


def _parsed_roi(context: click.Context, parameter: click.Parameter, value: str | None) -> Roi | None:
    return None if value is None else parse_roi(value)
