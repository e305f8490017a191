"""Latency of variants x backends x threads, all in one process and in turns (onsight_benchmarks.rounds)."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.comparisons import compare_all
from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.early_stopping import estimate, min_queries
from onsight_benchmarks.fresh import FreshStart, fresh_starts, typical_warm_up
from onsight_benchmarks.measurement import STAGES, MeasuredBackend, Measurement, Scenario
from onsight_benchmarks.model_facts import describe_model, known_accuracy
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.plan import ALL, Combination, open_all
from onsight_benchmarks.provenance import now_utc, provenance
from onsight_benchmarks.record import Method, Record
from onsight_benchmarks.rounds import (
    BLOCK,
    ORDER,
    SETTLE_CALLS,
    SETTLE_MS,
    WARMUP,
    Block,
    measure_rounds,
    timed_stages,
)
from onsight_benchmarks.stats import percentile, summarise
from onsight_edge.device import describe_device
from onsight_edge.errors import UsageError

ITERATIONS = 300
LEAST_ITERATIONS = 101  # below that the 99th percentile is the maximum
FRESH = 3

Progress = Callable[[str, float], None]
"""Called with what is being done and which share of it is done, 0..1."""


def bench(
    model: str | Path = "default",
    *,
    variants: Sequence[str] = (ALL,),
    backends: Sequence[str] = (ALL,),
    threads: Sequence[int] = (1,),
    iterations: int | None = None,
    seconds: float | None = None,
    warmup: int = WARMUP,
    fresh: int = FRESH,
    image: Path | None = None,
    spec: Path | None = None,
    seed: int = 0,
    values: bool = True,
    progress: Progress | None = None,
) -> Record:
    """Measure a model.

    Args:
        model, variants, backends, threads, spec: what to measure, see `open_all`.
        iterations: measured calls of each combination, rounded up to whole blocks; default 300 where `seconds` is not
            given either.
        seconds: go on measuring for so long, all combinations together.
        warmup: unmeasured calls of each before.
        fresh: processes to start for each, for init, first call and memory; 0 leaves these out.
        image: a picture file in place of the synthetic frame.
        seed: of the order and the synthetic frame.
        values: keep every measured value in the record.
        progress: told how far it is.

    Raises:
        UsageError: a number makes no sense. ModelError, DataError: no such model or picture.
        BenchmarkError: nothing to measure, or a fresh process failed.
    """
    if (iterations is not None and iterations < 1) or (seconds is not None and seconds <= 0):
        raise UsageError("--iterations must be at least 1 and --seconds above 0")
    if warmup < 0 or fresh < 0:
        raise UsageError("--warmup and --fresh cannot be negative")
    if iterations is None and seconds is None:
        iterations = ITERATIONS
    tell: Progress = progress or (lambda what, share: None)
    frame, picture = make_frame(image, seed)
    combinations, skipped = open_all(model, variants=variants, backends=backends, threads=threads, spec=spec)
    try:
        rng = random.Random(seed)
        starts = fresh_starts(combinations, frame, fresh, rng, tell)
        for done, one in enumerate(combinations):
            tell("warming up", done / len(combinations))
            for _ in range(warmup):
                one.classifier.classify_timed(frame)
        watch = Watch()
        rounds = measure_rounds(
            [timed_stages(one.classifier, frame) for one in combinations],
            iterations=iterations,
            seconds=seconds,
            rng=rng,
            progress=lambda share: tell("measuring", share),
        )
        conditions, objections = watch.stop(os.cpu_count() or 1)
        measurements = tuple(
            _measurement(one, blocks, start, objections, values)
            for one, blocks, start in zip(combinations, rounds, starts, strict=True)
        )
    finally:
        for one in combinations:
            one.classifier.close()
    reasons = dict.fromkeys(reason for one in measurements for reason in one.invalid_because)
    return Record(
        onsight=provenance(),
        taken=now_utc(),
        device=describe_device(),
        method=Method(
            order=ORDER,
            clock="time.perf_counter_ns",
            picture=picture,
            seed=seed,
            warmup=warmup,
            rounds=len(rounds[0]),
            block=BLOCK,
            settle_calls=SETTLE_CALLS,
            settle_ms=SETTLE_MS,
            fresh=fresh,
        ),
        conditions=conditions,
        measurements=measurements,
        comparisons=tuple(compare_all(measurements, rounds, seed)),
        skipped=tuple(skipped),
        valid=not reasons,
        invalid_because=tuple(reasons),
    )


def _measurement(
    one: Combination,
    blocks: Sequence[Block],
    starts: Sequence[FreshStart],
    objections: Sequence[str],
    values: bool,
) -> Measurement:
    taken = np.concatenate(blocks)
    backend = one.classifier.backend
    reasons = list(objections)
    if len(taken) < LEAST_ITERATIONS:
        reasons.append(f"{len(taken)} calls were measured; at least {LEAST_ITERATIONS} are needed for a p99")
    file = one.classifier.model
    assert file is not None  # Classifier.open gave it
    return Measurement(
        model=describe_model(file),
        backend=MeasuredBackend(backend.name, backend.version, backend.threads, backend.detail),
        latency_ms={
            "capture": None,
            **{stage: summarise(taken[:, i] / 1e6, digits=6) for i, stage in enumerate(STAGES)},
        },
        throughput_fps=round(len(taken) / (float(taken[:, -1].sum()) / 1e9), 2),
        init_ms=_median([start.init_ms for start in starts]),
        first_ms=_median([start.first_ms for start in starts]),
        rss_mib=_median([start.rss_mib for start in starts]),
        rss_peak_mib=_median([start.rss_peak_mib for start in starts]),
        valid=not reasons,
        invalid_because=tuple(reasons),
        values_us={s: tuple(np.round(taken[:, i] / 1e3, 1).tolist()) for i, s in enumerate(STAGES)} if values else None,
        scenario=single_stream(taken[:, -1] / 1e6),
        accuracy=known_accuracy(file),
        warm_up=typical_warm_up(starts),
    )


def single_stream(took_ms: NDArray[np.float64]) -> Scenario:
    """LoadGen's single stream: the next query when the last was answered; p90 is what counts."""
    ordered = np.sort(took_ms)
    early = estimate(ordered, 0.9)
    return Scenario(
        name="single-stream",
        pictures_per_query=1,
        queries=len(ordered),
        metric="p90_ms",
        value=round(percentile(ordered, 90), 6),
        min_queries=min_queries(0.9),
        early_stopping=None if early is None else round(early, 6),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 4) if known else None
