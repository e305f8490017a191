"""What a record says of a model file: which one it is, what it was exported from, and how right it is said to be."""

from __future__ import annotations

import json
from typing import Any

from onsight_benchmarks.measurement import KnownAccuracy, MeasuredModel
from onsight_edge.bundle import Bundle, ModelFile

REPORT = "report.json"  # what an export found out, among a bundle's files (docs/bundle.md)


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
        source_sha256=_source_sha256(_report(file)),
    )


def known_accuracy(file: ModelFile) -> KnownAccuracy | None:
    """How many test pictures the file got right when it was exported; None where nothing says so.

    The figure counts only for the very file that was tested: its digest must be the report's.
    """
    report = _report(file)
    try:
        found = next(one for one in report["variants"] if one["variant"] == file.variant)
        if found["sha256"] != file.sha256:
            return None
        return KnownAccuracy(
            correct=int(found["correct"]),
            pictures=int(found["pictures"]),
            dataset=str(report["dataset"]["name"]),
            dataset_sha256=str(report["dataset"]["sha256"]),
        )
    except (KeyError, TypeError, ValueError, StopIteration):
        return None


def _source_sha256(report: dict[str, Any]) -> str | None:
    try:
        return str(report["source"]["model_sha256"])
    except (KeyError, TypeError):
        return None


def _report(file: ModelFile) -> dict[str, Any]:
    """The report of the export that the file comes from; empty for a bare file, and where a bundle has none."""
    if file.bundle is None:
        return {}
    bundle = Bundle.open(file.bundle)
    if REPORT not in bundle.files:
        return {}
    try:
        report = json.loads(bundle.read(bundle.files[REPORT]))
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}
