"""`bench`: a model by variant, backend and threads, in one of the scenarios; see onsight_benchmarks.scenarios."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np

from onsight_benchmarks.camera import open_camera, shown
from onsight_benchmarks.comparisons import compare_all
from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.energy import IDLE_S, SECONDS, measure_energy, used_alone
from onsight_benchmarks.fresh import FreshStart, fresh_starts, typical_warm_up
from onsight_benchmarks.loadgen import import_loadgen
from onsight_benchmarks.measurement import Energy, MeasuredBackend, Measurement
from onsight_benchmarks.model_facts import describe_model, known_accuracy
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.plan import ALL, Combination, open_all
from onsight_benchmarks.provenance import now_utc, provenance
from onsight_benchmarks.record import Method, Record, Skipped
from onsight_benchmarks.rounds import BLOCK, LEAST_QUERIES, ORDER, SETTLE_CALLS, SETTLE_MS, WARMUP
from onsight_benchmarks.scenarios import SCENARIOS, WITH_LOADGEN, default_queries, preparation
from onsight_benchmarks.scenarios.outcome import Outcome, Progress, Setup
from onsight_benchmarks.stats import summarise
from onsight_benchmarks.sustained import moments, sum_up
from onsight_edge.device import describe_device
from onsight_edge.errors import UsageError
from onsight_edge.sources.source import check_fps

FRESH = 3
PICTURES_PER_QUERY = 8
BATCHES = (1, 8, 32)
FPS = 30.0
SOURCE = "synthetic://"
MOST_PICTURES = 1024  # a query or a batch
_ORDERS = {
    "turns": ORDER,
    "loadgen": "LoadGen issued the queries, one combination after the other",
    "sustained": "without a pause, from cold on; several combinations in turns of short blocks, the order drawn anew",
    "live": "one combination after the other, in an order drawn anew",
}


def bench(
    model: str | Path = "default",
    *,
    scenario: str = "single-stream",
    variants: Sequence[str] = (ALL,),
    backends: Sequence[str] = (ALL,),
    threads: Sequence[int] = (1,),
    iterations: int | None = None,
    seconds: float | None = None,
    minutes: float | None = None,
    energy_s: float = SECONDS,
    warmup: int = WARMUP,
    fresh: int = FRESH,
    pictures_per_query: int = PICTURES_PER_QUERY,
    batches: Sequence[int] = BATCHES,
    fps: float = FPS,
    source: str = SOURCE,
    loadgen: bool = False,
    image: Path | None = None,
    spec: Path | None = None,
    seed: int = 0,
    values: bool = True,
    progress: Progress | None = None,
) -> Record:
    """Measure a model.

    Args:
        model, variants, backends, threads, spec: what to measure, see `open_all`.
        scenario: how queries come, one of SCENARIOS.
        iterations: measured queries of each combination, rounded up to whole blocks; for `live` the frames that its
            camera calls for. Where `seconds` is not given either: 300, for `multi-stream` 670, for `offline` 100.
        seconds: go on measuring for so long, all combinations together.
        minutes: measure for so long without a pause, from cold on, and keep slices of the time; in place of the two
            before, and without a warm-up.
        energy_s: where the device has a power sensor, let each combination work alone for so long for the energy that a
            picture takes; 0 leaves that out. What is measured alone anyway (`minutes`, `live`) takes no further time.
        warmup: unmeasured queries of each before.
        fresh: processes to start for each, for init, first call and memory; 0 leaves these out.
        pictures_per_query: of `multi-stream`.
        batches: sizes to measure in `offline`.
        fps, source: of the camera of `live`, see `open_camera`.
        loadgen: let MLPerf LoadGen issue the queries.
        image: a picture file in place of the synthetic frame.
        seed: of the order and the synthetic frame.
        values: keep every measured value in the record.
        progress: told how far it is.

    Raises:
        UsageError: a number makes no sense, or the scenario has no use for an option. ModelError, DataError,
        SourceError: no such model, picture or source. MissingExtraError: `loadgen` without LoadGen.
        BenchmarkError: nothing to measure, or a fresh process failed.
    """
    if scenario not in SCENARIOS:
        raise UsageError(f"the scenario must be one of {', '.join(SCENARIOS)}, not {scenario!r}")
    if loadgen:
        if scenario not in WITH_LOADGEN:
            raise UsageError(f"LoadGen has no scenario {scenario!r}: --loadgen goes with {', '.join(WITH_LOADGEN)}")
        if scenario == "offline" and seconds is not None:
            raise UsageError("LoadGen's offline scenario is one query: say how large with --iterations, not --seconds")
        import_loadgen()
    if (iterations is not None and iterations < 1) or (seconds is not None and seconds <= 0):
        raise UsageError("--iterations must be at least 1 and --seconds above 0")
    if warmup < 0 or fresh < 0 or energy_s < 0:
        raise UsageError("--warmup, --fresh and --energy-seconds cannot be negative")
    if minutes is not None:
        if minutes <= 0:
            raise UsageError("--minutes must be above 0")
        if iterations is not None or seconds is not None or loadgen or scenario != "single-stream":
            raise UsageError(
                "--minutes is a way of its own to measure single-stream: without --iterations, --seconds and --loadgen"
            )
        seconds, warmup, values = 60 * minutes, 0, False
    if not batches or not all(1 <= count <= MOST_PICTURES for count in (pictures_per_query, *batches)):
        raise UsageError(f"a query and a batch hold 1 to {MOST_PICTURES} pictures")
    check_fps(fps)
    if iterations is None and seconds is None:
        iterations = default_queries(scenario)
    if scenario == "live":
        open_camera(source, fps, 1).close()  # says what is wrong with it before anything is measured
    tell: Progress = progress or (lambda what, share: None)
    frame, picture = make_frame(image, seed)
    combinations, skipped = open_all(model, variants=variants, backends=backends, threads=threads, spec=spec)
    with ExitStack() as opened:
        for one in combinations:
            opened.callback(one.classifier.close)
        rng = random.Random(seed)
        starts = fresh_starts(combinations, frame, fresh, rng, tell)

        def leave_out(one: Combination, why: str) -> None:
            file = one.classifier.model
            assert file is not None  # Classifier.open gave it
            skipped.append(Skipped(file.variant, one.backend, why))

        measure = preparation(scenario, sustained=minutes is not None)(
            combinations,
            Setup(
                frame=frame,
                iterations=iterations,
                seconds=seconds,
                warmup=warmup,
                rng=rng,
                tell=tell,
                opened=opened,
                pictures_per_query=pictures_per_query,
                batches=tuple(dict.fromkeys(batches)),
                fps=fps,
                source=source,
                loadgen=loadgen,
                leave_out=leave_out,
            ),
        )
        alone = len(combinations) == 1 and (minutes is not None or scenario == "live")
        watch = Watch(
            idle_s=IDLE_S if alone and energy_s else 0.0, busy=scenario != "live", sustained=minutes is not None
        )
        outcomes = measure()
        conditions, objections = watch.stop(os.cpu_count() or 1)
        if alone:
            energies = [used_alone(watch.energy, outcomes[0].pictures) if energy_s else None]
        else:
            energies = measure_energy(
                [(one.repeat, one.scenario.pictures_per_query) for one in outcomes],
                seconds=energy_s,
                progress=lambda share: tell("energy", share),
            )
        start_of = dict(zip(map(id, combinations), starts, strict=True))
        measurements = tuple(
            _measurement(one, start_of[id(one.combination)], objections, values, watch, energy)
            for one, energy in zip(outcomes, energies, strict=True)
        )
    reasons = dict.fromkeys(reason for one in measurements for reason in one.invalid_because)
    turns = scenario != "live" and not loadgen and minutes is None
    way = "sustained" if minutes is not None else "live" if scenario == "live" else "loadgen" if loadgen else "turns"
    return Record(
        onsight=provenance(),
        taken=now_utc(),
        device=describe_device(),
        method=Method(
            order=_ORDERS[way],
            clock="time.monotonic_ns" if scenario == "live" else "time.perf_counter_ns",
            picture=picture,
            seed=seed,
            warmup=warmup,
            rounds=len(outcomes[0].blocks) if turns else 1,
            block=BLOCK if turns else outcomes[0].scenario.queries,
            settle_calls=SETTLE_CALLS if turns else 0,
            settle_ms=SETTLE_MS if turns else 0.0,
            fresh=fresh,
            source=shown(source) if scenario == "live" else None,
            fps=fps if scenario == "live" else None,
        ),
        conditions=conditions,
        measurements=measurements,
        comparisons=tuple(compare_all(measurements, [one.blocks for one in outcomes], seed)) if turns else (),
        skipped=tuple(skipped),
        valid=not reasons,
        invalid_because=tuple(reasons),
    )


def _measurement(
    one: Outcome,
    starts: Sequence[FreshStart],
    objections: Sequence[str],
    values: bool,
    watch: Watch,
    energy: Energy | None,
) -> Measurement:
    classifier = one.combination.classifier
    backend, file = classifier.backend, classifier.model
    assert file is not None  # Classifier.open gave it
    reasons = [*objections, *one.objections]
    queries = one.scenario.queries
    if one.scenario.name != "offline" and queries < LEAST_QUERIES:
        reasons.append(f"{queries} queries were measured; at least {LEAST_QUERIES} are needed for a p99")
    stages = {stage: taken for stage, taken in one.stages_ns.items() if stage != "age"}
    kept = {stage: tuple(np.round(taken / 1e3, 1).tolist()) for stage, taken in one.stages_ns.items()}
    over_time = moments(one.slices, watch.samples.rows, watch.began) if one.slices else None
    return Measurement(
        model=describe_model(file),
        backend=MeasuredBackend(backend.name, backend.version, backend.threads, backend.detail),
        latency_ms={
            **({} if "capture" in stages else {"capture": None}),
            **{stage: summarise(taken / 1e6, digits=6) for stage, taken in stages.items()},
        },
        throughput_fps=round(one.pictures / one.seconds, 2),
        init_ms=_median([start.init_ms for start in starts]),
        first_ms=_median([start.first_ms for start in starts]),
        rss_mib=_median([start.rss_mib for start in starts]),
        rss_peak_mib=_median([start.rss_peak_mib for start in starts]),
        valid=not reasons,
        invalid_because=tuple(reasons),
        values_us=kept if values else None,
        batch=one.batch,
        scenario=one.scenario,
        age_ms=one.age_ms,
        frames=one.frames,
        energy=energy,
        accuracy=known_accuracy(file),
        over_time=over_time,
        sustained=sum_up(over_time) if over_time else None,
        warm_up=typical_warm_up(starts),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 4) if known else None
