"""What `onsight predict` does, apart from its options: nothing here imports what start-up would feel."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onsight_edge.bundle import MANIFEST
from onsight_edge.classifier import Classifier
from onsight_edge.errors import DataError, UsageError
from onsight_edge.files import printable
from onsight_edge.images import SUFFIXES, read_image

if TYPE_CHECKING:
    from onsight.region import Looking

MODEL_SUFFIXES = (".tflite", ".onnx", ".keras")
TOP = 3  # classes named, where nobody asks for another number


def predict(
    arguments: Sequence[str],
    *,
    top: int = TOP,
    threshold: float | None = None,
    variant: str | None = None,
    backend: str = "auto",
    threads: int = 1,
    spec: Path | None = None,
    looking: Looking | None = None,
    as_json: bool = False,
) -> int:
    """Classify the pictures that `arguments` name, after a model or not, and print what they are.

    Args:
        arguments: [MODEL] IMAGE...
        top: how many classes to name.
        threshold: says `unknown` below; None: the model's own.
        variant, backend, threads, spec: see `Classifier.open`.
        looking: another region, turn or flip than the model's own.
        as_json: print one JSON document.

    Returns:
        The exit status: 1 where a picture could not be read.

    Raises:
        OnsightError: the model cannot be used, or no picture is named.
    """
    model = "default"
    if names_a_model(arguments[0]):
        model, *arguments = arguments
        if not arguments:
            raise UsageError(f"no picture named after the model {model}: onsight predict {model} IMAGE...")
    failed = 0
    rows: list[dict[str, Any]] = []
    with Classifier.open(model, variant=variant, backend=backend, threads=threads, spec=spec) as opened:
        classifier = opened
        for path in _pictures(arguments):
            try:
                image = read_image(path)
                if looking is not None:
                    wanted = looking.applied(opened.spec, (image.shape[1], image.shape[0]))
                    classifier = classifier if wanted == classifier.spec else opened.with_spec(wanted)
                prediction, timings = classifier.classify_timed(image)
            except DataError as error:
                print(f"onsight: {error}", file=sys.stderr)
                failed += 1
                continue
            if threshold is not None:
                import dataclasses

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
                print(f"{printable(str(path))}: {'unknown; ' if prediction.rejected else ''}{named}", flush=True)
        if as_json:
            from onsight.main import print_json

            print_json(
                {
                    "model": printable(model),
                    "variant": opened.model.variant if opened.model else "",
                    "backend": f"{opened.backend.name} {opened.backend.version}",
                    "images": rows,
                }
            )
    return 1 if failed else 0


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


def _pictures(arguments: Sequence[str]) -> Iterator[Path]:
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
