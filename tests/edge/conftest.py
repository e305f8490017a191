"""Real models for the edge tests, made without TensorFlow: the one that ships, and an ONNX of a few nodes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from onsight_edge.bundle import DEFAULT_MODEL, write_manifest
from onsight_edge.embedded import ONNX_SPEC_KEY
from onsight_edge.spec import ModelSpec

COLOURS = ModelSpec("colours", ("red", "green", "blue"), (8, 8))


@pytest.fixture(scope="session")
def passed_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the whole session: a bare file that many tests open is tried by a child once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(passed_before: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests leave nothing in the user's cache folder."""
    monkeypatch.setenv("ONSIGHT_CACHE", str(passed_before))


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A copy of the shipped bundle that a test may spoil."""
    return Path(shutil.copytree(DEFAULT_MODEL, tmp_path / "copy.bundle"))


@pytest.fixture(scope="session")
def write_colours_onnx() -> Callable[[Path], Path]:
    """Writes an .onnx that answers which of red, green and blue is strongest in an 8x8 picture."""
    onnx = pytest.importorskip("onnx")

    def write(path: Path, spec: ModelSpec | None = COLOURS) -> Path:
        helper, kind = onnx.helper, onnx.TensorProto
        graph = helper.make_graph(
            [
                helper.make_node("Cast", ["pixels"], ["real"], to=kind.FLOAT),
                helper.make_node("Transpose", ["real"], ["planes"], perm=[0, 3, 1, 2]),
                helper.make_node("GlobalAveragePool", ["planes"], ["means"]),
                helper.make_node("Flatten", ["means"], ["flat"]),
                helper.make_node("Div", ["flat", "ten"], ["logits"]),
                helper.make_node("Softmax", ["logits"], ["scores"], axis=-1),
            ],
            "colours",
            [helper.make_tensor_value_info("pixels", kind.UINT8, ["batch", 8, 8, 3])],
            [helper.make_tensor_value_info("scores", kind.FLOAT, ["batch", 3])],
            [onnx.numpy_helper.from_array(np.array(10, np.float32), "ten")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        if spec is not None:
            helper.set_model_props(model, {"other": "x", ONNX_SPEC_KEY: json.dumps(spec.to_json())})
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path

    return write


@pytest.fixture
def colours_bundle(tmp_path: Path, write_colours_onnx: Callable[[Path], Path]) -> Path:
    """A bundle of one ONNX variant."""
    folder = tmp_path / "colours.bundle"
    folder.mkdir()
    write_colours_onnx(folder / "onnx-float32.onnx")
    write_manifest(folder, name="colours", spec=COLOURS, variants={"onnx-float32": "onnx-float32.onnx"}, extra=[])
    return folder
