"""Is it slower than it was? A record's measurements taken again and held against it (`onsight bench --against`).

The two were not taken beside each other, so each round counts with its fastest call and the rule of `verdict_apart`
decides. What is not the same thing on the same device is refused: other weights or preprocessing, another picture,
another processor or governor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.change import Against, Change
from onsight_benchmarks.contradictions import contradiction
from onsight_benchmarks.measurement import MeasuredModel, Measurement
from onsight_benchmarks.objections import others_busy
from onsight_benchmarks.plan import ALL
from onsight_benchmarks.record import Record
from onsight_benchmarks.rounds import BLOCK
from onsight_benchmarks.verdict import RULE_APART, floors, verdict_apart
from onsight_edge.backends import FORMATS
from onsight_edge.errors import BenchmarkError

STAGE = "end_to_end"
TOO_BUSY = "too busy to tell"
# a call longer than the scheduler's slice is interrupted every time while others want the core: then even the
# fastest call of a round tells of them (measured: 5.7 ms became 10 to 14; calls of 1.4 ms stayed within 0.5 %)
SLICE_MS = 2.0
FAIL_ABOVE = 1.05
# what makes a device another one; the versions of its software may change: they may be what is asked about
_SAME_DEVICE = ("model", "machine", "cpu", "cores", "governor", "max_mhz")
_TOLD = ("os", "kernel", "python", "numpy", "opencv")
_T = TypeVar("_T")


def what_was_measured(then: Record) -> dict[str, Any]:
    """The arguments of `bench` that measure the same again.

    Raises:
        BenchmarkError: the record does not hold what a comparison needs.
    """
    if not then.measurements:
        raise BenchmarkError("it holds no measurement")
    if then.gpu is not None or any(one.latency_ms.get("preprocess") is None for one in then.measurements):
        raise BenchmarkError("it was taken with --gpu or --gpu-dry-run; --against measures from the frame on")
    for one in then.measurements:
        if one.over_time is not None:
            raise BenchmarkError("it was taken with --minutes; hold against one that was not")
        if one.values_us is None or STAGE not in one.values_us:
            raise BenchmarkError("it holds no single values (--no-values), which an interval needs")
        if (said := contradiction(one)) is not None:
            raise BenchmarkError(f"{one.label}: the record contradicts itself: {said}")
    scenarios = _each(one.scenario.name if one.scenario else "single-stream" for one in then.measurements)
    if len(scenarios) != 1:
        raise BenchmarkError(f"it holds several scenarios: {', '.join(scenarios)}")
    first = then.measurements[0].scenario
    wanted: dict[str, Any] = {
        "scenario": scenarios[0],
        "loadgen": first is not None and first.loadgen is not None,
        # a bare file's variant is its format, which is nothing to choose from
        "variants": _each(ALL if one.model.variant in FORMATS else one.model.variant for one in then.measurements),
        "backends": _each(one.backend.name for one in then.measurements),
        "threads": _each(one.backend.threads for one in then.measurements),
        "iterations": max(len(one.values_us[STAGE]) for one in then.measurements if one.values_us),
        "warmup": then.method.warmup,
        "seed": then.method.seed,
    }
    if first is not None and first.name == "multi-stream":
        wanted["pictures_per_query"] = first.pictures_per_query
    if scenarios[0] == "offline":
        wanted["batches"] = _each(one.batch for one in then.measurements)
    if first is not None and first.name == "live":
        wanted["iterations"], wanted["fps"] = first.queries, then.method.fps
    return wanted


def hold_against(then: Record, measure: Callable[[], Record], *, fail_above: float, force: bool) -> Record:
    """Measure again, and once more where something seems slower or cannot be told: what was chance is rarely so twice.

    Args:
        then: the earlier record.
        measure: takes one like it.
        fail_above: see `Against`.
        force: compare what is not the same thing all the same.

    Returns:
        The last record, which says what changed.

    Raises:
        BenchmarkError: the two cannot be compared; the message says every reason.
    """
    now, found, unlike = _compared(then, measure(), force)
    times_measured = 1
    if any(one.answer in ("slower", TOO_BUSY) for one in found):
        now, found, unlike = _compared(then, measure(), force)
        times_measured = 2
    told = told_changes(then, now)
    return replace(
        now, against=Against(then.taken, RULE_APART, times_measured, fail_above, found, tuple(unlike), tuple(told))
    )


def _compared(then: Record, now: Record, force: bool) -> tuple[Record, tuple[Change, ...], list[str]]:
    unlike = differences(then, now)
    if unlike and not force:
        raise BenchmarkError(f"it cannot be compared with this (--force does it all the same): {'; '.join(unlike)}")
    found = changes(then, now)
    if not found:
        raise BenchmarkError("nothing that it holds could be measured again")
    return now, found, unlike


def differences(then: Record, now: Record) -> list[str]:
    """Why the two cannot be compared, in a few words each; empty where they can."""
    found = [
        f"{name} is {getattr(now.device, name)!r}, was {getattr(then.device, name)!r}"
        for name in _SAME_DEVICE
        if getattr(now.device, name) != getattr(then.device, name)
    ]
    if then.method.picture.sha256 != now.method.picture.sha256:
        found.append(f"the picture is {now.method.picture.name!r}, was {then.method.picture.name!r}: see --image")
    if then.method.source != now.method.source:
        found.append(f"the camera is {now.method.source!r}, was {then.method.source!r}: see --source")
    for one in then.measurements:
        again = _again(one, now)
        if again is None:
            why = next((s.reason for s in now.skipped if s.backend == one.backend.name), "it is no longer there")
            found.append(f"{one.label} could not be measured again: {why}")
        elif not same_weights(one.model, again.model):
            found.append(f"{one.label} has other weights ({again.model.sha256[:12]}, was {one.model.sha256[:12]})")
        elif one.model.preprocess_sha256 != again.model.preprocess_sha256:
            found.append(f"{one.label} prepares its input otherwise than it did")
    return found


def same_weights(one: MeasuredModel, other: MeasuredModel) -> bool:
    """Whether two files hold the same weights: the same file, or exported from the same network."""
    return one.sha256 == other.sha256 or (one.source_sha256 is not None and one.source_sha256 == other.source_sha256)


def told_changes(then: Record, now: Record) -> list[str]:
    """What else is not as it was, and may be what made a difference."""
    found = [
        f"{name} {getattr(then.device, name)} -> {getattr(now.device, name)}"
        for name in _TOLD
        if getattr(now.device, name) != getattr(then.device, name)
    ]
    for one in then.measurements:
        again = _again(one, now)
        if again is None:
            continue
        if again.backend.version != one.backend.version:
            found.append(f"{one.backend.name} {one.backend.version} -> {again.backend.version}")
        if again.backend.detail != one.backend.detail:
            found.append(f"{one.backend.name}: {one.backend.detail} -> {again.backend.detail}")
        if again.model.sha256 != one.model.sha256:
            found.append(f"{one.model.file} was exported again")
    if then.invalid_because:
        found.append(f"the earlier record is not valid: {'; '.join(then.invalid_because)}")
    return list(dict.fromkeys(found))


def changes(then: Record, now: Record) -> tuple[Change, ...]:
    """Each measurement of the earlier record beside its later self; what was not measured again is left out."""
    found = []
    for one in then.measurements:
        again = _again(one, now)
        if again is None:
            continue
        ours, theirs = _floors(again, now), _floors(one, then)
        judged = verdict_apart(ours, theirs)
        # a live loop wakes up for every frame, and waits for a core each time
        waits = max(float(np.median(ours)), float(np.median(theirs))) > 1e3 * SLICE_MS or _is_live(one)
        answer = TOO_BUSY if waits and (_busy(then) or _busy(now)) else judged.answer
        before, after = one.latency_ms[STAGE], again.latency_ms[STAGE]
        assert before is not None and after is not None  # every latency record has it
        found.append(Change(one.label, answer, judged.ratio, before.p50, after.p50))
    return tuple(found)


def _is_live(one: Measurement) -> bool:
    return one.scenario is not None and one.scenario.name == "live"


def _busy(record: Record) -> bool:
    return bool(others_busy(record.conditions.others_cores, record.device.cores))


def _again(one: Measurement, now: Record) -> Measurement | None:
    return next((other for other in now.measurements if _key(other) == _key(one)), None)


def _key(one: Measurement) -> tuple[str, int]:
    return one.label, one.scenario.pictures_per_query if one.scenario else 1


def _floors(one: Measurement, record: Record) -> NDArray[np.float64]:
    assert one.values_us is not None  # `what_was_measured` looked, and `bench` keeps them
    # live runs and LoadGen's are one long round; their neighbours make rounds too
    return floors(one.values_us[STAGE], record.method.block if record.method.rounds > 1 else BLOCK)


def _each(values: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))
