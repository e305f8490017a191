"""Faults planted into converted files: the layer is named, and so are wrong channel order and wrong range."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_edge.bundle import Bundle
from onsight_export.options import ExportOptions
from onsight_export.parity.parity import Limits, Parity, measure
from onsight_export.parity.reference import Subject, open_subject

Edit = Callable[[np.ndarray], np.ndarray]  # type: ignore[type-arg]


@pytest.fixture(scope="module")
def subject(exported: tuple[Path, Any], tiny: Any) -> Any:
    with open_subject(tiny.run, bundle=exported[0], options=ExportOptions()) as found:
        yield found


def layer_name(tiny: Any, kind: str, place: int = 0) -> str:
    return str([layer.name for layer in tiny.model.layers if type(layer).__name__ == kind][place])


def compared(subject: Subject, path: Path, **limits: Any) -> Parity:
    """The waterfall of one planted file; all limits as the command has them."""
    alone = Subject(subject.reference, subject.dataset, None)
    with measure(alone, [path], limits=Limits(**limits)) as (parity, _):
        return parity


def edit_tflite(source: Path, target: Path, layer: str, rank: int, edit: Edit) -> Path:
    """Change a layer's kernel in place: the file keeps its size, its spec and everything else."""
    from ai_edge_litert import schema_py_generated as schema

    data = source.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        named = any(f"{layer}" in graph.tensors[at].name.decode().replace("_1/", "/") for at in operator.outputs)
        for at in operator.inputs if named else ():
            tensor = graph.tensors[at]
            held = model.buffers[tensor.buffer].data
            if held is None or tensor.shape is None or len(tensor.shape) != rank:
                continue
            dtype = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.INT8: np.int8}[tensor.type]
            kernel = np.frombuffer(bytes(held), dtype).reshape(tensor.shape)
            old, new = kernel.tobytes(), np.ascontiguousarray(edit(kernel)).astype(dtype).tobytes()
            assert data.count(old) == 1 and old != new
            target.write_bytes(data.replace(old, new))
            return target
    raise AssertionError(f"no kernel of {layer}")


def edit_onnx(source: Path, target: Path, read_by: str, place: int, edit: Edit) -> Path:
    """Change what the `place`-th operator of a kind reads second, such as a convolution's kernel."""
    import onnx

    model = onnx.load(source)
    node = [node for node in model.graph.node if node.op_type == read_by][place]
    made = {node.output[0]: node for node in model.graph.node}
    name = node.input[1]
    name = made[name].input[0] if name in made else name  # the kernel, before its 8 bits become real numbers
    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
    kernel = np.ascontiguousarray(edit(onnx.numpy_helper.to_array(tensor)))
    tensor.CopyFrom(onnx.numpy_helper.from_array(kernel, tensor.name))
    onnx.save(model, target)
    return target


def test_sound_files_are_not_broken_and_every_layer_is_within_tolerance(subject: Subject) -> None:
    with measure(subject, limits=Limits(layers=True, max_drop_points=3.0)) as (parity, opened):
        assert [step.name for step in parity.steps] == [one.name for one in opened]
        assert parity.steps[0].name == "tflite-float32" and len(parity.steps) == len(subject.bundle.variants)  # type: ignore[union-attr]
        assert parity.broken == ()
        for diagnosis in parity.diagnoses.values():
            assert diagnosis.sentence == "" and diagnosis.hypotheses == () and diagnosis.not_compared is None
            # all that is left of eleven layers: two convolutions, two poolings, the two dense ones
            assert len(diagnosis.layers) >= 6 and diagnosis.first is None
            assert max(error.own for error in diagnosis.layers) < diagnosis.layers[0].tolerance / 2


@pytest.mark.parametrize("variant", ["tflite-float32", "tflite-int8", "onnx-float32", "onnx-int8"])
def test_a_broken_layer_is_named(subject: Subject, tiny: Any, tmp_path: Path, variant: str) -> None:
    assert subject.bundle is not None
    source = subject.bundle.path / subject.bundle.variants[variant].file
    layer = layer_name(tiny, "Conv2D", 1)
    target = tmp_path / f"planted{source.suffix}"
    if variant.startswith("tflite"):
        edit_tflite(source, target, layer, 4, lambda kernel: kernel[::-1])
    else:
        edit_onnx(source, target, "Conv", 1, lambda kernel: kernel[::-1])
    parity = compared(subject, target, min_agreement=1.0, layers=True)
    (step,) = parity.steps
    assert step.number_format == variant.split("-")[1]
    found = parity.diagnoses[target.name]
    assert found.first is not None and found.first.layer == layer and found.first.kind == "Conv2D"
    assert step.broken and f"the first layer off is {layer}, a Conv2D" in found.sentence
    assert found.explanation is None and not found.hypotheses  # the first layer of all is sound
    # what follows is sound by itself, although all of it is far from Keras
    after = found.layers[found.layers.index(found.first) + 1 :]
    assert after and not any(error.off for error in after) and all(error.total > 10 * error.own for error in after[:2])


@pytest.mark.parametrize("variant", ["tflite-float32", "tflite-int8", "onnx-float32", "onnx-int8"])
def test_red_and_blue_swapped_are_named(subject: Subject, tiny: Any, tmp_path: Path, variant: str) -> None:
    assert subject.bundle is not None
    source = subject.bundle.path / subject.bundle.variants[variant].file
    layer = layer_name(tiny, "Conv2D")
    target = tmp_path / f"swapped{source.suffix}"
    if variant.startswith("tflite"):
        edit_tflite(source, target, layer, 4, lambda kernel: kernel[..., ::-1])
    else:
        edit_onnx(source, target, "Conv", 0, lambda kernel: kernel[:, ::-1])
    parity = compared(subject, target, max_drop_points=3.0)
    found = parity.diagnoses[target.name]
    assert found.explanation is not None and found.explanation.what == "red and blue swapped"
    assert found.sentence.startswith("red and blue swapped: fed so")
    assert found.first is not None and found.first.layer == layer


@pytest.mark.parametrize(("factor", "offset", "what"), [(1.0, 0.0, "it expects 0..1"), (0.5, 0.5, "it expects -1..1")])
@pytest.mark.parametrize("swap", [False, True])
def test_a_wrong_range_is_named(
    subject: Subject, tmp_path: Path, factor: float, offset: float, what: str, swap: bool
) -> None:
    import onnx

    assert subject.bundle is not None
    target = tmp_path / "range.onnx"
    source = subject.bundle.path / subject.bundle.variants["onnx-float32"].file
    edit_onnx(source, target, "Mul", 0, lambda scale: np.float32(factor) + 0 * scale)  # Rescaling's
    edit_onnx(target, target, "Add", 0, lambda scale: np.float32(offset) + 0 * scale)
    if swap:
        edit_onnx(target, target, "Conv", 0, lambda kernel: kernel[:, ::-1])
    model = onnx.load(target)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(model, target)
    found = compared(subject, target).diagnoses[target.name]
    assert found.explanation is not None
    assert found.explanation.what == (f"red and blue swapped, and {what}" if swap else what)


def test_a_file_without_a_spec_is_fed_as_the_reference_is(subject: Subject, tmp_path: Path) -> None:
    import onnx

    assert subject.bundle is not None
    model = onnx.load(subject.bundle.path / subject.bundle.variants["onnx-float32"].file)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    (step,) = compared(subject, tmp_path / "bare.onnx").steps
    assert not step.broken and step.answers.agreement == 1.0 and step.number_format == "float32"


def test_a_bundle_alone_is_compared_with_its_own_float_file(
    exported: tuple[Path, Any], tiny: Any, tmp_path: Path
) -> None:
    data = str(tiny.run.parent.parent / "blobs.npz")
    with (
        open_subject(exported[0], options=ExportOptions(data=data)) as subject,
        measure(subject, limits=Limits(max_drop_points=3.0, layers=True), limit=50) as (parity, _),
    ):
        assert parity.reference.name == "tflite-float32" and parity.pictures.labels.shape == (50,)
        assert "tflite-float32" not in [step.name for step in parity.steps] and parity.broken == ()
        assert all("give --run" in str(one.not_compared) for one in parity.diagnoses.values())
    with open_subject(exported[0], run=tiny.run, options=ExportOptions()) as subject:
        assert subject.reference.name == "Keras" and isinstance(subject.bundle, Bundle)
