"""How many unknown things pass as known ones, and what it costs in known ones that are refused.

For every variant and every way of scoring, the threshold that accepts a share of the validation pictures is fitted as
export does it, then judged on all test pictures and on pictures of no known class. All scores come from the
probabilities that a file gives: logits, which an energy score needs (Liu et al. 2020), are not in its output.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_edge.bundle import Bundle, open_model
from onsight_edge.classifier import Classifier
from onsight_edge.datasets import load_dataset
from onsight_edge.errors import DataError, UsageError
from onsight_edge.images import SUFFIXES, read_image
from onsight_edge.preprocess import Preprocessor
from onsight_edge.spec import ModelSpec

SHARE = 0.95
CUTS = 50  # of each photograph
_LEAST_VALIDATION = 1000
Scores = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def _maximum(scores: Scores) -> NDArray[np.float64]:
    return np.asarray(scores.max(axis=1), np.float64)


def _margin(scores: Scores) -> NDArray[np.float64]:
    ordered = np.sort(scores, axis=1).astype(np.float64)
    return np.asarray(ordered[:, -1] - ordered[:, -2], np.float64)


def _entropy(scores: Scores) -> NDArray[np.float64]:
    sure = np.clip(scores.astype(np.float64), 1e-12, 1)
    return np.asarray((sure * np.log(sure)).sum(axis=1), np.float64)


# higher: more likely known
WAYS: dict[str, Callable[[Scores], NDArray[np.float64]]] = {
    "maximum": _maximum,
    "margin": _margin,
    "negative entropy": _entropy,
}
STORED = "maximum, with the stored threshold"


def above(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> float:
    """How often a known picture scores above an unknown one, ties counted as half: the area under the ROC curve."""
    ordered = np.sort(unknown)
    below = np.searchsorted(ordered, known, "left") + np.searchsorted(ordered, known, "right")
    return float(below.mean() / 2 / len(unknown))


def measure(
    models: tuple[str | Path, ...],
    unknown: dict[str, str],
    *,
    data: str = "cifar10",
    variants: tuple[str, ...] = (),
    share: float = SHARE,
    validation: float = 0.1,
    seed: int = 0,
) -> Report:
    """Measure false accepts and false rejects.

    Args:
        models: bundles, or `default`.
        unknown: name -> a data set of no known class, whose test part is used, or a folder of photographs, to be cut.
        data: the data set of the known classes.
        variants: of the bundles; all where none is named.
        share: of the validation pictures that a threshold accepts.
        validation: the fraction of the training pictures that validate. With the run's own fraction and seed they are
            those that it did not train on; with others some are not, and the thresholds come out too high.
        seed: of which pictures validate and of the cuts.

    Raises:
        UsageError: nothing to compare with. DataError, ModelError: the pictures or a model cannot be used.
    """
    if not unknown or not models:
        raise UsageError("name a model, and at least one --unknown NAME=DATA")
    if not 0 < share <= 1:
        raise UsageError(f"--share must be above 0 and up to 1, not {share}")
    known = load_dataset(data, validation=validation, seed=seed)
    watch = Watch()
    described: dict[str, Any] = {}
    results: dict[str, Any] = {}
    counts: dict[str, int] = {}
    targets: list[Target] = []
    for model in models:
        for variant in _variants(model, variants):
            with Classifier.open(model, variant=variant) as opened:
                spec = opened.spec
                file = open_model(model, variant=variant)
                classifier = opened.with_spec(replace(spec, threshold=0.0))
                fitting = classifier.scores(known.validation.images)
                test = classifier.scores(known.test.images)
                strange = {name: classifier.scores(_pictures(where, spec, seed)) for name, where in unknown.items()}
            name = f"{spec.name} {file.variant}"
            described[name] = describe_model(file)
            counts |= {name: len(scores) for name, scores in strange.items()}
            right = test.argmax(axis=1) == known.test.labels
            results[name] = {
                "accuracy": round(float(right.mean()), 6),
                "stored_threshold": spec.threshold,
                "scores": {
                    way: _judge(score, _fitted(score(fitting), share), test, right, strange)
                    for way, score in WAYS.items()
                },
            }
            if spec.threshold:
                results[name]["scores"][STORED] = _judge(_maximum, spec.threshold, test, right, strange)
            refused = results[name]["scores"][STORED if spec.threshold else "maximum"]["false_rejects"]
            targets.append(Target(f"{name}: test pictures refused", refused, 1 - share + 0.015))
    return finish(
        "unknowns",
        watch,
        method={
            "models": described,
            "data": data,
            "validation_pictures": len(known.validation),
            "test_pictures": len(known.test),
            "unknown_pictures": counts,
            "cuts_a_photograph": CUTS,
            "share": share,
            "seed": seed,
        },
        results=results,
        targets=tuple(targets),
        objections=() if len(known.validation) >= _LEAST_VALIDATION else ("too few validation pictures",),
        timed=False,
    )


def _variants(model: str | Path, wanted: tuple[str, ...]) -> tuple[str | None, ...]:
    if model == "default":
        return (None,)
    return wanted or tuple(Bundle.open(Path(model)).variants)


def _pictures(where: str, spec: ModelSpec, seed: int) -> Pixels:
    """(N, height, width, channels) uint8 of no known class, as the model sees them."""
    folder = Path(where)
    shots = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not shots:
        found = load_dataset(where, size_wh=spec.input_size_wh, colour=spec.colour, resize=spec.resize)
        if not len(found.test):
            raise DataError(f"{where} has no test pictures")
        return found.test.images
    preprocess, rng = Preprocessor(spec), np.random.default_rng(seed)
    return np.stack([preprocess.pixels(cut).copy() for path in shots for cut in _cuts(read_image(path), rng)])


def _cuts(image: Pixels, rng: np.random.Generator) -> list[Pixels]:
    """The whole photograph, and parts of it that are a half to the whole as wide and high."""
    height, width = image.shape[:2]
    found = [image]
    for size in rng.uniform(0.5, 1.0, CUTS - 1):
        high, wide = round(height * size), round(width * size)
        top, left = int(rng.integers(0, height - high + 1)), int(rng.integers(0, width - wide + 1))
        found.append(image[top : top + high, left : left + wide])
    return found


def _fitted(known: NDArray[np.float64], share: float) -> float:
    return float(np.sort(known)[min(int((1 - share) * len(known) + 1e-9), len(known) - 1)])


def _judge(
    score: Callable[[Scores], NDArray[np.float64]],
    threshold: float,
    test: Scores,
    right: NDArray[np.bool_],
    strange: dict[str, Scores],
) -> dict[str, Any]:
    known = score(test)
    accepted = known >= threshold
    return {
        "threshold": round(threshold, 6),
        "false_rejects": round(float(1 - accepted.mean()), 4),
        "accuracy_accepted": round(float(right[accepted].mean()), 4) if accepted.any() else None,
        "false_accepts": {name: round(float((score(one) >= threshold).mean()), 4) for name, one in strange.items()},
        "known_above_unknown": {name: round(above(known, score(one)), 4) for name, one in strange.items()},
    }


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("models", nargs="*", default=["default"], help="bundles; default: the shipped model")
    parser.add_argument(
        "--unknown", action="append", default=[], metavar="NAME=DATA", help="a data set, or a folder of photographs"
    )
    parser.add_argument("--data", default="cifar10", help="the data set of the known classes (%(default)s)")
    parser.add_argument("--variants", default="", help="comma-separated; default: all of a bundle's")
    parser.add_argument("--share", type=float, default=SHARE, help="of known pictures to accept (%(default)s)")
    parser.add_argument("--validation", type=float, default=0.1, help="the run's fraction that validates (%(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, help="the run's, of which pictures validate; of the cuts (%(default)s)"
    )
    options = parser.parse_args()
    pairs = [pair.partition("=") for pair in options.unknown]
    if any(not where for _, _, where in pairs):
        raise UsageError("--unknown takes NAME=DATA")
    report = measure(
        tuple(options.models),
        {name: where for name, _, where in pairs},
        data=options.data,
        variants=tuple(filter(None, options.variants.split(","))),
        share=options.share,
        validation=options.validation,
        seed=options.seed,
    )
    lines = []
    for name, one in report.results.items():
        lines.append(f"{name}: accuracy {one['accuracy']:.2%}, stored threshold {one['stored_threshold']:g}")
        for way, found in one["scores"].items():
            passed = ", ".join(
                f"{kind} {taken:.1%} accepted (AUROC {found['known_above_unknown'][kind]:.3f})"
                for kind, taken in found["false_accepts"].items()
            )
            lines.append(f"  {way}: known refused {found['false_rejects']:.2%}; {passed}")
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
