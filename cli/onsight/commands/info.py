"""`onsight info`: what is in a model file, whoever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from onsight.main import print_json
from onsight.options import json_option

if TYPE_CHECKING:
    from onsight.info_subjects import Subject, Subjects
    from onsight_export.inspect.facts import FileFacts, Tensor

_LARGEST = 5


@click.command("info")
@click.argument("model")
@click.option("--variant", metavar="NAME", help="Show this variant of a bundle as a single file is shown.")
@click.option("--ops", is_flag=True, help="List every operator in place of their kinds.")
@click.option("--tensors", is_flag=True, help="List every tensor in place of the largest.")
@json_option
def command(model: str, variant: str | None, ops: bool, tensors: bool, as_json: bool) -> None:
    """Show what is in MODEL: inputs, outputs, classes, operators, quantization, parameters, MACs, metadata.

    MODEL is any .tflite, .onnx or .keras file, those of other tools too, a run, a bundle (folder or .zip), or default.
    Files are read in a child process with limits of time and memory, and given to no runtime; a .keras file's MACs are
    counted by Keras in safe mode, in another such process.
    """
    from rich.console import Console
    from rich.status import Status
    from rich.text import Text

    from onsight.info_screen import clean, show_bundle, show_file
    from onsight.info_subjects import find

    console = Console(stderr=True)
    with Status(Text(f"reading {clean(model)}"), console=console) as status:
        if not console.is_terminal:
            status.stop()
        subjects = find(model, variant, lambda what: status.update(Text(f"reading {clean(what)}")))
    if as_json:
        print_json(document(model, subjects, ops=ops, tensors=tensors))
        return
    if subjects.kind == "bundle" and variant is None and not ops and not tensors:
        show_bundle(subjects)
        return
    for one in subjects.files:
        show_file(one, every_operator=ops, every_tensor=tensors)


def document(model: str, subjects: Subjects, *, ops: bool, tensors: bool) -> dict[str, Any]:
    """What `--json` prints; docs/cli/info.md describes it."""
    return {
        "model": model,
        "kind": subjects.kind,
        "name": subjects.name,
        "spec": None if subjects.spec is None else subjects.spec.to_json(),
        **subjects.origin,
        "files": [_file(one, ops, tensors) for one in subjects.files],
    }


def _file(one: Subject, ops: bool, tensors: bool) -> dict[str, Any]:
    facts = one.facts
    stored = sorted((t for t in facts.tensors if t.stored), key=lambda t: -(t.stored or 0))
    found: dict[str, Any] = {
        "file": one.name,
        "variant": one.variant or None,
        "format": facts.format,
        "bytes": one.bytes,
        "sha256": one.sha256,
        "about": dict(facts.about),
        "classes": None if facts.classes is None else list(facts.classes),
        "classes_from": facts.classes_from or None,
        "inputs": [_tensor(tensor) for tensor in facts.inputs],
        "outputs": [_tensor(tensor) for tensor in facts.outputs],
        "parameters": facts.parameters,
        "weight_bytes": facts.weight_bytes,
        "macs": facts.macs,
        "known_macs": facts.known_macs,
        "operators": len(facts.operators),
        "float_operators": None if facts.format == "keras" else facts.float_operators,
        "kinds": _kinds(facts),
        "largest_tensors": [_tensor(tensor) for tensor in stored[:_LARGEST]],
        "metadata": dict(facts.metadata),
        "inside": {file.name: file.bytes for file in facts.files},
        "beside": {file.name: file.bytes for file in facts.external},
        "warnings": list(facts.warnings),
    }
    if one.report is not None:
        found["report"] = {key: one.report.get(key) for key in ("accuracy", "drop_points", "agreement")}
    if ops:
        found["ops"] = [
            {
                "kind": op.kind,
                "name": op.name,
                "calculates_in": op.arithmetic,
                "gives": None if op.gives is None else list(op.gives),
                "macs": op.macs,
                "graph": op.graph,
            }
            for op in facts.operators
        ]
    if tensors:
        found["tensors"] = [_tensor(tensor) for tensor in facts.tensors]
    return found


def _kinds(facts: FileFacts) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "calculates_in": arithmetic, "number": number, "macs": macs}
        for kind, arithmetic, number, macs in facts.kinds()
    ]


def _tensor(tensor: Tensor) -> dict[str, Any]:
    quantization = tensor.quantization
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": None if tensor.shape is None else list(tensor.shape),
        "bytes": tensor.stored,
        "quantization": quantization
        and {
            "scales": list(quantization.scales),
            "zero_points": list(quantization.zero_points),
            "axis": quantization.axis,
        },
        "about": tensor.about,
        "graph": tensor.graph,
    }
