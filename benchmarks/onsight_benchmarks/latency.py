"""Latency of variants x backends x threads, all in one process and in turns.

Every combination is opened and warmed up first. Then they take turns: in each round every combination is measured for
one short block, in an order that is drawn anew for each round. What disturbs the machine meanwhile hits all of them
alike, and comparing two of them round by round cancels it. A few unmeasured calls before each block bring the
combination's code and data back into the caches and let the threads of the one before fall asleep.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.fresh import FreshStart, measure_fresh
from onsight_benchmarks.measurement import STAGES, MeasuredBackend, MeasuredModel, Measurement
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.plan import ALL, Combination, open_all
from onsight_benchmarks.provenance import now_utc, provenance
from onsight_benchmarks.record import Comparison, Method, Record
from onsight_benchmarks.stats import paired_ratio, summarise
from onsight_edge.bundle import ModelFile
from onsight_edge.classifier import Classifier
from onsight_edge.device import describe_device
from onsight_edge.errors import BenchmarkError, UsageError

ITERATIONS = 300
LEAST_ITERATIONS = 100  # below that the 99th percentile is the maximum
BLOCK = 10
SETTLE_CALLS = 2
SETTLE_MS = 2.0
WARMUP = 20
FRESH = 3
_ORDER = "round robin of short blocks in one process, the order of each round drawn anew"

Progress = Callable[[str, float], None]
"""Called with what is being done and which share of it is done, 0..1."""
Block = NDArray[np.int64]
"""(calls, stages) nanoseconds, stages as in STAGES."""


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
        starts = _fresh_starts(combinations, frame, fresh, rng, tell)
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
            order=_ORDER,
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
        comparisons=tuple(_comparisons(measurements, rounds, seed)),
        skipped=tuple(skipped),
        valid=not reasons,
        invalid_because=tuple(reasons),
    )


def timed_stages(classifier: Classifier, frame: NDArray[np.uint8]) -> Callable[[int], Block]:
    """A function that classifies the frame so many times and returns what each call's stages took."""

    def measure(calls: int) -> Block:
        block = np.empty((calls, len(STAGES)), np.int64)
        for row in block:
            started = time.perf_counter_ns()
            _, timings = classifier.classify_timed(frame)
            ended = time.perf_counter_ns()
            row[0] = timings.preprocess_ns
            row[1] = timings.inference_ns
            row[2] = timings.postprocess_ns
            row[3] = ended - started
        return block

    return measure


def timed_call(call: Callable[[], object]) -> Callable[[int], Block]:
    """A function that makes a call so many times and returns what each took, (calls, 1) nanoseconds."""

    def measure(calls: int) -> Block:
        block = np.empty((calls, 1), np.int64)
        for row in block:
            started = time.perf_counter_ns()
            call()
            row[0] = time.perf_counter_ns() - started
        return block

    return measure


def measure_rounds(
    subjects: Sequence[Callable[[int], Block]],
    *,
    iterations: int | None,
    seconds: float | None = None,
    rng: random.Random,
    progress: Callable[[float], None] | None = None,
) -> list[list[Block]]:
    """Let subjects take turns until each has enough blocks.

    Args:
        subjects: each makes so many calls and returns what they took.
        iterations: at least so many calls of each; None for no such limit.
        seconds: at least so long, all together; None for no such limit.
        rng: draws the order of every round.
        progress: told the share that is done.

    Returns:
        For each subject its blocks, in the order of the rounds.
    """
    blocks: list[list[Block]] = [[] for _ in subjects]
    order = list(range(len(subjects)))
    started = time.monotonic()
    for rounds in count(1):
        rng.shuffle(order)
        for index in order:
            _settle(subjects[index])
            blocks[index].append(subjects[index](BLOCK))
        passed = time.monotonic() - started
        shares = [1.0]
        if iterations is not None:
            shares.append(rounds * BLOCK / iterations)
        if seconds is not None:
            shares.append(passed / seconds)
        if progress is not None:
            progress(min(shares))
        if min(shares) >= 1.0:
            break
    return blocks


def _settle(subject: Callable[[int], Block]) -> None:
    subject(SETTLE_CALLS)
    until = time.perf_counter_ns() + int(SETTLE_MS * 1e6)
    while time.perf_counter_ns() < until:
        subject(1)


def _fresh_starts(
    combinations: Sequence[Combination], frame: NDArray[np.uint8], fresh: int, rng: random.Random, tell: Progress
) -> list[list[FreshStart]]:
    starts: list[list[FreshStart]] = [[] for _ in combinations]
    jobs = [index for _ in range(fresh) for index in rng.sample(range(len(combinations)), len(combinations))]
    if not jobs:
        return starts
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
        file = Path(folder).resolve() / "frame.npy"
        try:
            np.save(file, frame)
        except OSError as error:
            raise BenchmarkError(f"cannot write the frame to {file}: {error.strerror or error}") from error
        for done, index in enumerate(jobs):
            tell("fresh processes", done / len(jobs))
            one = combinations[index]
            starts[index].append(measure_fresh(one.model, one.variant, one.backend, one.threads, file, one.spec))
    return starts


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
    )


def describe_model(file: ModelFile) -> MeasuredModel:
    """How a record names a model file."""
    return MeasuredModel(
        name=file.spec.name,
        variant=file.variant,
        file=file.path.name,
        bytes=len(file.data),
        sha256=file.sha256,
        spec_sha256=file.spec.sha256,
        preprocess_sha256=file.spec.preprocess_sha256,
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 4) if known else None


def _comparisons(measurements: Sequence[Measurement], rounds: Sequence[Sequence[Block]], seed: int) -> list[Comparison]:
    """LiteRT's int8 file, at each number of threads, against its float32 one and against ONNX Runtime's two."""
    found: list[Comparison] = []
    by_key = {(m.model.variant, m.backend.name, m.backend.threads): i for i, m in enumerate(measurements)}
    for (variant, backend, threads), of in by_key.items():
        if (variant, backend) != ("tflite-int8", "litert"):
            continue
        for other in (
            ("tflite-float32", "litert"),
            ("onnx-int8", "onnxruntime"),
            ("onnx-float32", "onnxruntime"),
            ("tflite-int8", "tflite-runtime"),
        ):
            to = by_key.get((*other, threads))
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
