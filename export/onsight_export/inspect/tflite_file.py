"""A .tflite file, read by the public schema without any interpreter: nothing in it is executed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onsight_edge.errors import ModelError
from onsight_export.inspect.facts import FileFacts, Tensor
from onsight_export.inspect.flatbuffer import Table
from onsight_export.inspect.tflite_described import Described, read_files, read_metadata
from onsight_export.inspect.tflite_graphs import Graphs, index_of, items, numbers, text_of

IDENTIFIER = b"TFL3"
_METADATA = "TFLITE_METADATA"
_TOLD = ("min_runtime_version", "CONVERSION_METADATA")  # by `about`


def read_tflite(data: bytes) -> FileFacts:
    """All there is to know of a .tflite file.

    Args:
        data: the whole file.

    Raises:
        ModelError: not a TFLite file, or its parts contradict each other.
        Exception: whatever the schema's generated code raises on mangled bytes (IndexError, struct.error, ...); it can
            also take very long: run it in a child process.
    """
    from ai_edge_litert import schema_py_generated as schema

    if data[4:8] != IDENTIFIER:
        raise ModelError(f"it is not a TFLite model: its identifier is {data[4:8]!r}, expected {IDENTIFIER!r}")
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graphs = Graphs(model, schema)
    if not graphs.graphs:
        raise ModelError("it holds no graph")
    tensors = [graphs.tensors(graph) for graph in range(len(graphs.graphs))]
    operators = [op for graph, own in enumerate(tensors) for op in graphs.operators(graph, own)]
    warnings = list(graphs.warnings)
    described = Described((), (), (), ())
    metadata: list[tuple[str, str]] = []
    for entry in items(model.metadata):
        name, content = text_of(entry.name), graphs.buffer(entry.buffer)
        if name == _METADATA:
            try:
                described = read_metadata(content)
            except ValueError as error:
                warnings.append(f"its TFLite Model Metadata are damaged: {error}")
        elif name not in _TOLD:
            metadata.append((name, _short(content)))
    files, classes, classes_from = read_files(data, described.label_files)
    parameters, weight_bytes = graphs.weights()
    main = graphs.graphs[0]
    return FileFacts(
        format="tflite",
        about=(*_about(graphs), *described.about),
        inputs=_described(graphs, tensors[0], main.inputs, described.inputs),
        outputs=_described(graphs, tensors[0], main.outputs, described.outputs),
        tensors=tuple(tensor for own in tensors for tensor in own),
        operators=tuple(operators),
        parameters=parameters,
        weight_bytes=weight_bytes,
        classes=classes,
        classes_from=classes_from,
        metadata=(*metadata, *_signatures(model)),
        files=files,
        warnings=tuple(warnings),
    )


def _described(
    graphs: Graphs, tensors: Sequence[Tensor], indices: Any, texts: Sequence[tuple[str, str]]
) -> tuple[Tensor, ...]:
    found = [tensors[index_of(i, tensors)] for i in numbers(indices)]
    if texts and len(texts) != len(found):
        graphs.warnings.append(f"its metadata describe {len(texts)} tensors where the graph has {len(found)}")
    about = [*(text for _, text in texts), *[""] * len(found)]
    return tuple(
        Tensor(t.name, t.dtype, t.shape, t.stored, t.quantization, said, t.graph)
        for t, said in zip(found, about, strict=False)
    )


def _about(graphs: Graphs) -> list[tuple[str, str]]:
    pairs = [("schema", str(graphs.model.version))]
    if description := text_of(graphs.model.description):
        pairs.append(("converter", description))
    for entry in items(graphs.model.metadata):
        name, content = text_of(entry.name), graphs.buffer(entry.buffer)
        if name == "min_runtime_version" and content.rstrip(b"\0"):
            pairs.append(("needs runtime", _short(content)))
        elif name == "CONVERSION_METADATA" and (version := _tensorflow_version(content)):
            pairs.append(("TensorFlow", version))
    return pairs


def _tensorflow_version(content: bytes) -> str:
    """From ConversionMetadata: tensorflow/compiler/mlir/lite/schema/conversion_metadata.fbs."""
    try:
        environment = Table.root(content).table(0)
        return "" if environment is None else environment.text(0)
    except ValueError:
        return ""


def _signatures(model: Any) -> list[tuple[str, str]]:
    found = []
    for signature in items(model.signatureDefs):
        given, answer = (
            ", ".join(text_of(entry.name) for entry in items(entries))
            for entries in (signature.inputs, signature.outputs)
        )
        found.append((f"signature {text_of(signature.signatureKey)}", f"{given} -> {answer}"))
    return found


def _short(content: bytes) -> str:
    text = content.rstrip(b"\0")
    if text.isascii() and text.decode("ascii").isprintable() and len(text) <= 200:
        return text.decode("ascii")
    return f"{len(content):,} bytes"
