"""The page's bars: where the time goes, how old frames are, what a picture costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onsight_benchmarks.comparison.comparison import Comparison
from onsight_benchmarks.comparison.subjects import Subject

_ORDER = ("capture", "decode", "wait", "preprocess", "h2d", "inference", "compute", "d2h", "postprocess", "publish")
_NOT_PARTS = ("end_to_end", "device", "age")  # sums of others
STAGE_WORDS = {
    "capture": "waiting for the camera",
    "decode": "JPEG to pixels",
    "wait": "in the latest-frame slot",
    "preprocess": "frame to input tensor",
    "inference": "the network, in the runtime",
    "postprocess": "output tensor to prediction",
    "publish": "handing the result on",
    "h2d": "host to device",
    "compute": "the network, on the device",
    "d2h": "device to host",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A stage's part of a bar: its class, the share of the bar in percent, its p50."""

    stage: str
    kind: str
    share: float
    p50_ms: float


def stage_bars(subjects: Sequence[Subject]) -> dict[str, Any]:
    """Each measurement's stages as shares of their sum, the quickest measurement first."""
    rows: list[dict[str, Any]] = []
    for subject in sorted(subjects, key=_p50):
        found = {s: v.p50 for s in subject.stages if s not in _NOT_PARTS and (v := subject.measured.latency_ms[s])}
        total = sum(found.values())
        if not found or total <= 0:
            continue
        order = sorted(found, key=lambda stage: _ORDER.index(stage) if stage in _ORDER else len(_ORDER))
        segments = [Segment(stage, _kind(stage), 100 * found[stage] / total, found[stage]) for stage in order]
        rows.append({"subject": subject, "segments": segments, "p50": subject.p50_ms})
    present = list(dict.fromkeys(one.stage for row in rows for one in row["segments"]))
    present.sort(key=lambda stage: _ORDER.index(stage) if stage in _ORDER else len(_ORDER))
    return {"rows": rows, "key": [(stage, _kind(stage), STAGE_WORDS.get(stage, "")) for stage in present]}


def ages(subjects: Sequence[Subject]) -> dict[str, Any]:
    """How old frames were when their results were published, on one scale from 0."""
    rows = [subject for subject in subjects if subject.measured.age_ms is not None]
    highest = max((s.measured.age_ms.p99 for s in rows if s.measured.age_ms is not None), default=0.0)
    return {"rows": rows, "highest": highest or 1.0}


def energies(comparison: Comparison) -> dict[str, Any]:
    """Millijoules a picture, on one scale from 0, beside the reference's."""
    rows = [subject for subject in comparison.subjects if subject.measured.energy is not None]
    highest = max((s.measured.energy.mj_per_picture for s in rows if s.measured.energy is not None), default=0.0)
    ratios = {one.of.name: one.energy for one in comparison.beside}
    return {"rows": rows, "highest": highest or 1.0, "ratios": ratios}


def _kind(stage: str) -> str:
    return f"t-{stage}" if stage in _ORDER else "t-other"


def _p50(subject: Subject) -> float:
    p50 = subject.p50_ms
    return float("inf") if p50 is None else p50
