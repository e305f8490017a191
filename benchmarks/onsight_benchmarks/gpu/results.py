"""From what was measured to a record's measurements and ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.early_stopping import percentile_scenario
from onsight_benchmarks.gpu.subjects import Subject
from onsight_benchmarks.gpu.worker import STAGES
from onsight_benchmarks.measurement import MeasuredBackend, Measurement, Scenario
from onsight_benchmarks.record import Comparison
from onsight_benchmarks.rounds import LEAST_QUERIES, Block
from onsight_benchmarks.stats import paired_ratio, summarise

_WHOLE = STAGES.index("end_to_end")


def describe_subject(one: Subject, taken: Block, objections: Sequence[str], values: bool) -> Measurement:
    """A subject's measurement.

    Args:
        one: with its device times.
        taken: (calls, stages) nanoseconds, stages as in STAGES.
        objections: to the whole record.
        values: keep every value.
    """
    reasons = [*objections, *one.objections]
    if one.batch == 1 and len(taken) < LEAST_QUERIES:
        reasons.append(f"{len(taken)} queries were measured; at least {LEAST_QUERIES} are needed for a p99")
    stages = {name: taken[:, i] for i, name in enumerate(STAGES)}
    device = np.asarray(one.device_ns)
    on = one.framework.gpu or "CPU"
    kept = {name: tuple(np.round(each / 1e3, 1).tolist()) for name, each in {**stages, "device": device}.items()}
    return Measurement(
        model=replace(one.network.model, variant=one.variant),
        backend=MeasuredBackend(one.backend, one.framework.version, 1, f"{one.detail}, {on}"),
        latency_ms={
            **{name: summarise(each / 1e6, digits=6) for name, each in stages.items()},
            "device": summarise(device / 1e6, digits=6),
        },
        throughput_fps=_pictures_a_second(one, stages["end_to_end"]),
        init_ms=one.init_ms,
        first_ms=one.first_ms,
        rss_mib=None,
        rss_peak_mib=None,
        valid=not reasons,
        invalid_because=tuple(reasons),
        values_us=kept if values else None,
        batch=one.batch,
        scenario=_scenario(one, stages["end_to_end"]),
        accuracy=one.network.accuracy,
        agreement=one.agreement,
    )


def compare_subjects(
    subjects: Sequence[Subject], measurements: Sequence[Measurement], rounds: Sequence[Sequence[Block]], seed: int
) -> list[Comparison]:
    """Each precision against float32 in the same framework and batch, and each framework against the first."""
    found = []
    for of, one in enumerate(subjects):
        for to, other in enumerate(subjects):
            if one.batch != other.batch or one.network.model.name != other.network.model.name:
                continue
            same = one.backend == other.backend
            coarser = same and other.variant.endswith("-float32") and one.variant != other.variant
            beside = not same and other.backend == subjects[0].backend and one.variant == other.variant
            if coarser or beside:
                ratio = paired_ratio(_medians(rounds[of]), _medians(rounds[to]), seed)
                found.append(Comparison(measurements[of].label, measurements[to].label, "end_to_end", ratio))
    return found


def _medians(blocks: Sequence[Block]) -> list[float]:
    return [float(np.median(block[:, _WHOLE])) for block in blocks]


def _pictures_a_second(one: Subject, taken: NDArray[np.int64]) -> float:
    return round(len(taken) * one.batch / (float(taken.sum()) / 1e9), 2)


def _scenario(one: Subject, taken: NDArray[np.int64]) -> Scenario:
    if one.batch == 1:
        return percentile_scenario("single-stream", 90, taken / 1e6)
    return Scenario("offline", one.batch, len(taken), "pictures_per_s", _pictures_a_second(one, taken))
