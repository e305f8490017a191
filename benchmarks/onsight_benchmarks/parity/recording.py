"""From a waterfall and its times to a variants record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from onsight_benchmarks.accuracy_record import Tested
from onsight_benchmarks.parity.record import Method, Network, Quantized, VariantAnswer, VariantsRecord
from onsight_benchmarks.parity.timing import Times
from onsight_benchmarks.provenance import now_utc, provenance
from onsight_benchmarks.report import Target
from onsight_benchmarks.runs import RunFacts
from onsight_benchmarks.stats import Summary
from onsight_edge.bundle import Bundle
from onsight_edge.device import describe_device
from onsight_edge.errors import BenchmarkError
from onsight_export.parity.parity import Parity
from onsight_export.parity.step import METHOD
from onsight_export.parity.waterfall import Step
from onsight_export.report import REPORT

GOAL_POINTS = 0.3  # what an int8 file may lose against Keras on all test pictures


def build_record(parity: Parity, times: Times, run: RunFacts, bundle: Bundle, classes: int) -> VariantsRecord:
    """Put a record together.

    Args:
        parity: measured against Keras; its steps are the bundle's variants.
        times: of the same files, in the same order.
        run: what the bundle was made of.
        bundle: says in its report how it was quantized.
        classes: how many the data set has.
    """
    quantized = _quantized(bundle)
    answers = tuple(
        _answer(step, inference, quantized.get(step.name))
        for step, inference in zip(parity.steps, times.inference_ms, strict=True)
    )
    own, data = parity.answers, parity.data
    reasons = list(times.objections)
    if data["pictures"] < data["test_pictures"]:
        reasons.append(f"{data['pictures']} of {data['test_pictures']} test pictures were used")
    return VariantsRecord(
        onsight=provenance(),
        taken=now_utc(),
        device=describe_device(),
        method=Method(
            drop_interval=METHOD,
            seed=parity.limits.seed,
            picture=times.picture,
            calls=times.calls,
            warmup=times.warmup,
            settle_calls=times.settle_calls,
            settle_ms=times.settle_ms,
        ),
        conditions=times.conditions,
        name=run.name,
        data=Tested(data["name"], data["sha256"], "test", data["pictures"], classes),
        keras=Network(
            arch=run.arch,
            recipe=run.recipe,
            parameters=run.parameters,
            macs=run.macs,
            model_sha256=run.model_sha256,
            bytes=int(parity.reference.described["bytes"]),
            backend=str(parity.reference.described["backend"]),
            correct=own.correct,
            accuracy=round(own.accuracy, 6),
            interval=_rounded(own.interval),
            ece=round(own.ece, 6),
        ),
        variants=answers,
        targets=tuple(
            Target(f"points that {one.variant} loses against Keras", one.drop_points, GOAL_POINTS)
            for one in answers
            if one.quantized is not None
        ),
        valid=not reasons,
        invalid_because=tuple(reasons),
    )


def _quantized(bundle: Bundle) -> dict[str, Quantized]:
    """What the export's report says of the int8 files.

    Raises:
        BenchmarkError: it says nothing, or is no report of this onsight's.
    """
    try:
        report = json.loads(bundle.read(bundle.files[REPORT]))
        return {name: _one_quantized(found) for name, found in report["int8"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BenchmarkError(
            f"{bundle.path} does not tell how its int8 files were quantized ({error!r}): export it again"
        ) from error


def _one_quantized(found: Mapping[str, Any]) -> Quantized:
    left = tuple(str(name) for name in found["left_float"])
    return Quantized(int(found["pictures"]), str(found["estimator"]), left, str(found["why"]))


def _answer(step: Step, inference: Summary, quantized: Quantized | None) -> VariantAnswer:
    answers = step.answers
    low, high = answers.drop_interval
    return VariantAnswer(
        variant=step.name,
        bytes=step.bytes,
        sha256=step.sha256,
        backend=step.backend,
        correct=answers.correct,
        accuracy=round(answers.accuracy, 6),
        interval=_rounded(answers.interval),
        ece=round(answers.ece, 6),
        only_keras=answers.only_reference,
        only_variant=answers.only_step,
        drop_points=round(answers.drop_points, 4),
        drop_interval_points=(round(low, 4), round(high, 4)),
        agreement=round(answers.agreement, 6),
        largest_difference=round(answers.largest_difference, 8),
        mean_difference=round(answers.mean_difference, 8),
        inference_ms=inference,
        objections=step.objections,
        quantized=quantized,
    )


def _rounded(interval: tuple[float, float]) -> tuple[float, float]:
    return round(interval[0], 6), round(interval[1], 6)
