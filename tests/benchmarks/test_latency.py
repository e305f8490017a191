from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

from onsight_benchmarks.fresh import resident_mib, warm_up
from onsight_benchmarks.latency import bench
from onsight_benchmarks.measurement import STAGES
from onsight_benchmarks.picture import make_frame, synthetic_frame
from onsight_benchmarks.record import Record
from onsight_benchmarks.rounds import BLOCK, measure_rounds
from onsight_edge.errors import BenchmarkError, DataError, ModelError, UsageError


def test_every_combination_was_measured(record: Record) -> None:
    assert [one.label for one in record.measurements] == [
        f"{variant}/{backend}/{threads}"
        for variant, backend in (
            ("tflite-int8", "litert"),
            ("tflite-float32", "litert"),
            ("onnx-float32", "onnxruntime"),
        )
        for threads in (1, 2)
    ]


def test_the_stages_are_summaries_of_the_kept_values(record: Record) -> None:
    assert record.method.rounds == 3  # 25 calls are three blocks of ten
    for one in record.measurements:
        assert one.values_us is not None
        assert one.latency_ms["capture"] is None
        for stage in STAGES:
            summary, values = one.latency_ms[stage], one.values_us[stage]
            assert summary is not None
            assert summary.count == len(values) == record.method.rounds * BLOCK
            assert summary.max == pytest.approx(max(values) / 1e3, abs=1e-4)
            assert summary.p50 == pytest.approx(sorted(values)[len(values) // 2] / 1e3, abs=1e-4)
        parts = sum(np.asarray(one.values_us[stage]) for stage in STAGES[:3])
        assert (parts <= np.asarray(one.values_us["end_to_end"]) + 0.3).all()
        assert one.throughput_fps == pytest.approx(1e6 / np.mean(one.values_us["end_to_end"]), rel=0.01)


def test_fresh_processes_gave_init_first_and_memory(record: Record) -> None:
    for one in record.measurements:
        assert one.init_ms is not None and one.init_ms > 0
        assert one.first_ms is not None and one.first_ms > 0
        assert one.rss_mib is not None and one.rss_peak_mib is not None
        assert 10 < one.rss_mib <= one.rss_peak_mib
        assert one.warm_up is not None and one.warm_up.calls >= 0 and one.warm_up.settled_ms > 0


def test_ratios_against_float_and_against_onnx_runtime(record: Record) -> None:
    pairs = {(one.of, one.to, one.stage) for one in record.comparisons}
    assert ("tflite-int8/litert/1", "tflite-float32/litert/1", "inference") in pairs
    assert ("tflite-int8/litert/2", "onnx-float32/onnxruntime/2", "end_to_end") in pairs
    assert all(one.ratio.rounds == record.method.rounds for one in record.comparisons)


def test_too_few_calls_are_said(record: Record) -> None:
    assert not record.valid
    assert any("at least 101 are needed" in why for why in record.invalid_because)


def test_what_is_not_installed_is_skipped_with_a_reason(record: Record) -> None:
    import importlib.util

    if importlib.util.find_spec("tflite_runtime"):
        pytest.skip("tflite-runtime is installed here")
    assert {one.backend for one in record.skipped} == {"tflite-runtime"}
    assert all("not installed" in one.reason for one in record.skipped)


def test_a_bare_file_and_one_backend(bundle: Path) -> None:
    found = bench(bundle / "onnx-float32.onnx", iterations=1, warmup=0, fresh=0, values=False)
    (one,) = found.measurements
    assert (one.model.variant, one.backend.name, one.values_us, one.init_ms) == ("onnx", "onnxruntime", None, None)
    assert (
        one.model.sha256
        == bench(bundle, variants=("onnx-float32",), iterations=1, fresh=0).measurements[0].model.sha256
    )


def test_seconds_alone_bound_the_measuring(bundle: Path) -> None:
    found = bench(bundle, variants=("tflite-int8",), backends=("auto",), seconds=0.05, warmup=0, fresh=0)
    assert found.conditions.seconds >= 0.05
    assert found.method.rounds >= 1


def test_progress_is_told(bundle: Path) -> None:
    told: list[tuple[str, float]] = []
    bench(bundle, variants=("tflite-int8",), iterations=20, fresh=1, progress=lambda *what: told.append(what))
    assert list(dict.fromkeys(what for what, _ in told)) == ["fresh processes", "warming up", "measuring"]
    assert told[-1] == ("measuring", 1.0)
    assert all(0 <= share <= 1 for _, share in told)


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        ({"backends": ("tensorrt",)}, UsageError, "unknown backend"),
        ({"threads": (0,)}, UsageError, "threads"),
        ({"iterations": 0}, UsageError, "--iterations"),
        ({"seconds": -1.0}, UsageError, "--seconds"),
        ({"warmup": -1}, UsageError, "negative"),
        ({"variants": ("tflite-int4",)}, ModelError, "no variant"),
        ({"variants": ("tflite-int8",), "backends": ("onnxruntime",)}, BenchmarkError, "nothing to measure"),
        ({"image": Path("missing.jpg")}, DataError, "missing.jpg"),
    ],
)
def test_nonsense_is_refused(bundle: Path, wanted: dict[str, object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        bench(bundle, **wanted)  # type: ignore[arg-type]


def test_rounds_visit_every_subject_in_a_drawn_order() -> None:
    order: list[int] = []

    def subject(number: int):  # type: ignore[no-untyped-def]
        def measure(calls: int) -> np.ndarray:
            if calls == BLOCK:
                order.append(number)
            return np.full((calls, 1), number, np.int64)

        return measure

    blocks = measure_rounds([subject(n) for n in range(3)], iterations=50, rng=random.Random(0))
    rounds = [tuple(order[at : at + 3]) for at in range(0, len(order), 3)]
    assert len(rounds) == 5 and all(sorted(one) == [0, 1, 2] for one in rounds)
    assert len(set(rounds)) > 1
    assert all((block == number).all() and len(block) == BLOCK for number in range(3) for block in blocks[number])


def test_the_frame_is_fixed_by_its_seed(tmp_path: Path) -> None:
    import cv2

    frame, picture = make_frame(seed=5)
    assert frame.shape == (480, 640, 3) and frame.dtype == np.uint8
    assert picture == make_frame(seed=5)[1] != make_frame(seed=6)[1]
    assert picture.size_wh == (640, 480)
    assert frame.std() > 20
    cv2.imwrite(str(tmp_path / "small.png"), synthetic_frame(1)[:100, :90])
    read, named = make_frame(tmp_path / "small.png")
    assert read.shape == (480, 640, 3)
    assert named.name == "small.png"


@pytest.mark.parametrize(
    ("took", "calls", "ms"),
    [
        ([1.0] * 20, 0, 0.0),
        (
            [9.0, 5.0, 3.0, 2.0, *[1.0] * 20],
            2,
            14.0,
        ),  # a run's median is settled with three of five
        ([1.0, 1.0, 1.0, 9.0, *[1.0] * 20], 0, 0.0),  # one slow call is no warm-up
    ],
)
def test_the_warm_up_ends_where_calls_are_as_fast_as_later_ones(took: list[float], calls: int, ms: float) -> None:
    assert warm_up(np.asarray(took)) == (calls, ms, 1.0)


def test_memory_is_read_from_proc(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nVmHWM:\t  51200 kB\nVmRSS:\t   40960 kB\n")
    assert resident_mib(status) == (40.0, 50.0)
    assert resident_mib(tmp_path / "missing") == (None, None)


def test_nothing_to_measure_names_what_to_install(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as where it is not installed
    with pytest.raises(BenchmarkError, match=r"nothing to measure: .*pip install 'onsight\[onnx\]'"):
        bench(bundle / "onnx-float32.onnx", iterations=10, fresh=0)
