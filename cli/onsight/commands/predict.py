"""`onsight predict`: classify picture files. Imports nothing that start-up would feel."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from onsight.main import print_json
from onsight.options import (
    FiniteRange,
    backend_option,
    json_option,
    names_a_model,
    spec_option,
    threads_option,
    variant_option,
)
from onsight_edge.classifier import Classifier
from onsight_edge.errors import DataError, UsageError
from onsight_edge.files import printable
from onsight_edge.images import SUFFIXES, read_image


@click.command("predict")
@click.argument("arguments", nargs=-1, required=True, metavar="[MODEL] IMAGE...")
@click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="How many classes to name.")
@click.option("--threshold", type=FiniteRange(0, 1), help="Say `unknown` below this score; default: the model's.")
@variant_option
@backend_option
@threads_option
@spec_option
@json_option
def command(
    arguments: tuple[str, ...],
    top: int,
    threshold: float | None,
    variant: str | None,
    backend: str,
    threads: int,
    spec: Path | None,
    as_json: bool,
) -> int:
    """Classify picture files (JPEG, PNG, BMP, WebP) or the pictures in folders.

    Without MODEL the small CIFAR-10 model that ships in the package answers. A picture that cannot be read is
    named on stderr, the others are classified all the same, and the exit status is 1.
    """
    model = "default"
    if names_a_model(arguments[0]):
        model, *arguments_left = arguments
        arguments = tuple(arguments_left)
        if not arguments:
            raise UsageError(f"no picture named after the model {model}: onsight predict {model} IMAGE...")
    failed = 0
    rows: list[dict[str, Any]] = []
    with Classifier.open(model, variant=variant, backend=backend, threads=threads, spec=spec) as classifier:
        for path in _pictures(arguments):
            try:
                prediction, timings = classifier.classify_timed(read_image(path))
            except DataError as error:
                click.echo(f"onsight: {error}", err=True)
                failed += 1
                continue
            if threshold is not None:
                prediction = dataclasses.replace(prediction, rejected=prediction.score < threshold)
            best = prediction.top(top)
            if as_json:
                rows.append(
                    {
                        "file": printable(str(path)),
                        "label": prediction.label,
                        "score": round(prediction.score, 6),
                        "top": [[name, round(score, 6)] for name, score in best],
                        "ms": round(timings.total_ns / 1e6, 4),
                    }
                )
            else:
                named = ", ".join(f"{name} {score:.3f}" for name, score in best)
                click.echo(f"{printable(str(path))}: {'unknown; ' if prediction.rejected else ''}{named}")
        if as_json:
            variant_used = classifier.model.variant if classifier.model else ""
            print_json(
                {
                    "model": printable(model),
                    "variant": variant_used,
                    "backend": backend_name(classifier),
                    "images": rows,
                }
            )
    return 1 if failed else 0


def backend_name(classifier: Classifier) -> str:
    """The backend that really answers, with its version."""
    return f"{classifier.backend.name} {classifier.backend.version}"


def _pictures(arguments: tuple[str, ...]) -> Iterator[Path]:
    for argument in arguments:
        path = Path(argument)
        try:
            entries = list(path.iterdir()) if path.is_dir() else None
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        if entries is not None:
            found = sorted(p for p in entries if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
            if not found:
                raise DataError(f"{path} holds no pictures: expected {', '.join(sorted(SUFFIXES))} files")
            yield from found
        else:
            yield path
