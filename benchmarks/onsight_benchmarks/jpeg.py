"""What decoding a 640x480 JPEG costs: in full, and at half, a quarter and an eighth of its size.

OpenCV's decoder, the project's own way (JpegDecoder: header, wholeness, silence, decoding, at the reduction that the
model allows and in full), a binding of libjpeg-turbo where simplejpeg is installed, and the model's bare invoke take
turns in one process, as in onsight_benchmarks.rounds; the ratios are medians of the ratios of the blocks' medians.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import random
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.rounds import BLOCK, SETTLE_CALLS, SETTLE_MS, measure_rounds, timed_call
from onsight_benchmarks.stats import paired_ratio, summarise
from onsight_edge.bundle import open_model
from onsight_edge.errors import UsageError
from onsight_edge.images import decode_image
from onsight_edge.preprocess import Preprocessor
from onsight_edge.sources.jpeg import JpegDecoder
from onsight_edge.sources.source import Health

ITERATIONS = 600
QUALITY = 85
REDUCTIONS = (1, 2, 4, 8)
FULL, OURS, OURS_FULL = "opencv 1/1", "as a source decodes it", "as a sink gets it"
_BINDING = "simplejpeg"


def measure(
    bundle: str | Path = "default",
    *,
    image: Path | None = None,
    quality: int = QUALITY,
    iterations: int = ITERATIONS,
    seed: int = 0,
) -> Report:
    """Measure all ways on one picture.

    Args:
        bundle: a bundle with a `tflite-int8` variant, whose input says how far the picture may be reduced.
        image: a picture file; without one a synthetic picture is drawn.
        quality: 1..100, of the JPEG that is made of it.
        iterations: timed calls of each way.
        seed: of the picture and of the order of timing.

    Raises:
        UsageError: the quality is out of range. ModelError, DataError: no such bundle or picture.
    """
    if not 1 <= quality <= 100:
        raise UsageError(f"a JPEG's quality is 1..100, not {quality}")
    file = open_model(bundle, variant="tflite-int8")
    frame, picture = make_frame(image, seed)
    data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    health = Health()
    decoder = JpegDecoder(health)
    decoder.reduction = Preprocessor(file.spec).reduction
    in_full = JpegDecoder(health)
    ways: dict[str, Callable[[], object]] = {
        **{f"opencv 1/{by}": partial(decode_image, data, reduced_by=by) for by in REDUCTIONS},
        OURS: lambda: decoder.decode(data, 0, 0),
        OURS_FULL: lambda: in_full.decode(data, 0, 0),
        **_binding(data, picture.size_wh),
        "invoke": _invoke(file.data),
    }
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    watch = Watch(busy=True)
    try:
        rounds = measure_rounds(
            [timed_call(call) for call in ways.values()], iterations=iterations, rng=random.Random(seed)
        )
    finally:
        cv2.setNumThreads(threads)
    medians = {name: [float(np.median(block)) for block in blocks] for name, blocks in zip(ways, rounds, strict=True)}
    results: dict[str, Any] = {
        name: {
            "us": summarise(np.concatenate(blocks)[:, 0] / 1e3, digits=3),
            "of_full": paired_ratio(medians[name], medians[FULL], seed),
            "of_invoke": paired_ratio(medians[name], medians["invoke"], seed),
        }
        for name, blocks in zip(ways, rounds, strict=True)
    }
    return finish(
        "jpeg",
        watch,
        method={
            "model": describe_model(file),
            "picture": picture,
            "jpeg_bytes": len(data),
            "quality": quality,
            "reduction": decoder.reduction(picture.size_wh),
            "opencv_threads": 1,
            _BINDING: version(_BINDING) if importlib.util.find_spec(_BINDING) else None,
            "seed": seed,
            "iterations": iterations,
            "block": BLOCK,
            "settle_calls": SETTLE_CALLS,
            "settle_ms": SETTLE_MS,
        },
        results=results,
        targets=(Target("decoding as a source does over decoding in full", results[OURS]["of_full"].median, 1.0),),
        objections=(f"{health.skipped} of the decoded pictures were taken for damaged",) if health.skipped else (),
    )


def _binding(data: bytes, size_wh: tuple[int, int]) -> dict[str, Callable[[], object]]:
    if importlib.util.find_spec(_BINDING) is None:
        return {}
    decode = importlib.import_module(_BINDING).decode_jpeg
    width, height = size_wh
    ways: dict[str, Callable[[], object]] = {
        f"{_BINDING} 1/{by}": partial(
            decode, data, colorspace="BGR", min_width=width // by, min_height=height // by, min_factor=1
        )
        for by in REDUCTIONS
    }
    return ways


def _invoke(model: bytes) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
    invoke: Callable[[], object] = interpreter.invoke
    return invoke


def _table(report: Report) -> list[str]:
    method = report.method
    lines = [f"{method['jpeg_bytes']:,} bytes, quality {method['quality']}; the model allows 1/{method['reduction']}"]
    lines += [
        f"{name:24s} p50 {one['us'].p50:7.1f} us  {one['of_full'].median:6.3f}x of {FULL}  "
        f"{one['of_invoke'].median:6.2f}x of invoke"
        for name, one in report.results.items()
    ]
    if method[_BINDING] is None:
        lines.append(f"{_BINDING} is not installed: pip install {_BINDING}")
    return lines


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("bundle", nargs="?", default="default", help="with a tflite-int8 variant")
    parser.add_argument("--image", type=Path, help="a picture, instead of a drawn one")
    parser.add_argument("--quality", type=int, default=QUALITY, help="of the JPEG (%(default)s)")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="timed calls of each way (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the picture and the order")
    options = parser.parse_args()
    report = measure(
        options.bundle,
        image=options.image,
        quality=options.quality,
        iterations=max(1, options.iterations),
        seed=options.seed,
    )
    return report, options, _table(report)


if __name__ == "__main__":
    run_command(_command)
