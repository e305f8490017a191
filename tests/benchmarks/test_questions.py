"""The commands behind the measured promises, run for real but shortly; no figure is judged here."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight_benchmarks import agreement, frame_age, live_loop, overhead, preprocess, report, startup
from onsight_benchmarks.agreement import share_same
from onsight_benchmarks.child import run_child
from onsight_benchmarks.down_scaling import FLOOR
from onsight_benchmarks.record_file import save_json
from onsight_benchmarks.report import Target
from onsight_benchmarks.tables.page import markdown
from onsight_edge.errors import BenchmarkError, OnsightError, UsageError


def test_overhead_against_a_bare_script(tmp_path: Path) -> None:
    found = overhead.measure(iterations=30)
    assert found.kind == "overhead"
    assert {name: one.count for name, one in found.results["latency_ms"].items()} == {
        "classify": 30,
        "bare": 30,
        "bare_rgb": 30,
    }
    ratio = found.results["ratio_to_bare"]
    assert 0 < ratio.low <= ratio.median <= ratio.high
    assert [(one.measured, one.limit) for one in found.targets] == [(ratio.median, 1.10)]
    save_json(tmp_path / "o.json", found.to_json())
    assert "classify over the bare script" in markdown(tmp_path / "o.json")


def test_the_bare_call_answers_as_the_classifier_does() -> None:
    from onsight_benchmarks.picture import make_frame
    from onsight_edge.bundle import open_model
    from onsight_edge.classifier import Classifier

    frame, _ = make_frame()
    small = np.ascontiguousarray(frame[:32, :32])  # no resize, so that both see the same pixels
    file = open_model("default")
    answer = np.asarray(overhead.bare_call(file, small, rgb=True)())
    with Classifier.open("default", backend="litert") as classifier:
        assert int(answer[0].argmax()) == classifier.classify(small).index


def test_what_the_resize_costs_and_changes(tmp_path: Path) -> None:
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), cv2.resize(noise, (400, 300), interpolation=cv2.INTER_CUBIC))
    found = preprocess.measure("default", None, photographs=tmp_path, crops=4, iterations=10)
    (changed,) = found.results["changes"]
    assert changed["count"] == 4 and list(changed["ways"]) == [*list(found.results["cost"])[1:], FLOOR]
    away = {name: way["mean_difference"] for name, way in changed["ways"].items()}
    assert away["area"] == 0 == away["sums"] < away["every third row"] < away["onsight"] < away["linear"]
    assert changed["ways"]["area"]["agreement"] == {"tflite-int8": 1.0}
    assert [one.limit for one in found.targets] == [0.15, 0.995]
    save_json(tmp_path / "p.json", found.to_json())
    assert "resize over the int8 file's invoke" in markdown(tmp_path / "p.json")
    with pytest.raises(BenchmarkError, match="no photograph"):
        preprocess.measure("default", None, photographs=Path(__file__).parent, crops=1, iterations=10)


def test_startup_against_a_bare_script() -> None:
    found = startup.measure(runs=1)
    assert {name: one.count for name, one in found.results["process_ms"].items()} == {"onsight": 1, "bare": 1}
    assert found.invalid_because[-1].startswith("1 runs of each")
    with pytest.raises(UsageError):
        startup.measure(runs=0)


def test_the_live_loop_saturated_paced_and_with_slow_sinks(tmp_path: Path) -> None:
    found = live_loop.measure(rounds=1, frames=30, seconds=0.8)
    assert found.kind == "live_loop" and not found.valid
    for loop in ("onsight", "naive"):
        one = {key: found.results[key][loop].p50 for key in ("efficiency", "fps", "read_ms", "classify_ms")}
        assert one["efficiency"] == pytest.approx(one["fps"] * max(one["read_ms"], one["classify_ms"]) / 1e3, rel=0.01)
    paced = found.results["paced"]
    assert list(paced) == ["0", "20", "100", "400"]
    assert all(0 < one["out_in"] <= 1 and one["delivered_ms"]["p50"] > 0 for one in paced.values())
    assert len(found.targets) == 2 + 2 * len(paced)
    save_json(tmp_path / "l.json", found.to_json())
    assert "fps x mean of the slowest stage" in markdown(tmp_path / "l.json")


def test_startup_names_what_failed(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="failed"):
        startup._run([sys.executable, "-c", "import sys; sys.exit('no')"], str(tmp_path))


def test_frame_age_beside_a_naive_loop() -> None:
    found = None
    for seconds in (2.0, 4.0, 8.0):  # a machine that stands still for a moment leaves a quarter without a frame
        with contextlib.suppress(BenchmarkError):
            found = frame_age.measure(seconds=seconds, sink_ms=60)
            break
    assert found is not None, "a quarter of every run was empty"
    naive, ours = found.results["naive"]["delivered"], found.results["onsight"]["delivered"]
    # 30 fps into a sink of 16 a second: the FIFO falls behind by half a second each second, whatever the machine does
    assert naive["last"].p50 > naive["first"].p50
    assert naive["last"].p50 > ours["last"].p50
    assert found.targets[0].limit == pytest.approx(1000 / 30, abs=0.01)
    assert any("20 are needed" in why for why in found.invalid_because)
    with pytest.raises(UsageError):
        frame_age.measure(seconds=0)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    file = tmp_path / "set.npz"
    x, y = draw.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8), np.arange(40) % 10
    np.savez(file, x_train=x, y_train=y, x_test=x[::-1], y_test=y[::-1])
    return file


def test_agreement_of_runtimes(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    found = agreement.measure(bundle, str(pictures), legacy=False)
    assert found.results["pictures"] == 40
    assert set(found.results["accuracy"]) == {
        "tflite-float32/litert",
        "onnx-float32/onnxruntime",
        "tflite-int8/litert",
    }
    same = {(one["a"], one["b"]): one["same"] for one in found.results["pairs"]}
    assert same["tflite-float32/litert", "tflite-int8/litert"] == 1.0  # the same bytes under two names
    assert same["tflite-float32/litert", "onnx-float32/onnxruntime"] < 1.0  # another network altogether
    assert not found.targets[0].met
    assert found.method["data"] == "set.npz"
    assert "left out on request" in found.invalid_because[0]
    assert str(tmp_path) not in json.dumps(found.to_json())


def test_agreement_needs_two_float_files(pictures: Path) -> None:
    with pytest.raises(BenchmarkError, match="needs the variants tflite-float32 and onnx-float32"):
        agreement.measure("default", str(pictures), legacy=False)


def test_share_of_equal_answers() -> None:
    a, b, c = np.array([1, 2, 3, 4]), np.array([1, 2, 3, 0]), np.array([1, 0, 3, 4])
    assert share_same([a, a]) == 1.0
    assert share_same([a, b]) == 0.75
    assert share_same([a, b, c]) == 0.5


def test_a_failed_child_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no model at") as caught:
        run_child("onsight_benchmarks.fresh", [str(tmp_path / "none"), "", "auto", "1", str(_frame(tmp_path)), ""])
    assert "\n" not in str(caught.value)
    with pytest.raises(BenchmarkError, match="cannot start"):
        run_child("onsight_benchmarks.fresh", [], python=str(tmp_path / "python"))


def _frame(folder: Path) -> Path:
    np.save(folder / "frame.npy", np.zeros((4, 4, 3), np.uint8))
    return folder / "frame.npy"


def test_targets_know_their_side() -> None:
    assert Target("x", 1.0, 1.0).met and not Target("x", 1.1, 1.0).met
    assert Target("x", 0.995, 0.995, at_most=False).met and not Target("x", 0.99, 0.995, at_most=False).met
    assert str(Target("x", 2.0, 1.0)) == "x: 2 (at most 1: MISSED)"


def test_a_command_writes_its_record_and_fails_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o.json"
    monkeypatch.setattr(sys, "argv", ["overhead", "--iterations", "10", "--out", str(out)])
    report.run_command(overhead._command)
    assert json.loads(out.read_text())["kind"] == "overhead"
    assert "classify / bare" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["overhead", str(tmp_path / "none.tflite")])
    with pytest.raises(SystemExit, match="no model at"):
        report.run_command(overhead._command)

    def broken() -> tuple[report.Report, object, list[str]]:
        raise OnsightError("x")

    with pytest.raises(SystemExit, match=": x"):
        report.run_command(broken)  # type: ignore[arg-type]
