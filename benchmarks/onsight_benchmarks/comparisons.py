"""Which measurements of one run are compared with each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onsight_benchmarks.measurement import STAGES, Measurement
from onsight_benchmarks.record import Comparison
from onsight_benchmarks.rounds import Block
from onsight_benchmarks.stats import paired_ratio


def compare_all(measurements: Sequence[Measurement], rounds: Sequence[Sequence[Block]], seed: int) -> list[Comparison]:
    """LiteRT's int8 file, at each number of threads and batch, against its float32 one and ONNX Runtime's two."""
    found: list[Comparison] = []
    by_key = {(m.model.variant, m.backend.name, m.backend.threads, m.batch): i for i, m in enumerate(measurements)}
    for (variant, backend, threads, batch), of in by_key.items():
        if (variant, backend) != ("tflite-int8", "litert"):
            continue
        for other in (
            ("tflite-float32", "litert"),
            ("onnx-int8", "onnxruntime"),
            ("onnx-float32", "onnxruntime"),
            ("tflite-int8", "tflite-runtime"),
        ):
            to = by_key.get((*other, threads, batch))
            if to is None:
                continue
            for stage in ("inference", "end_to_end"):
                column = STAGES.index(stage)
                ratio = paired_ratio(
                    [float(np.median(block[:, column])) for block in rounds[of]],
                    [float(np.median(block[:, column])) for block in rounds[to]],
                    seed,
                )
                found.append(Comparison(measurements[of].label, measurements[to].label, stage, ratio))
    return found
