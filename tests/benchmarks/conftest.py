"""Real models without TensorFlow: the one that ships stands for both TFLite variants, a small ONNX for the third."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from onsight_benchmarks.latency import bench
from onsight_benchmarks.record import Record
from onsight_edge.bundle import open_model, write_manifest
from onsight_edge.embedded import ONNX_SPEC_KEY


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tflite-int8` and `tflite-float32` (the same bytes: the benchmark cannot mind) and `onnx-float32`."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    shipped = open_model("default")
    spec = shipped.spec
    folder = tmp_path_factory.mktemp("models") / "small.bundle"
    folder.mkdir()
    for variant in ("tflite-int8", "tflite-float32"):
        shutil.copy(shipped.path, folder / f"{variant}.tflite")
    helper, kind = onnx.helper, onnx.TensorProto
    width, height = spec.input_size_wh
    weights = np.random.default_rng(0).normal(size=(3, len(spec.classes))).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("GlobalAveragePool", ["planes"], ["means"]),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"], axis=-1),
        ],
        "means",
        [helper.make_tensor_value_info("pixels", kind.FLOAT, ["batch", height, width, 3])],
        [helper.make_tensor_value_info("scores", kind.FLOAT, ["batch", len(spec.classes)])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {ONNX_SPEC_KEY: json.dumps(spec.to_json())})
    onnx.save(model, folder / "onnx-float32.onnx")
    names = {v: f"{v}.{v.split('-')[0]}" for v in ("tflite-int8", "tflite-float32", "onnx-float32")}
    write_manifest(folder, name="small", spec=spec, variants=names, extra=[])
    return folder


@pytest.fixture(scope="session")
def record(bundle: Path) -> Record:
    """One short but real measurement of every combination, with fresh processes."""
    return bench(bundle, threads=(1, 2), iterations=25, warmup=1, fresh=1, seed=3)
