"""From measured blocks to what a record says."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.report import Target
from onsight_benchmarks.stats import paired_ratio, summarise
from onsight_edge.errors import BenchmarkError

if TYPE_CHECKING:
    from onsight_benchmarks.peers.cases import Case
    from onsight_benchmarks.peers.measure import Measured


def case_results(
    case: Case, everyone: Sequence[Measured], truth: NDArray[np.int64] | None, seed: int
) -> dict[str, Any]:
    """One case of a record (docs/records.md): onsight, who is the first of `everyone`, then the others by their p50."""
    ours = everyone[0]
    if ours.failed is not None:
        raise BenchmarkError(f"{case.name}: onsight itself failed: {ours.failed}")
    rows = [_row(one, ours, truth, seed) for one in everyone if one.failed is None]
    return {
        "name": case.name,
        "precision": case.precision,
        "files": case.describe(),
        "subjects": [rows[0], *sorted(rows[1:], key=lambda row: row["latency_ms"].p50)],
        "skipped": [{"name": one.subject.name, "reason": one.failed} for one in everyone if one.failed is not None],
    }


def _row(one: Measured, ours: Measured, truth: NDArray[np.int64] | None, seed: int) -> dict[str, Any]:
    labels, reference = np.array(one.labels), np.array(ours.labels)
    medians, our_medians = _medians(one), _medians(ours)
    return {
        "name": one.subject.name,
        "peer": one.subject.peer,
        "file": one.given,
        "environment": None if one.subject.environment is None else one.subject.environment.name,
        "version": one.opened[-1]["version"],
        "detail": one.opened[-1]["detail"],
        "latency_ms": summarise(np.concatenate(one.blocks) / 1e6, digits=6),
        "ratio": paired_ratio(medians, our_medians, seed),
        "same_labels": round(float(np.mean(labels == reference)), 6),
        "accuracy": None if truth is None else round(float(np.mean(labels == truth)), 6),
        "init_ms": round(median(answer["init_ms"] for answer in one.opened), 3),
        "first_ms": round(median(answer["first_ms"] for answer in one.opened), 4),
        "rss_mib": one.rss_mib,
        "cores": round(float(np.median(one.cores)), 2),
        "round_p50_us": np.round(np.array(medians) / 1e3, 1).tolist(),
    }


def _medians(one: Measured) -> list[float]:
    return [float(np.median(block)) for block in one.blocks]


def targets_of(cases: Sequence[dict[str, Any]]) -> tuple[Target, ...]:
    """No peer takes less time than onsight does with the same file or weights."""
    return tuple(
        Target(f"{row['name']} over onsight, {case['name']}", row["ratio"].median, 1.0, at_most=False)
        for case in cases
        for row in case["subjects"]
        if row["peer"]
    )
