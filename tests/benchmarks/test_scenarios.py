from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_benchmarks.batching import BatchClassifier
from onsight_benchmarks.camera import PacedCamera
from onsight_benchmarks.early_stopping import estimate
from onsight_benchmarks.latency import bench
from onsight_benchmarks.plan import Combination
from onsight_benchmarks.record import Record
from onsight_benchmarks.scenarios.live import run_camera
from onsight_benchmarks.stats import percentile
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BackendError, UsageError
from onsight_edge.frame import Frame, Prediction, Timings
from onsight_edge.sources.synthetic import SyntheticSource


def small(bundle: Path, scenario: str, **wanted: Any) -> Record:
    return bench(bundle, scenario=scenario, backends=("auto",), warmup=1, fresh=0, **wanted)


def test_single_stream_has_loadgens_headline(bundle: Path) -> None:
    found = small(bundle, "single-stream", variants=("tflite-int8",), iterations=70)
    (one,) = found.measurements
    assert one.scenario is not None and one.values_us is not None
    ordered = sorted(one.values_us["end_to_end"])
    assert (one.scenario.name, one.scenario.metric, one.scenario.min_queries) == ("single-stream", "p90_ms", 64)
    assert one.scenario.queries == len(ordered) == 70
    assert one.scenario.value == pytest.approx(percentile(ordered, 90) / 1e3, abs=1e-4)
    assert one.scenario.early_stopping == pytest.approx((estimate(ordered, 0.9) or 0) / 1e3, abs=1e-4)
    (short,) = small(bundle, "single-stream", variants=("tflite-int8",), iterations=60).measurements
    assert short.scenario is not None and short.scenario.early_stopping is None


def test_multi_stream_one_by_one_and_in_a_batch(bundle: Path) -> None:
    found = small(bundle, "multi-stream", variants=("tflite-int8", "onnx-float32"), iterations=10, pictures_per_query=3)
    assert [(one.model.variant, one.batch) for one in found.measurements] == [
        ("tflite-int8", 1),
        ("tflite-int8", 3),
        ("onnx-float32", 1),
        ("onnx-float32", 3),
    ]
    for one in found.measurements:
        assert one.scenario is not None and one.values_us is not None
        assert (one.scenario.metric, one.scenario.min_queries, one.scenario.pictures_per_query) == ("p99_ms", 662, 3)
        took_s = sum(one.values_us["end_to_end"]) / 1e6
        assert one.throughput_fps == pytest.approx(3 * 10 / took_s, rel=0.01)
    assert found.measurements[1].label == "tflite-int8/litert/1/b3"


def test_offline_by_batch_size(bundle: Path) -> None:
    found = small(bundle, "offline", variants=("tflite-int8", "onnx-float32"), iterations=10, batches=(1, 4))
    assert [one.batch for one in found.measurements] == [1, 4, 1, 4]
    for one in found.measurements:
        assert one.scenario is not None and one.values_us is not None
        took_s = sum(one.values_us["end_to_end"]) / 1e6
        assert one.scenario.metric == "pictures_per_s"
        assert one.scenario.value == pytest.approx(10 * one.batch / took_s, rel=0.01)
    assert not any("queries were measured" in why for why in found.invalid_because)


def test_a_file_of_a_fixed_batch_is_measured_one_by_one_and_that_is_said(bundle: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(bundle / "onnx-float32.onnx")
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "fixed.onnx")
    found = bench(tmp_path / "fixed.onnx", scenario="offline", iterations=10, fresh=0, batches=(8, 32))
    assert [one.batch for one in found.measurements] == [1]
    assert [one.variant for one in found.skipped if "takes batches of 1 only" in one.reason] == ["onnx"]


def test_a_batch_is_answered_as_its_pictures_are(bundle: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 48, 64, 3), dtype=np.uint8)
    for variant in ("tflite-int8", "onnx-float32"):
        with Classifier.open(bundle, variant=variant) as single, Classifier.open(bundle, variant=variant) as own:
            together, timings = BatchClassifier(own, 5).classify_timed(frames)
            for frame, found in zip(frames, together, strict=True):
                assert np.abs(single.classify(frame).scores - found.scores).max() < 0.01
            assert timings.inference_ns > 0


def test_a_runtime_that_answers_batches_otherwise_is_refused(bundle: Path) -> None:
    with Classifier.open(bundle, variant="tflite-int8") as classifier:
        infer = classifier.backend.infer

        def shuffled(batch: np.ndarray) -> np.ndarray:
            return infer(batch)[::-1]

        classifier.backend.infer = shuffled  # type: ignore[method-assign]
        with pytest.raises(BackendError, match="otherwise than its pictures one by one"):
            BatchClassifier(classifier, 4)


def test_live_counts_every_frame_that_was_due(bundle: Path) -> None:
    found = small(bundle, "live", variants=("tflite-int8",), iterations=20, fps=40.0)
    (one,) = found.measurements
    assert one.frames is not None and one.age_ms is not None and one.scenario is not None and one.values_us is not None
    assert (one.frames.due, one.age_ms.count, one.scenario.queries) == (20, 20, 20)
    assert one.frames.captured == one.frames.classified + one.frames.dropped
    assert (one.scenario.metric, one.scenario.value) == ("age_p90_ms", one.age_ms.p90)
    assert set(one.latency_ms) == {
        *("capture", "wait", "preprocess", "inference", "postprocess", "publish", "end_to_end"),
    }
    assert len(one.values_us["age"]) == 20
    assert len(one.values_us["end_to_end"]) == one.frames.classified
    assert (found.method.source, found.method.fps) == ("synthetic://", 40.0)
    # twenty frames at 40 a second take half a second: no more results a second than the camera gives
    assert one.throughput_fps <= 40.0


class Stalls:
    """Sleeps once: a classifier in its nth call, or a source in its nth read."""

    def __init__(self, inner: Any, at: int, seconds: float) -> None:
        self._inner, self._at, self._seconds, self._calls = inner, at, seconds, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _maybe_sleep(self) -> None:
        self._calls += 1
        if self._calls == self._at:
            time.sleep(self._seconds)

    def classify_timed(self, image: np.ndarray) -> tuple[Prediction, Timings]:
        self._maybe_sleep()
        return self._inner.classify_timed(image)  # type: ignore[no-any-return]

    def read(self) -> Frame | None:
        self._maybe_sleep()
        return self._inner.read()  # type: ignore[no-any-return]


@pytest.mark.parametrize("what", ["classifier", "source"])
def test_a_stall_shows_in_the_ages_and_in_the_counts(bundle: Path, what: str) -> None:
    """1 s of 2 s is silent: of 40 frames about 20 fall due meanwhile, though a single answer was late."""
    with Classifier.open(bundle, variant="tflite-int8") as classifier:
        combination = Combination(str(bundle), "tflite-int8", "litert", 1, None, classifier)
        source = SyntheticSource(None, (64, 48))
        if what == "source":
            found = run_camera(combination, classifier, PacedCamera(Stalls(source, 10, 1.0), 20.0, 40))
        else:
            found = run_camera(combination, Stalls(classifier, 10, 1.0), PacedCamera(source, 20.0, 40))
    age, frames = found.age_ms, found.frames
    assert age is not None and frames is not None
    assert frames.due == age.count == 40
    assert age.p99 >= 900 and age.p90 >= 700
    late = np.sort(found.stages_ns["age"])[::-1] / 1e6
    assert (late[:14] > 200).all()  # every frame that fell due meanwhile, not the one that was answered late alone
    if what == "source":
        assert frames.captured <= 25
        assert any("delivered" in why and "of the 40 frames" in why for why in found.objections)
    else:
        assert frames.dropped >= 10


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"scenario": "server"}, "the scenario must be one of single-stream"),
        ({"scenario": "live", "loadgen": True}, "LoadGen has no scenario 'live'"),
        ({"pictures_per_query": 0}, "hold 1 to 1024"),
        ({"batches": (1, 2000)}, "hold 1 to 1024"),
        ({"batches": ()}, "hold 1 to 1024"),
        ({"fps": 0.0}, "frames a second"),
    ],
)
def test_nonsense_is_refused(wanted: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        bench(**wanted)
