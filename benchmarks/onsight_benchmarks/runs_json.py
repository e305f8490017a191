"""A comparison as JSON values; docs/cli/runs.md describes the keys."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from onsight_benchmarks.runs_comparison import ComparedRun, Comparison, Ranking
from onsight_edge.metrics import wilson

SCHEMA = 1


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """What `onsight runs --json` prints."""
    measured = comparison.latencies
    latency = None
    if measured is not None:
        latency = {
            "backend": measured.backend,
            "threads": 1,
            "picture": asdict(measured.picture),
            "calls": measured.calls,
            "conditions": asdict(measured.conditions),
            "valid": not measured.objections,
            "invalid_because": list(measured.objections),
        }
    return {
        "schema": SCHEMA,
        "rankings": [_ranking_json(ranking) for ranking in comparison.rankings],
        "left_out": [asdict(one) for one in comparison.left_out],
        "latency": latency,
        "device": comparison.device.to_json(),
    }


def _ranking_json(ranking: Ranking) -> dict[str, Any]:
    return {
        "dataset": ranking.dataset,
        "pictures": ranking.pictures,
        "runs": [_run_json(run) for run in ranking.runs],
        "front_bytes": list(ranking.front_bytes),
        "front_latency": list(ranking.front_latency),
        "advice": list(ranking.advice),
    }


def _run_json(run: ComparedRun) -> dict[str, Any]:
    facts, int8 = run.facts, run.int8
    return {
        "run": str(facts.folder),
        "label": run.label,
        "arch": facts.arch,
        "recipe": facts.recipe,
        "test": {
            "pictures": facts.pictures,
            "correct": facts.correct,
            "accuracy": round(facts.accuracy, 6),
            "accuracy_interval_95": [round(bound, 6) for bound in facts.interval],
        },
        "train_accuracy": facts.train_accuracy,
        "validation_accuracy": facts.validation_accuracy,
        "gap": facts.gap,
        "parameters": facts.parameters,
        "macs": run.macs,
        "epochs": {"planned": facts.planned, "done": facts.done, "kept": facts.kept},
        "interrupted": facts.interrupted,
        "seconds": facts.seconds,
        "diagnosis": {"kind": facts.finding, "sentence": facts.sentence},
        "int8": None
        if int8 is None
        else {
            "bytes": int8.bytes,
            "pictures": int8.pictures,
            "correct": int8.correct,
            "accuracy": round(int8.correct / int8.pictures, 6),
            "accuracy_interval_95": [round(bound, 6) for bound in wilson(int8.correct, int8.pictures)],
            "drop_points": int8.drop_points,
            "agreement": int8.agreement,
        },
        "latency_ms": None
        if run.latency is None
        else {stage: asdict(summary) for stage, summary in run.latency.items()},
        "model_sha256": facts.model_sha256,
        "data_sha256": facts.data_sha256,
        "remark": run.remark,
    }
