from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_benchmarks.against import changes, differences, hold_against, same_weights, told_changes, what_was_measured
from onsight_benchmarks.latency import bench
from onsight_benchmarks.record import Record
from onsight_benchmarks.verdict import floors, verdict_apart
from onsight_edge.errors import BenchmarkError


def scaled(record: Record, factor: float) -> Record:
    """The record of a device that is slower by that factor."""
    return replace(
        record,
        measurements=tuple(
            replace(one, values_us={stage: tuple(factor * v for v in vs) for stage, vs in one.values_us.items()})
            for one in record.measurements
            if one.values_us is not None
        ),
    )


@pytest.fixture(scope="module")
def then(bundle: Path) -> Record:
    return bench(bundle, variants=("tflite-int8", "onnx-float32"), backends=("auto",), iterations=150, fresh=0)


def test_what_was_measured_is_measured_again(then: Record, bundle: Path) -> None:
    wanted = what_was_measured(then)
    assert wanted == {
        "scenario": "single-stream",
        "loadgen": False,
        "variants": ("tflite-int8", "onnx-float32"),
        "backends": ("litert", "onnxruntime"),
        "threads": (1,),
        "iterations": 150,
        "warmup": then.method.warmup,
        "seed": 0,
    }
    now = bench(bundle, fresh=0, **wanted)
    assert [one.label for one in now.measurements] == [one.label for one in then.measurements]
    assert differences(then, now) == [] and told_changes(then, now) == [
        f"the earlier record is not valid: {'; '.join(then.invalid_because)}" for _ in range(not then.valid)
    ]


@pytest.mark.parametrize(
    "wanted",
    [
        {"scenario": "multi-stream", "pictures_per_query": 3, "iterations": 20},
        {"scenario": "offline", "batches": (2, 5), "iterations": 20},
        {"scenario": "live", "fps": 90.0, "iterations": 30},
    ],
)
def test_each_scenario_can_be_asked_again(bundle: Path, wanted: dict[str, Any]) -> None:
    then = bench(bundle, variants=("tflite-int8",), backends=("litert",), fresh=0, **wanted)
    again = what_was_measured(then)
    assert {key: again[key] for key in wanted} == wanted
    assert len(changes(then, then)) == len(then.measurements)


def test_a_bare_file_has_no_variant_to_choose(bundle: Path) -> None:
    file = bundle / "onnx-float32.onnx"
    then = bench(file, iterations=10, fresh=0)
    wanted = what_was_measured(then)
    assert wanted["variants"] == ("all",)
    assert differences(then, bench(file, fresh=0, **wanted)) == []


def test_the_same_is_no_change_and_twice_as_slow_is(then: Record) -> None:
    assert {one.answer for one in changes(then, then)} == {"no difference"}
    slower = changes(then, scaled(then, 2.0))
    assert {one.answer for one in slower} == {"slower"}
    assert all(one.ratio.median == pytest.approx(2.0, abs=1e-3) for one in slower)
    assert {one.answer for one in changes(then, scaled(then, 0.5))} == {"faster"}


def test_long_calls_on_a_busy_machine_cannot_be_told(then: Record) -> None:
    def busy(record: Record, cores: float) -> Record:
        return replace(record, conditions=replace(record.conditions, others_cores=cores))

    # some milliseconds a call, the fastest ones too
    slow = scaled(
        busy(then, 0.0), 5e3 / min(min(one.values_us["end_to_end"]) for one in then.measurements if one.values_us)
    )
    slower = scaled(slow, 1.5)
    assert {one.answer for one in changes(slow, slower)} == {"slower"}
    assert {one.answer for one in changes(slow, busy(slower, 1.5))} == {"too busy to tell"}
    assert {one.answer for one in changes(busy(slow, 1.5), slower)} == {"too busy to tell"}
    short = scaled(slow, 0.01)
    assert {one.answer for one in changes(busy(short, 1.5), busy(scaled(short, 1.5), 1.5))} == {"slower"}


def test_what_seems_slower_is_measured_once_more(then: Record) -> None:
    answers = [scaled(then, 2.0), then]
    found = hold_against(then, lambda: answers.pop(0), fail_above=1.05, force=False)
    assert found.against is not None and found.against.times_measured == 2 and found.against.grown() == ()
    found = hold_against(then, lambda: scaled(then, 2.0), fail_above=1.05, force=False)
    assert found.against is not None and found.against.times_measured == 2
    assert len(found.against.grown()) == len(then.measurements)
    found = hold_against(then, lambda: scaled(then, 2.0), fail_above=2.5, force=False)
    assert found.against is not None and found.against.grown() == ()
    assert Record.from_json(found.to_json()) == found


def _device(record: Record) -> Record:
    return replace(record, device=replace(record.device, cpu="Cortex-A76"))


def _governor(record: Record) -> Record:
    return replace(record, device=replace(record.device, governor="powersave"))


def _picture(record: Record) -> Record:
    return replace(record, method=replace(record.method, picture=replace(record.method.picture, sha256="0", name="x")))


def _first(record: Record, **changed: Any) -> Record:
    first, *rest = record.measurements
    return replace(record, measurements=(replace(first, model=replace(first.model, **changed)), *rest))


def _weights(record: Record) -> Record:
    return _first(record, sha256="f" * 64)


def _preprocess(record: Record) -> Record:
    return _first(record, preprocess_sha256="f" * 64)


def _missing(record: Record) -> Record:
    return replace(record, measurements=record.measurements[1:])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_device, "cpu is 'Cortex-A76'"),
        (_governor, "governor is 'powersave'"),
        (_picture, "the picture is 'x', was 'synthetic'"),
        (_weights, "tflite-int8/litert/1 has other weights"),
        (_preprocess, "tflite-int8/litert/1 prepares its input otherwise"),
        (_missing, "tflite-int8/litert/1 could not be measured again"),
    ],
)
def test_what_is_not_the_same_is_refused(then: Record, spoil: Callable[[Record], Record], says: str) -> None:
    with pytest.raises(BenchmarkError, match=says):
        hold_against(then, lambda: spoil(then), fail_above=1.05, force=False)
    found = hold_against(then, lambda: spoil(then), fail_above=1.05, force=True)
    assert found.against is not None and any(says in why for why in found.against.differences)


def test_the_same_network_exported_again_has_the_same_weights(then: Record) -> None:
    one = replace(then.measurements[0].model, source_sha256="a")
    assert same_weights(one, replace(one, sha256="other"))
    assert not same_weights(one, replace(one, sha256="other", source_sha256="b"))
    unknown = replace(one, source_sha256=None)
    assert same_weights(unknown, unknown) and not same_weights(unknown, replace(unknown, sha256="other"))


def _no_values(record: Record) -> Record:
    return replace(record, measurements=tuple(replace(one, values_us=None) for one in record.measurements))


def _sustained(record: Record) -> Record:
    return replace(record, measurements=tuple(replace(one, over_time=()) for one in record.measurements))


def _rehearsed(record: Record) -> Record:
    gpu = {"h2d": None, "compute": None, "d2h": None}
    return replace(
        record,
        measurements=tuple(
            replace(one, latency_ms={**gpu, "end_to_end": one.latency_ms["end_to_end"]}) for one in record.measurements
        ),
    )


def _empty(record: Record) -> Record:
    return replace(record, measurements=())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_no_values, "no single values"),
        (_sustained, "--minutes"),
        (_empty, "no measurement"),
        (_rehearsed, "--gpu-dry-run"),
        (lambda then: scaled(then, 2.0), "contradicts itself"),
    ],
)
def test_a_record_that_cannot_be_held_against(then: Record, spoil: Callable[[Record], Record], says: str) -> None:
    with pytest.raises(BenchmarkError, match=says):
        what_was_measured(spoil(then))


def test_floors_are_what_disturbances_leave_alone() -> None:
    quiet = np.random.default_rng(0).normal(100, 0.5, 300)
    busy = quiet + np.random.default_rng(1).exponential(40, 300) * (np.random.default_rng(2).random(300) < 0.8)
    assert np.median(busy) > 1.1 * np.median(quiet)
    assert verdict_apart(floors(busy, 10), floors(quiet, 10)).answer == "no difference"
    assert verdict_apart(floors(1.08 * busy, 10), floors(quiet, 10)).answer == "slower"
    assert verdict_apart(floors(quiet, 10), floors(1.08 * busy, 10)).answer == "faster"


def test_floors_of_odd_numbers_of_calls() -> None:
    assert floors([5, 4, 3, 2, 1], 2).tolist() == [4, 2]
    assert floors([5, 4, 3], 10).tolist() == [3]
