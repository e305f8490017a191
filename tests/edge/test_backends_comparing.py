"""The backends that are there to be measured beside the others, held against those on real files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight_edge.backends import FOR_COMPARING, backend_format, backends_for, open_backend
from onsight_edge.backends.onnxruntime import describe_providers
from onsight_edge.bundle import open_model
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BackendError, UnsupportedModelError
from onsight_edge.golden import load_golden, replay
from onsight_edge.protobuf import walk
from onsight_edge.spec import ModelSpec


@pytest.fixture
def frames() -> list[np.ndarray]:
    draw = np.random.default_rng(5)
    coarse = draw.integers(0, 256, (12, 6, 8, 3), dtype=np.uint8)
    return [cv2.resize(one, (640, 480), interpolation=cv2.INTER_CUBIC) for one in coarse]


def test_they_are_taken_only_by_name() -> None:
    for name in FOR_COMPARING:
        form = backend_format(name)
        assert form is not None and name not in backends_for(form)


def test_litert_answers_alike_without_xnnpack(shipped: Path, frames: list[np.ndarray]) -> None:
    with Classifier.open(shipped) as usual, Classifier.open(shipped, backend="litert-builtin") as plain:
        assert usual.backend.detail.startswith("XNNPACK")
        assert (plain.backend.name, plain.backend.detail) == ("litert-builtin", "built-in kernels")
        assert plain.backend.version == usual.backend.version
        assert plain.model is not None and plain.model.golden is not None
        replay(plain, load_golden(plain.model.golden))  # within what the bundle holds for the same answers
        for frame in frames:
            # both round to steps of 1/256 layer by layer, and the stored temperature widens that
            np.testing.assert_allclose(plain.classify(frame).scores, usual.classify(frame).scores, atol=0.15)
    assert usual.backend.detail == "closed"


def test_opencv_answers_as_onnx_runtime_does(
    tmp_path: Path, frames: list[np.ndarray], write_colours_onnx: Callable[..., Path]
) -> None:
    pytest.importorskip("onnxruntime")
    path = write_colours_onnx(tmp_path / "colours.onnx")
    before = cv2.getNumThreads()
    with (
        Classifier.open(path, backend="onnxruntime") as usual,
        Classifier.open(path, backend="opencv", threads=1) as opencv,
    ):
        assert opencv.backend.input == usual.backend.input and opencv.backend.output == usual.backend.output
        assert (opencv.backend.version, cv2.getNumThreads()) == (cv2.__version__, 1)
        for frame in frames:
            np.testing.assert_allclose(opencv.classify(frame).scores, usual.classify(frame).scores, atol=1e-5)
    assert cv2.getNumThreads() == before


@pytest.mark.parametrize("keep", [0, 40, 0.5, 0.95])
def test_opencv_refuses_what_it_cannot_read_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], write_colours_onnx: Callable[..., Path], keep: float
) -> None:
    data = write_colours_onnx(tmp_path / "m.onnx").read_bytes()
    cut = data[: int(keep if keep > 1 else keep * len(data))]
    with pytest.raises(BackendError, match="opencv") as caught:
        open_backend(cut, model_format="onnx", backend="opencv")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_opencv_refuses_what_is_no_classifier(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto
    ends = {name: helper.make_tensor_value_info(name, kind.FLOAT, [1, 4]) for name in ("a", "b", "sum")}
    double = helper.make_tensor_value_info("d", kind.DOUBLE, [1, 4])

    def saved(inputs: list[object], weights: list[object]) -> bytes:
        graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["sum"])], "g", inputs, [ends["sum"]], weights)
        data: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()
        return data

    with pytest.raises(UnsupportedModelError, match="this file has 2 and 1"):
        open_backend(saved([ends["a"], ends["b"]], []), model_format="onnx", backend="opencv")
    with pytest.raises(UnsupportedModelError, match="'d' has ONNX's type 11"):
        open_backend(saved([double], []), model_format="onnx", backend="opencv")
    # files of IR version 3 name their weights among the inputs, too
    weight = onnx.numpy_helper.from_array(np.arange(4, dtype=np.float32)[np.newaxis], "b")
    old = open_backend(saved([ends["a"], ends["b"]], [weight]), model_format="onnx", backend="opencv")
    np.testing.assert_allclose(old.infer(np.ones((1, 4), np.float32)), [[1, 2, 3, 4]])
    old.close()


def test_a_bare_file_that_opencv_is_to_execute_is_tried_first(
    tmp_path: Path, write_colours_onnx: Callable[..., Path]
) -> None:
    path = write_colours_onnx(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:-200])
    ModelSpec("x", ("1", "2", "3"), (8, 8)).save(tmp_path / "spec.json")
    with pytest.raises(BackendError, match="opencv"):
        open_model(path, spec=tmp_path / "spec.json", backend="opencv")


def test_the_provider_that_really_works_is_named(tmp_path: Path, write_colours_onnx: Callable[..., Path]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    data = write_colours_onnx(tmp_path / "m.onnx").read_bytes()
    cpu, azure = "CPUExecutionProvider", "AzureExecutionProvider"
    assert open_backend(data, model_format="onnx", backend="onnxruntime").detail == cpu
    plain = runtime.InferenceSession(data, providers=[cpu])
    lost = describe_providers(plain, ["CUDAExecutionProvider", cpu])  # as where its libraries do not load
    assert lost == f"{cpu} (asked for and not used: CUDAExecutionProvider)"
    if azure not in runtime.get_available_providers():
        pytest.skip("this build has no second provider")
    options = runtime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = runtime.InferenceSession(data, options, providers=[azure, cpu])
    assert session.get_providers()[0] == azure  # what it says of itself, though no node went there
    assert describe_providers(session, [azure, cpu]) == f"{cpu} (asked for and not used: {azure})"


def test_shared_nodes_are_counted() -> None:
    class Part:
        def __init__(self, name: str, nodes: int) -> None:
            self.ep_name = name
            self.nodes = nodes

        def get_nodes(self) -> list[int]:
            return list(range(self.nodes))

    class Session:
        def get_providers(self) -> list[str]:
            return ["CUDAExecutionProvider", "CPUExecutionProvider"]

        def get_provider_graph_assignment_info(self) -> list[Part]:
            return [Part("CUDAExecutionProvider", 5), Part("CPUExecutionProvider", 2), Part("CUDAExecutionProvider", 3)]

    asked = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert describe_providers(Session(), asked) == "CUDAExecutionProvider 8 nodes, CPUExecutionProvider 2 nodes"


def test_protobuf_is_walked_by_field() -> None:
    # field 1 varint 150, field 2 "testing", field 3 fixed32, field 4 fixed64: https://protobuf.dev encoding's examples
    message = bytes.fromhex("089601") + b"\x12\x07testing" + b"\x1d1234" + b"\x2112345678" + b"\x08\x01"
    assert [(n, v if isinstance(v, int) else bytes(v)) for n, v in walk(memoryview(message))] == [
        (1, 150),
        (2, b"testing"),
        (1, 1),
    ]
    for damaged in (b"\x12\x20short", b"\x0b", b"\x08" + b"\xff" * 12):
        with pytest.raises(ValueError):
            list(walk(memoryview(damaged)))


def test_no_runtime_is_loaded_to_know_the_backends() -> None:
    script = (
        "import sys; from onsight_edge.backends import BACKENDS; "
        "print([m for m in ('onnxruntime', 'ai_edge_litert.interpreter', 'onsight_edge.backends.opencv') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
