"""What `Classifier.classify` costs beside a bare script's resize + set_tensor + invoke + get_tensor.

Both run in one process on the same 640x480 frame and take turns in short blocks (see onsight_benchmarks.rounds); the
ratio is the median of the ratios of the blocks' medians, with a bootstrap interval. The bare script resizes with
OpenCV's default and leaves the colours in BGR order: it is as fast as a script can be, not as right. `bare_rgb` adds
the colour conversion that a right answer needs.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.rounds import BLOCK, SETTLE_CALLS, SETTLE_MS, WARMUP, measure_rounds, timed_call
from onsight_benchmarks.stats import paired_ratio, summarise
from onsight_edge.bundle import ModelFile, open_model
from onsight_edge.classifier import Classifier
from onsight_edge.errors import MissingExtraError

MOST_RATIO = 1.10
ITERATIONS = 2000


def bare_call(file: ModelFile, frame: NDArray[np.uint8], *, rgb: bool) -> Callable[[], object]:
    """What a script without onsight would do with the frame.

    Args:
        file: a .tflite model of one NHWC input.
        frame: (H, W, 3) uint8 BGR.
        rgb: convert the colours too.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError("ai-edge-litert", "", "the bare script") from error
    interpreter = Interpreter(model_content=file.data, num_threads=1)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    index_in, index_out, dtype = given["index"], answer["index"], np.dtype(given["dtype"])
    size_wh = file.spec.input_size_wh

    def call() -> object:
        small = cv2.resize(frame, size_wh)
        if rgb:
            small = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
        batch = small[np.newaxis] if dtype == np.uint8 else small[np.newaxis].astype(dtype)
        interpreter.set_tensor(index_in, batch)
        interpreter.invoke()
        return interpreter.get_tensor(index_out)

    return call


def measure(
    model: str | Path = "default",
    *,
    variant: str | None = None,
    iterations: int = ITERATIONS,
    image: Path | None = None,
    seed: int = 0,
) -> Report:
    """Measure the overhead.

    Args:
        model, variant: a .tflite model; `default` is the shipped one.
        iterations: calls of each side.
        image, seed: of the frame, see `make_frame`.
    """
    frame, picture = make_frame(image, seed)
    file = open_model(model, variant=variant, model_format="tflite" if variant is None else None)
    with Classifier.open(model, variant=file.variant if file.bundle else None, backend="litert", threads=1) as one:
        calls: dict[str, Callable[[], object]] = {
            "classify": lambda: one.classify(frame),
            "bare": bare_call(file, frame, rgb=False),
            "bare_rgb": bare_call(file, frame, rgb=True),
        }
        for call in calls.values():
            for _ in range(WARMUP):
                call()
        watch = Watch(busy=True)
        rounds = measure_rounds(
            [timed_call(call) for call in calls.values()], iterations=iterations, rng=random.Random(seed)
        )
    taken = {name: np.concatenate(blocks)[:, 0] / 1e6 for name, blocks in zip(calls, rounds, strict=True)}
    medians = {name: [float(np.median(block)) for block in blocks] for name, blocks in zip(calls, rounds, strict=True)}
    ratio = paired_ratio(medians["classify"], medians["bare"], seed)
    return finish(
        "overhead",
        watch,
        method={
            "model": describe_model(file),
            "threads": 1,
            "picture": picture,
            "seed": seed,
            "warmup": WARMUP,
            "rounds": len(rounds[0]),
            "block": BLOCK,
            "settle_calls": SETTLE_CALLS,
            "settle_ms": SETTLE_MS,
        },
        results={
            "latency_ms": {name: summarise(values, digits=6) for name, values in taken.items()},
            "ratio_to_bare": ratio,
            "ratio_to_bare_rgb": paired_ratio(medians["classify"], medians["bare_rgb"], seed),
        },
        targets=(Target("classify over the bare script, p50", ratio.median, MOST_RATIO),),
    )


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="default", help="a .tflite model or a bundle; default: the shipped")
    parser.add_argument("--variant", help="which of a bundle's TFLite variants")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="calls of each side (%(default)s)")
    parser.add_argument("--image", type=Path, help="a picture in place of the synthetic frame")
    parser.add_argument("--seed", type=int, default=0, help="of the order and the synthetic frame")
    options = parser.parse_args()
    report = measure(
        options.model,
        variant=options.variant,
        iterations=max(1, options.iterations),
        image=options.image,
        seed=options.seed,
    )
    lines = [
        f"{name}: p50 {one.p50 * 1e3:.1f} us, p90 {one.p90 * 1e3:.1f} us, p99 {one.p99 * 1e3:.1f} us"
        for name, one in report.results["latency_ms"].items()
    ]
    lines.append(f"classify / bare {report.results['ratio_to_bare']}")
    lines.append(f"classify / bare_rgb {report.results['ratio_to_bare_rgb']}")
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
