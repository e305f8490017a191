"""Arguments and options that several verbs share, so that they are called and described alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from onsight_edge.backends import BACKENDS
from onsight_edge.bundle import MANIFEST

F = TypeVar("F", bound=Callable[..., object])

MODEL_SUFFIXES = (".tflite", ".onnx", ".keras")
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


def names_a_model(argument: str) -> bool:
    """Whether an argument is meant as MODEL rather than as a picture: a bundle, a run, a model file, `default`."""
    path = Path(argument)
    if argument == "default" or path.suffix.lower() in MODEL_SUFFIXES:
        return True
    if argument.rstrip("/").endswith((".bundle", ".bundle.zip")):
        return True
    try:
        return path.is_dir() and ((path / MANIFEST).exists() or (path / "model.keras").exists())
    except OSError:  # too long a name, a folder that may not be entered: reading it will say so
        return False
