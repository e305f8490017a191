"""A comparison as JSON. docs/cli/compare.md describes every key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from onsight_benchmarks.comparison.comparison import Beside, Comparison
from onsight_benchmarks.comparison.ratios import Relative
from onsight_benchmarks.comparison.subjects import Entry, Subject
from onsight_benchmarks.provenance import provenance
from onsight_benchmarks.stats import LEVEL
from onsight_edge.metrics import wilson

SCHEMA = 1


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The document that `onsight compare --json` prints."""
    return {
        "schema": SCHEMA,
        "kind": "comparison",
        "onsight": asdict(provenance()),
        "interval_level": LEVEL,
        "seed": comparison.seed,
        "records": [_entry(entry) for entry in comparison.entries],
        "network_alone": comparison.network_alone,
        "reference": comparison.reference.name,
        "best": [subject.name for subject in comparison.best],
        "measurements": [_subject(one, comparison.relative(one)) for one in comparison.subjects],
        "alike": [{"of": one.of.name, "to": one.to.name, **_beside(one)} for one in comparison.alike],
        "cautions": list(comparison.cautions),
        "remarks": list(comparison.remarks),
    }


def _entry(entry: Entry) -> dict[str, Any]:
    record = entry.record
    return {
        "letter": entry.letter,
        "name": entry.name,
        "device": entry.device,
        "gpu": None if record.gpu is None else asdict(record.gpu),
        "taken": record.taken,
        "onsight": asdict(record.onsight),
        "dry_run": entry.dry_run,
        "valid": record.valid,
        "invalid_because": list(record.invalid_because),
        "skipped": [asdict(one) for one in record.skipped],
    }


def _subject(subject: Subject, relative: Beside | None) -> dict[str, Any]:
    one = subject.measured
    known = one.accuracy
    return {
        "name": subject.name,
        "record": subject.entry.letter,
        "label": subject.label,
        "variant": one.model.variant,
        "backend": asdict(one.backend),
        "batch": one.batch,
        "scenario": None if one.scenario is None else asdict(one.scenario),
        "p50_ms": {stage: found.p50 for stage, found in one.latency_ms.items() if found is not None},
        "end_to_end_ms": None if (whole := one.latency_ms.get("end_to_end")) is None else asdict(whole),
        "throughput_fps": one.throughput_fps,
        "accuracy": None
        if known is None or not known.pictures
        else {
            "correct": known.correct,
            "pictures": known.pictures,
            "accuracy": known.correct / known.pictures,
            "accuracy_interval_95": list(wilson(known.correct, known.pictures)),
            "dataset": known.dataset,
        },
        "mj_per_picture": None if one.energy is None else one.energy.mj_per_picture,
        "dry_run": subject.entry.dry_run,
        "agreement": None if one.agreement is None else asdict(one.agreement),
        "valid": one.valid,
        "relative": None if relative is None else _beside(relative),
    }


def _beside(one: Beside) -> dict[str, Any]:
    return {
        "time": _ratio(one.time),
        "stages": {stage: _ratio(found) for stage, found in one.stages.items()},
        "throughput": _ratio(one.throughput),
        "headline": _ratio(one.headline),
        "energy": one.energy,
    }


def _ratio(found: Relative | None) -> dict[str, Any] | None:
    return None if found is None else asdict(found)
