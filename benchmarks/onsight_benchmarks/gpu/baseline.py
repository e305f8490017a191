"""`onsight bench --gpu`: networks x frameworks x precisions x batch sizes, in turns, as one record."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.gpu.card import CardWatch
from onsight_benchmarks.gpu.frameworks import AUTO, Framework, open_frameworks, with_tf32
from onsight_benchmarks.gpu.job import PRECISIONS
from onsight_benchmarks.gpu.networks import ALL, Network, find_networks
from onsight_benchmarks.gpu.pictures import Pictures, find_pictures
from onsight_benchmarks.gpu.results import compare_subjects, describe_subject
from onsight_benchmarks.gpu.subjects import Reference, Subject, ask_cpu, open_subject
from onsight_benchmarks.provenance import now_utc, provenance
from onsight_benchmarks.record import Gpu, Method, Record, Skipped
from onsight_benchmarks.rounds import BLOCK, SETTLE_CALLS, SETTLE_MS, measure_rounds
from onsight_benchmarks.worker import WorkerError
from onsight_edge.device import describe_device
from onsight_edge.errors import BenchmarkError, UsageError

BATCHES = (1, 8, 32, 128)
MOST_PICTURES = 4096
ITERATIONS = 300
WARMUP = 20
DRY_RUN = "a dry run on the CPU: no GPU took part, and nothing here says how fast one would be"
_ORDER = (
    "round robin of short blocks, every framework in a process of its own, the order of each round drawn anew; in "
    "each block first h2d to d2h without a wait between (end_to_end), then the same calls with a wait after each "
    "stage, then as many computations launched one after the other with one wait (device)"
)

Progress = Callable[[str, float], None]
"""Called with what is being done and which share of it is done, 0..1."""


def bench_gpu(
    model: str | Path,
    *,
    variants: Sequence[str] = (ALL,),
    frameworks: Sequence[str] = (AUTO,),
    precisions: Sequence[str] = ("float32", "bfloat16"),
    batches: Sequence[int] = BATCHES,
    iterations: int | None = None,
    seconds: float | None = None,
    warmup: int = WARMUP,
    spec: Path | None = None,
    seed: int = 0,
    values: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Record:
    """Measure a run's network, or a bundle's .onnx files, on a GPU.

    Args:
        model, variants, spec: see `find_networks`.
        frameworks: see `open_frameworks`.
        precisions: of PRECISIONS, for a Keras network; .onnx files have their own.
        batches: pictures a call.
        iterations: measured calls of each, rounded up to whole blocks; default 300 where `seconds` is not given either.
        seconds: go on measuring for so long, all together.
        warmup: unmeasured calls of each before.
        seed: of the order and of the pictures.
        values: keep every measured value in the record.
        dry_run: execute the same on the CPU, whose record never counts.
        progress: told how far it is.

    Raises:
        UsageError: a number or a name makes no sense. ModelError: nothing there to measure.
        BenchmarkError: no GPU, or nothing could be measured on it.
    """
    if not batches or not all(1 <= one <= MOST_PICTURES for one in batches):
        raise UsageError(f"--batch needs numbers of at least 1 and at most {MOST_PICTURES}")
    if wrong := [one for one in precisions if one not in PRECISIONS]:
        raise UsageError(f"no precision {wrong[0]!r}: expected {', '.join(PRECISIONS)}")
    iterations = ITERATIONS if iterations is None and seconds is None else iterations
    tell: Progress = progress or (lambda what, share: None)
    networks = find_networks(Path(model), variants, spec)
    pictures = find_pictures(networks[0], seed)
    tell("looking for a GPU", 0.0)
    found = open_frameworks(frameworks, networks[0].keras, dry_run=dry_run)
    try:
        if networks[0].keras and "tf32" in precisions:
            for one in tuple(found):
                found.append(with_tf32(one, dry_run=dry_run))
        subjects, skipped = _open(networks, found, precisions, batches, warmup, pictures, dry_run, tell)
        gpu: Gpu | None = None
        with nullcontext() if dry_run else CardWatch(found[0].gpu or "") as card:
            before = _cpu_seconds(found)
            watch = Watch()
            rounds = measure_rounds(
                [one.measure for one in subjects],
                iterations=iterations,
                seconds=seconds,
                rng=random.Random(seed),
                progress=lambda share: tell("measuring", share),
            )
            spent = _cpu_seconds(found) - before
            conditions, objections = watch.stop(os.cpu_count() or 1, workers_s=spent)
            if card is not None:
                gpu, held = card.stop()
                objections = (*objections, *held)
    finally:
        for one in found:
            one.worker.close()
    if dry_run:
        objections = (DRY_RUN, *objections)
    measurements = tuple(
        describe_subject(one, np.concatenate(blocks), objections, values)
        for one, blocks in zip(subjects, rounds, strict=True)
    )
    reasons = tuple(dict.fromkeys(reason for one in measurements for reason in one.invalid_because))
    return Record(
        onsight=provenance(),
        taken=now_utc(),
        device=describe_device(),
        method=Method(
            order=_ORDER,
            clock="time.perf_counter_ns in the framework's process; device of torch: CUDA events",
            picture=pictures.picture,
            seed=seed,
            warmup=warmup,
            rounds=len(rounds[0]),
            block=BLOCK,
            settle_calls=SETTLE_CALLS,
            settle_ms=SETTLE_MS,
            fresh=0,
        ),
        conditions=conditions,
        measurements=measurements,
        comparisons=tuple(compare_subjects(subjects, measurements, rounds, seed)),
        skipped=tuple(skipped),
        valid=not reasons,
        invalid_because=reasons,
        gpu=gpu,
    )


def _open(
    networks: Sequence[Network],
    frameworks: Sequence[Framework],
    precisions: Sequence[str],
    batches: Sequence[int],
    warmup: int,
    pictures: Pictures,
    dry_run: bool,
    tell: Progress,
) -> tuple[list[Subject], list[Skipped]]:
    """Open everything that can be, each with its answers held against the CPU's."""
    plan = [
        (network, framework, precision, batch, provider)
        for network in networks
        for framework in frameworks
        for provider in _providers(framework, network, dry_run)
        for precision in _precisions(network, framework, precisions)
        for batch in dict.fromkeys(batches)
    ]
    subjects: list[Subject] = []
    skipped: list[Skipped] = []
    with tempfile.TemporaryDirectory(prefix="onsight-") as name:
        folder = Path(name).resolve()
        shown, out = folder / "pictures.npy", folder / "scores.npy"
        np.save(shown, pictures.pixels)
        references: dict[Path, Reference] = {}
        for network in networks:
            tell("asking the CPU", 0.0)
            references[network.path] = ask_cpu(network, frameworks[0].name, shown, out)
        for done, (network, framework, precision, batch, provider) in enumerate(plan):
            tell(f"compiling for {framework.name}, {precision}, batch {batch}", done / len(plan))
            try:
                subject = open_subject(
                    network,
                    framework,
                    precision,
                    batch,
                    provider=provider,
                    warmup=warmup,
                    pictures=shown,
                    shown=pictures.of,
                    reference=references[network.path],
                    out=out,
                )
            except WorkerError as error:
                variant = f"keras-{precision}" if network.keras else network.model.variant
                backend = f"keras-{framework.name}" if network.keras else f"onnxruntime-{provider.lower()}"
                skipped.append(Skipped(variant, backend, f"batch {batch}: {error}"))
                continue
            subjects.append(subject)
    if not subjects:
        raise BenchmarkError("nothing could be measured: " + "; ".join(dict.fromkeys(one.reason for one in skipped)))
    return subjects, skipped


def _providers(framework: Framework, network: Network, dry_run: bool) -> tuple[str, ...]:
    if network.keras:
        return ("",)
    return ("CPU",) if dry_run else framework.providers


def _precisions(network: Network, framework: Framework, asked: Sequence[str]) -> list[str]:
    if not network.keras:
        return [network.model.variant.removeprefix("onnx-")]
    return [one for one in dict.fromkeys(asked) if (one == "tf32") == framework.tf32]


def _cpu_seconds(frameworks: Sequence[Framework]) -> float:
    """Processor time that the workers have used."""
    return sum(float(one.worker.ask({"do": "cpu_s"}, 60)) for one in frameworks)
