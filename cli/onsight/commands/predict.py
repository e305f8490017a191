"""The options of `onsight predict`; what it does stands in `onsight.predicting`."""

from __future__ import annotations

from pathlib import Path

import click

from onsight.options import (
    FiniteRange,
    backend_option,
    json_option,
    looking_options,
    spec_option,
    threads_option,
    variant_option,
)
from onsight.predicting import TOP, predict
from onsight.region import Looking, Roi
from onsight_edge.spec import Flip, Rotate


@click.command("predict")
@click.argument("arguments", nargs=-1, required=True, metavar="[MODEL] IMAGE...")
@click.option("--top", type=click.IntRange(1), default=TOP, show_default=True, help="How many classes to name.")
@click.option("--threshold", type=FiniteRange(0, 1), help="Say `unknown` below this score; default: the model's.")
@variant_option
@backend_option
@threads_option
@spec_option
@looking_options
@json_option
def command(
    arguments: tuple[str, ...],
    top: int,
    threshold: float | None,
    variant: str | None,
    backend: str,
    threads: int,
    spec: Path | None,
    roi: Roi | None,
    rotate: Rotate | None,
    flip: Flip | None,
    as_json: bool,
) -> int:
    """Classify picture files (JPEG, PNG, BMP, WebP) or the pictures in folders.

    Without MODEL the small CIFAR-10 model that ships in the package answers. A picture that cannot be read is
    named on stderr, the others are classified all the same, and the exit status is 1.
    """
    return predict(
        arguments,
        top=top,
        threshold=threshold,
        variant=variant,
        backend=backend,
        threads=threads,
        spec=spec,
        looking=Looking(roi, rotate, flip),
        as_json=as_json,
    )
