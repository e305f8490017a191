"""Is int8 faster than float32 here? Asked after every export, since it often is not, and nobody looks."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

_CALLS = 50  # a first answer in a second or two; `onsight bench` is for figures


def int8_over_float32(bundle: Path, variants: Collection[str]) -> dict[str, float]:
    """How long an inference takes in int8, over that in float32: medians, in turns in this process, one thread.

    Args:
        bundle: a folder or a zip.
        variants: those in it.

    Returns:
        Format -> ratio, for each format that has both.

    Raises:
        ModelError, BackendError: a file cannot be opened or executed.
    """
    from onsight_benchmarks.parity.timing import measure_times
    from onsight_edge.classifier import Classifier

    ratios: dict[str, float] = {}
    for model_format in ("tflite", "onnx"):
        pair = [f"{model_format}-{kind}" for kind in ("int8", "float32")]
        if not set(pair) <= set(variants):
            continue
        with Classifier.open(bundle, variant=pair[0]) as quantized, Classifier.open(bundle, variant=pair[1]) as real:
            of_int8, of_float32 = measure_times([quantized, real], iterations=_CALLS).inference_ms
        ratios[model_format] = round(of_int8.p50 / of_float32.p50, 3)
    return ratios
