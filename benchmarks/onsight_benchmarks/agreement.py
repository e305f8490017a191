"""Whether LiteRT, tflite-runtime and ONNX Runtime give the same top-1 for the same network.

Every picture of a test set goes through the bundle's float and int8 files in each runtime, each in a process of its
own; tflite-runtime in an environment of its own (see onsight_benchmarks.environments). The share of pictures on which
all runtimes of the float files agree is held against 99.5 %.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.child import run_child
from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.environments import TFLITE_RUNTIME, make
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_edge.bundle import DEFAULT_MODEL, Bundle
from onsight_edge.datasets import load_dataset
from onsight_edge.errors import BenchmarkError
from onsight_edge.geometry import view_of

LEAST_AGREEMENT = 0.995
# (variant, backend) of the float files, and of int8 for information
_RUNS = (
    ("tflite-float32", "litert"),
    ("tflite-float32", "tflite-runtime"),
    ("onnx-float32", "onnxruntime"),
    ("tflite-int8", "litert"),
    ("tflite-int8", "tflite-runtime"),
    ("onnx-int8", "onnxruntime"),
)


def measure(bundle: str | Path, data: str = "cifar10", *, limit: int | None = None, legacy: bool = True) -> Report:
    """Measure the agreement.

    Args:
        bundle: with a `tflite-float32` and an `onnx-float32` variant.
        data: a data set; its test pictures are used.
        limit: only so many of them, stratified.
        legacy: include tflite-runtime; made on first use, which takes a minute.

    Raises:
        BenchmarkError: fewer than two runtimes can be compared, or one failed.
        ModelError, DataError: no such bundle or data set.
    """
    path = (DEFAULT_MODEL if str(bundle) == "default" else Path(bundle)).resolve()
    opened = Bundle.open(path)
    spec = opened.spec
    split = load_dataset(
        data, size_wh=spec.input_size_wh, colour=spec.colour, resize=spec.resize, view=view_of(spec), limit=limit
    ).test
    images, labels = split.images, split.labels
    if not len(images):
        raise BenchmarkError(f"{data} has no test pictures to compare on")
    skipped: list[dict[str, str]] = []
    watch = Watch()
    found: dict[str, NDArray[np.int64]] = {}
    versions: dict[str, str] = {}
    pythons = {"litert": sys.executable, "onnxruntime": sys.executable}
    if legacy:
        try:
            pythons["tflite-runtime"] = str(make(TFLITE_RUNTIME))
        except BenchmarkError as error:
            skipped.append({"backend": "tflite-runtime", "reason": str(error)})
    else:
        skipped.append({"backend": "tflite-runtime", "reason": "left out on request"})
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
        pixels, out = Path(folder).resolve() / "pixels.npy", Path(folder).resolve() / "top1.npy"
        np.save(pixels, images)
        for variant, backend in _RUNS:
            if variant in opened.variants and backend in pythons:
                name = f"{variant}/{backend}"
                versions[backend] = run_child(
                    "onsight_benchmarks.top1s",
                    [str(path), variant, backend, str(pixels), str(out)],
                    python=pythons[backend],
                    timeout_s=3600,
                ).strip()
                found[name] = np.load(out, allow_pickle=False)
    floats = [name for name in found if "-float32/" in name]
    if len(floats) < 2:
        raise BenchmarkError(
            f"{path} needs the variants tflite-float32 and onnx-float32 to compare runtimes; "
            f"it has {', '.join(opened.variants)}"
        )
    same = share_same([found[name] for name in floats])
    results: dict[str, Any] = {
        "pictures": len(images),
        "accuracy": {name: round(float(np.mean(top == labels)), 6) for name, top in found.items()},
        "pairs": [
            {"a": a, "b": b, "same": round(share_same([found[a], found[b]]), 6)} for a, b in combinations(found, 2)
        ],
        "float_all_same": round(same, 6),
        "skipped": skipped,
    }
    return finish(
        "agreement",
        watch,
        method={
            "data": Path(data).name,
            "split": "test",
            "models": {name: describe_model(opened.variant(name)) for name in opened.variants},
            "runtimes": versions,
        },
        results=results,
        targets=(
            Target(
                f"share of {len(images)} pictures with the same top-1 in {', '.join(floats)}",
                round(same, 6),
                LEAST_AGREEMENT,
                at_most=False,
            ),
        ),
        objections=tuple(f"{one['backend']} is not among them: {one['reason']}" for one in skipped),
        timed=False,
    )


def share_same(answers: list[NDArray[np.int64]]) -> float:
    """The share of positions where all arrays, (N,) each, hold the same value."""
    first = answers[0]
    agree = np.ones(len(first), bool)
    for other in answers[1:]:
        agree &= other == first
    return float(agree.mean())


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("bundle", help="a bundle with tflite-float32 and onnx-float32")
    parser.add_argument("data", nargs="?", default="cifar10", help="a data set (%(default)s)")
    parser.add_argument("--limit", type=int, help="only so many test pictures")
    parser.add_argument("--no-tflite-runtime", action="store_true", help="leave the legacy runtime out")
    options = parser.parse_args()
    report = measure(options.bundle, options.data, limit=options.limit, legacy=not options.no_tflite_runtime)
    lines = [f"{name}: accuracy {100 * share:.2f} %" for name, share in report.results["accuracy"].items()]
    lines += [f"{pair['a']} = {pair['b']}: {100 * pair['same']:.2f} %" for pair in report.results["pairs"]]
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
