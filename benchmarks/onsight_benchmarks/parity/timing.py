"""How long an inference takes in each file of a waterfall, measured in turns in one process, one thread each."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from onsight_benchmarks.conditions import Conditions, Watch
from onsight_benchmarks.measurement import STAGES
from onsight_benchmarks.picture import Picture, make_frame
from onsight_benchmarks.rounds import BLOCK, SETTLE_CALLS, SETTLE_MS, WARMUP, measure_rounds, timed_stages
from onsight_benchmarks.stats import Summary, summarise
from onsight_edge.classifier import Classifier

_INFERENCE = STAGES.index("inference")


@dataclass(frozen=True, slots=True)
class Times:
    """What was measured.

    Attributes:
        inference_ms: one Summary a file, milliseconds.
        picture: the frame. calls: measured of each. warmup, seed, settle_calls, settle_ms: see
            onsight_benchmarks.rounds.
        conditions: of the machine meanwhile.
        objections: why the times should not count.
    """

    inference_ms: tuple[Summary, ...]
    picture: Picture
    calls: int
    warmup: int
    seed: int
    settle_calls: int
    settle_ms: float
    conditions: Conditions
    objections: tuple[str, ...]

    def to_json(self, names: Iterable[str]) -> dict[str, Any]:
        """As JSON values; `names` of the files, in their order."""
        described = {key: value for key, value in asdict(self).items() if key not in ("inference_ms", "objections")}
        summaries = {name: asdict(one) for name, one in zip(names, self.inference_ms, strict=True)}
        return {
            "inference_ms": summaries,
            **described,
            "valid": not self.objections,
            "invalid_because": list(self.objections),
        }


def measure_times(
    classifiers: Sequence[Classifier],
    *,
    iterations: int,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Times:
    """Let files take turns, block by block, the order of each round drawn anew.

    Args:
        classifiers: opened, at least one.
        iterations: measured calls of each, rounded up to whole blocks.
        seed: of the order and the frame.
        progress: told the share that is done.
    """
    frame, picture = make_frame(seed=seed)
    for classifier in classifiers:
        for _ in range(WARMUP):
            classifier.classify_timed(frame)
    watch = Watch(busy=True)
    rounds = measure_rounds(
        [timed_stages(classifier, frame) for classifier in classifiers],
        iterations=iterations,
        rng=random.Random(seed),
        progress=progress,
    )
    conditions, objections = watch.stop(os.cpu_count() or 1)
    return Times(
        inference_ms=tuple(
            summarise(np.concatenate([block[:, _INFERENCE] for block in blocks]) / 1e6, digits=6) for blocks in rounds
        ),
        picture=picture,
        calls=len(rounds[0]) * BLOCK,
        warmup=WARMUP,
        seed=seed,
        settle_calls=SETTLE_CALLS,
        settle_ms=SETTLE_MS,
        conditions=conditions,
        objections=objections,
    )
