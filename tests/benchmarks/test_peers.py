"""onsight beside others, each in a process of its own: with real runtimes, and with planted ones that fail."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight_benchmarks.peers import __main__ as command
from onsight_benchmarks.peers.adapters import onnxruntime as onnxruntime_script
from onsight_benchmarks.peers.adapters import opencv as opencv_script
from onsight_benchmarks.peers.cases import find_cases
from onsight_benchmarks.peers.job import Job
from onsight_benchmarks.peers.measure import WORKER, measure
from onsight_benchmarks.peers.planes import cut_planes
from onsight_benchmarks.peers.subjects import FLOAT, MNN, SUBJECTS, Subject
from onsight_benchmarks.record_file import save_json
from onsight_benchmarks.tables.peers import section
from onsight_benchmarks.tables.table import Loaded
from onsight_benchmarks.worker import WorkerError, WorkerProcess
from onsight_edge.bundle import DEFAULT_MODEL, Bundle
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BenchmarkError, UsageError

NAMED = {one.name: one for one in SUBJECTS}
PLANTED = """
import os, signal, time
from onsight_benchmarks.peers.job import Opened

def open_subject(job):
    calls = 0
    if job.option == "refuses":
        raise ValueError("not this\\nmodel")
    def classify(frame):
        nonlocal calls
        calls += 1
        print("a greeting on standard output")
        time.sleep(0.0005)  # so that settling takes a few calls, not thousands
        if job.option == "dies" and calls == 100:
            os.kill(os.getpid(), signal.SIGSEGV)
        return job.classes - 1
    return Opened(classify, "1.0")
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that answers always the same, and refuses or dies when told to."""
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "__init__.py").write_text("")
    (tmp_path / "planted" / "peer.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def peer(option: str) -> Subject:
    return Subject(f"planted {option}", "planted.peer", ("tflite",), option)


@pytest.fixture
def frame_file(tmp_path: Path) -> Path:
    np.save(tmp_path / "frame.npy", np.full((480, 640, 3), 80, np.uint8))
    return tmp_path / "frame.npy"


def job(**values: object) -> dict[str, object]:
    return asdict(replace(Job("default", classes=10, size_wh=(32, 32)), **values))  # type: ignore[arg-type]


def test_a_worker_measures_onsight_itself(frame_file: Path, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 480, 640, 3), np.uint8)
    np.save(tmp_path / "frames.npy", frames)
    with WorkerProcess(WORKER) as worker:
        with pytest.raises(WorkerError, match="nothing is opened"):
            worker.ask({"do": "block", "calls": 1, "settle_calls": 0, "settle_ms": 0}, 60)
        ask = {"do": "open", "adapter": "onsight", "job": job(option="litert"), "frame": str(frame_file)}
        opened = worker.ask(ask, 60)
        assert opened["version"] and opened["detail"].startswith("XNNPACK")
        assert opened["init_ms"] > 0 and opened["first_ms"] > 0
        block = worker.ask({"do": "block", "calls": 4, "settle_calls": 1, "settle_ms": 0.5}, 60)
        assert len(block["ns"]) == 4 and min(block["ns"]) > 0 and block["cores"] > 0
        assert worker.ask({"do": "memory"}, 60)["rss_mib"] > 10
        labels = worker.ask({"do": "labels", "frames": str(tmp_path / "frames.npy")}, 60)
    with Classifier.open("default") as classifier:
        assert labels == [classifier.classify(frame).index for frame in frames]


def test_what_a_runtime_prints_is_no_answer(frame_file: Path, planted: None) -> None:
    with WorkerProcess(WORKER) as worker:
        ask = {"do": "open", "adapter": "planted.peer", "job": job(), "frame": str(frame_file)}
        assert worker.ask(ask, 60)["version"] == "1.0"
        with pytest.raises(WorkerError, match="ValueError: not this model"):
            worker.ask({**ask, "job": job(option="refuses")}, 60)


def test_a_run_goes_on_without_those_that_fail(
    tmp_path: Path, planted: None, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    unmade = Subject("unmade", "mnn", ("tflite",), environment=MNN)
    needy = Subject("needy", "onnxruntime", ("onnx",))
    found = measure(
        subjects=(SUBJECTS[0], NAMED["LiteRT script"], peer("lives"), peer("refuses"), peer("dies"), unmade, needy),
        pictures=3,
        rounds=12,
        starts=1,
        seed=1,
    )
    (case,) = found.results["cases"]
    assert case["subjects"][0]["name"] == "onsight"
    assert {one["name"] for one in case["subjects"]} == {"onsight", "LiteRT script", "planted lives"}
    skipped = {one["name"]: one["reason"] for one in case["skipped"]}
    assert skipped["planted refuses"] == "ValueError: not this model"
    # after its answers, its start and some rounds
    assert re.search(r"ended with SIGSEGV.* in round [4-9] of 12", skipped["planted dies"])
    assert "--prepare" in skipped["unmade"]
    assert skipped["needy"] == "the bundle has no onnx-int8"
    ours, *others = case["subjects"]
    assert (ours["ratio"].median, ours["same_labels"], ours["accuracy"]) == (1.0, 1.0, None)
    assert all(one["ratio"].rounds == 12 == len(one["round_p50_us"]) for one in others)
    assert {target.what.split(" over ")[0] for target in found.targets} == {"LiteRT script", "planted lives"}
    assert any("at least 100 are needed" in why for why in found.invalid_because)
    text = json.dumps(found.to_json())
    assert str(tmp_path) not in text and "/tmp" not in text
    save_json(tmp_path / "peers.json", found.to_json())
    lines = section([Loaded.load(tmp_path / "peers.json")])
    assert "| LiteRT script" in lines and "- not measured: unmade: " in lines


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONSIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_onsight_itself_must_not_fail(planted: None) -> None:
    with pytest.raises(BenchmarkError, match="onsight itself failed: ValueError"):
        measure(subjects=(replace(peer("refuses"), name="onsight"),), pictures=1, rounds=1)


def test_labels_are_held_against_the_truth(bundle: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8), np.arange(40) % 10
    file = tmp_path / "set.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y, classes=np.array(Bundle.open(bundle).spec.classes))
    names = ("onsight", "LiteRT script", "ONNX Runtime script", "OpenCV DNN script")
    found = measure([bundle], data=str(file), pictures=20, rounds=2, starts=1, subjects=[NAMED[name] for name in names])
    int8, real = found.results["cases"]
    assert (int8["precision"], real["precision"]) == ("int8", "float32")
    assert [one["name"] for one in int8["subjects"]] == ["onsight", "LiteRT script"]
    assert int8["skipped"][0]["reason"] == "the bundle has no onnx-int8"
    by_name = {one["name"]: one for one in real["subjects"]}
    assert by_name.keys() == set(names)
    assert all(0 <= one["accuracy"] <= 1 for one in by_name.values())
    # the ONNX in that bundle is another network
    assert by_name["ONNX Runtime script"]["same_labels"] < 1
    assert by_name["OpenCV DNN script"]["same_labels"] == by_name["ONNX Runtime script"]["same_labels"]
    assert found.method["pictures"] == "set.npz test pictures, their pixels repeated" and found.method["count"] == 20
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(UsageError, match="other classes"):
        measure([bundle], data=str(file), pictures=20, rounds=1)
    with pytest.raises(UsageError, match="at least 1"):
        measure([bundle], rounds=0)


@pytest.mark.parametrize(
    ("models", "runs", "says"),
    [
        (["{file}"], [], "not a bundle"),
        (["default"], ["{empty}"], "no model.keras"),
        (["default"], ["{run}"], "not the run that any of the bundles was exported from"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path: Path, models: list[str], runs: list[str], says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.keras").write_bytes(b"another network")
    (tmp_path / "cases").mkdir()
    places = {
        "{file}": str(DEFAULT_MODEL / "tflite-int8.tflite"),
        "{empty}": str(tmp_path / "empty"),
        "{run}": str(tmp_path / "run"),
    }
    with pytest.raises(UsageError, match=says):
        find_cases([places.get(one, one) for one in models], [Path(places[one]) for one in runs], tmp_path / "cases")


@pytest.fixture
def convolving(tmp_path: Path) -> Path:
    """An .onnx as export writes them: raw bytes, rescaled, channels first, a convolution and what is left of a norm."""
    onnx = pytest.importorskip("onnx")
    helper, kind, draw = onnx.helper, onnx.TensorProto, np.random.default_rng(0)
    weights = {
        "scale": np.array(1 / 255, np.float32),
        "kernel": draw.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "gain": draw.normal(size=(1, 8, 1, 1)).astype(np.float32),
        "dense": draw.normal(size=(8, 4)).astype(np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["real"], to=kind.FLOAT),
            helper.make_node("Mul", ["real", "scale"], ["scaled"]),
            helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["planes", "kernel"], ["felt"], pads=[1, 1, 1, 1]),
            helper.make_node("Mul", ["felt", "gain"], ["normed"]),
            helper.make_node("Relu", ["normed"], ["positive"]),
            helper.make_node("GlobalAveragePool", ["positive"], ["means"]),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("MatMul", ["flat", "dense"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"], axis=-1),
        ],
        "convolving",
        [helper.make_tensor_value_info("pixels", kind.UINT8, ["batch", 16, 16, 3])],
        [helper.make_tensor_value_info("scores", kind.FLOAT, ["batch", 4])],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "convolving.onnx")
    return tmp_path / "convolving.onnx"


def test_what_is_cut_off_is_what_stands_before_the_convolution(convolving: Path, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    import onnx

    scale = cut_planes(convolving, tmp_path / "planes.onnx")
    assert scale == pytest.approx(1 / 255)
    nodes = [node.op_type for node in onnx.load(tmp_path / "planes.onnx").graph.node]
    assert nodes[:2] == ["Conv", "Relu"]  # the norm went into the convolution
    pixels = np.random.default_rng(1).integers(0, 256, (1, 16, 16, 3), np.uint8)
    whole = runtime.InferenceSession(convolving).run(None, {"pixels": pixels})[0]
    cut = runtime.InferenceSession(tmp_path / "planes.onnx")
    planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) * np.float32(scale)
    np.testing.assert_allclose(cut.run(None, {cut.get_inputs()[0].name: planes})[0], whole, atol=1e-5)
    model = onnx.load(convolving)
    model.graph.node[1].op_type = "Add"
    onnx.save(model, tmp_path / "adds.onnx")
    with pytest.raises(BenchmarkError, match="does not begin with"):
        cut_planes(tmp_path / "adds.onnx", tmp_path / "none.onnx")


def test_scripts_answer_alike(convolving: Path) -> None:
    pytest.importorskip("onnxruntime")
    asked = Job(str(convolving), size_wh=(16, 16), classes=4)
    frames = [cv2.resize(one, (640, 480)) for one in np.random.default_rng(2).integers(0, 256, (8, 6, 8, 3), np.uint8)]
    ours, theirs = onnxruntime_script.open_subject(asked), opencv_script.open_subject(asked)
    assert [ours.classify(frame) for frame in frames] == [theirs.classify(frame) for frame in frames]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "peers.json"
    words = ["peers", "--only", "LiteRT script", "--pictures", "2", "--rounds", "1", "--starts", "2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    report, _, lines = command._command()
    assert report.kind == "peers" and any("LiteRT script" in line for line in lines)
    with pytest.raises(UsageError, match="no subject 'Caffe'; there are onsight, "):
        command.chosen("ncnn,Caffe")
    assert [one.name for one in command.chosen("ncnn")] == ["onsight", "ncnn"]


def test_the_list_of_subjects_holds_together() -> None:
    assert len(NAMED) == len(SUBJECTS) and SUBJECTS[0].name == "onsight" and not SUBJECTS[0].peer
    for one in SUBJECTS:
        assert one.takes and set(one.precisions) <= {"int8", *FLOAT}
