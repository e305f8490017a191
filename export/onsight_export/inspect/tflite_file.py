"""A .tflite file, read by the public schema without any interpreter: nothing in it is executed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from onsight_edge.errors import ModelError
from onsight_export.inspect.facts import FileFacts, Operator, Quantization, Tensor
from onsight_export.inspect.flatbuffer import Table
from onsight_export.inspect.tflite_costs import arithmetic, macs
from onsight_export.inspect.tflite_described import Described, read_files, read_metadata

IDENTIFIER = b"TFL3"
_METADATA = "TFLITE_METADATA"
_TOLD = ("min_runtime_version", "CONVERSION_METADATA")  # by `about`
# bits of one number, where a dtype has a size of its own
_BITS = {
    **dict.fromkeys(("int2",), 2),
    **dict.fromkeys(("int4", "uint4"), 4),
    **dict.fromkeys(("int8", "uint8", "bool", "float8_e4m3fn", "float8_e5m2"), 8),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 16),
    **dict.fromkeys(("int32", "uint32", "float32"), 32),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 64),
    "complex128": 128,
}


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
    reader = _Reader(model, schema)
    if not reader.graphs:
        raise ModelError("it holds no graph")
    tensors = [reader.tensors(graph) for graph in range(len(reader.graphs))]
    operators = [op for graph, own in enumerate(tensors) for op in reader.operators(graph, own)]
    warnings = list(reader.warnings)
    described = Described((), (), (), ())
    metadata: list[tuple[str, str]] = []
    for entry in _items(model.metadata):
        name, content = _text(entry.name), reader.buffer(entry.buffer)
        if name == _METADATA:
            try:
                described = read_metadata(content)
            except ValueError as error:
                warnings.append(f"its TFLite Model Metadata are damaged: {error}")
        elif name not in _TOLD:
            metadata.append((name, _short(content)))
    files, classes, classes_from = read_files(data, described.label_files)
    parameters, weight_bytes = reader.weights()
    main = reader.graphs[0]
    return FileFacts(
        format="tflite",
        about=(*_about(reader), *described.about),
        inputs=_described(reader, tensors[0], main.inputs, described.inputs),
        outputs=_described(reader, tensors[0], main.outputs, described.outputs),
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


class _Reader:
    """The model's tables, joined by the numbers with which they name each other."""

    def __init__(self, model: Any, schema: Any) -> None:
        self.model = model
        self.graphs = _items(model.subgraphs)
        self.buffers = _items(model.buffers)
        self.dtypes = {v: k.lower() for k, v in vars(schema.TensorType).items() if not k.startswith("_")}
        self.kinds = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
        self.warnings: list[str] = []
        self._weights: dict[int, tuple[int, int]] = {}  # buffer -> numbers, bytes: tensors may share one

    def buffer(self, index: int) -> bytes:
        """What a buffer holds within the flatbuffer; b"" for none."""
        found = _at(self.buffers, index, "buffer")
        return b"" if found.data is None else bytes(found.data)

    def stored(self, index: int) -> int:
        """Bytes of a buffer, those of large files that lie behind the flatbuffer too."""
        found = _at(self.buffers, index, "buffer")
        return int(found.size) if found.offset > 1 else 0 if found.data is None else len(found.data)

    def tensors(self, graph: int) -> list[Tensor]:
        """The tensors of one graph."""
        name = _graph_name(self.graphs, graph)
        return [self._tensor(tensor, name) for tensor in _items(self.graphs[graph].tensors)]

    def _tensor(self, raw: Any, graph: str) -> Tensor:
        dtype = self.dtypes.get(raw.type, f"type {raw.type}")
        fixed, signature = _numbers(raw.shape), _numbers(raw.shapeSignature)
        shape = signature if len(signature) == len(fixed) and signature else fixed
        stored = self.stored(raw.buffer)
        quantization = _quantization(raw.quantization)
        if quantization is not None and not quantization.sound:
            self.warnings.append(f"{_text(raw.name)} has a scale that is not a number above 0")
            quantization = None
        tensor = Tensor(_text(raw.name), dtype, shape, stored or None, quantization, graph=graph)
        needed = math.prod(fixed) * _BITS.get(dtype, 0)
        if stored and raw.sparsity is None and dtype in _BITS and stored != math.ceil(needed / 8):
            self.warnings.append(
                f"{tensor.name} holds {stored:,} bytes; its shape {list(fixed)} needs {math.ceil(needed / 8):,}"
            )
        return tensor

    def operators(self, graph: int, tensors: Sequence[Tensor]) -> Iterable[Operator]:
        """The operators of one graph, in the order of execution."""
        raw = self.graphs[graph]
        own = _items(raw.tensors)
        name = _graph_name(self.graphs, graph)
        batch = self._batch(raw)
        for op in _items(raw.operators):
            kind = self._kind(_at(_items(self.model.operatorCodes), op.opcodeIndex, "operator code"))
            read = [None if i == -1 else _index(i, own) for i in _numbers(op.inputs)]
            given = [_index(i, own) for i in _numbers(op.outputs) if i != -1]
            shapes = [None if i is None else _shape(own[i]) for i in read]
            constants = [i for i in read if i is not None and tensors[i].stored]
            computed = [i for i in (*read, *given) if i is not None and not tensors[i].stored]
            first = _shape(own[given[0]]) if given else None
            work = macs(kind, shapes, first, adjoint=bool(getattr(op.builtinOptions, "adjX", False)))
            for i in constants:
                self._note_weights(own[i], tensors[i])
            yield Operator(
                kind,
                "",
                arithmetic(
                    kind, [_numbers_of(tensors[i]) for i in computed], [_numbers_of(tensors[i]) for i in constants]
                ),
                # the other graphs run as often as an operator of the main one says
                work if work is None else None if graph and work else work // batch,
                tensors[given[0]].shape if given else None,
                name,
            )

    def weights(self) -> tuple[int, int]:
        """How many numbers the operators' weights hold, and their bytes; call it after `operators`."""
        return sum(number for number, _ in self._weights.values()), sum(size for _, size in self._weights.values())

    def _note_weights(self, raw: Any, tensor: Tensor) -> None:
        # whole numbers without a scale are shapes, axes and paddings; a single number is a constant of a formula
        if _numbers(raw.shape) and (tensor.quantization is not None or tensor.dtype.startswith(("float", "bfloat"))):
            self._weights[raw.buffer] = (math.prod(_numbers(raw.shape)), tensor.stored or 0)

    def _kind(self, code: Any) -> str:
        number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
        kind: str = self.kinds.get(number, str(number))
        return f"custom {_text(code.customCode)}" if kind == "CUSTOM" else kind

    def _batch(self, graph: Any) -> int:
        """Pictures that go in at once: costs are told for one."""
        own = _items(graph.tensors)
        shapes = [_numbers(own[_index(i, own)].shape) for i in _numbers(graph.inputs)]
        return max(1, shapes[0][0]) if shapes and len(shapes[0]) == 4 else 1


def _described(
    reader: _Reader, tensors: Sequence[Tensor], indices: Any, texts: Sequence[tuple[str, str]]
) -> tuple[Tensor, ...]:
    found = [tensors[_index(i, tensors)] for i in _numbers(indices)]
    if texts and len(texts) != len(found):
        reader.warnings.append(f"its metadata describe {len(texts)} tensors where the graph has {len(found)}")
    about = [*(text for _, text in texts), *[""] * len(found)]
    return tuple(
        Tensor(t.name, t.dtype, t.shape, t.stored, t.quantization, said, t.graph)
        for t, said in zip(found, about, strict=False)
    )


def _about(reader: _Reader) -> list[tuple[str, str]]:
    pairs = [("schema", str(reader.model.version))]
    if description := _text(reader.model.description):
        pairs.append(("converter", description))
    for entry in _items(reader.model.metadata):
        name, content = _text(entry.name), reader.buffer(entry.buffer)
        if name == "min_runtime_version":
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
    for signature in _items(model.signatureDefs):
        given, answer = (
            ", ".join(_text(entry.name) for entry in _items(entries))
            for entries in (signature.inputs, signature.outputs)
        )
        found.append((f"signature {_text(signature.signatureKey)}", f"{given} -> {answer}"))
    return found


def _quantization(raw: Any) -> Quantization | None:
    if raw is None or raw.scale is None or not len(raw.scale):
        return None
    scales = tuple(float(scale) for scale in raw.scale)
    axis = int(raw.quantizedDimension) if len(scales) > 1 else None
    return Quantization(scales, _numbers(raw.zeroPoint), axis)


def _numbers_of(tensor: Tensor) -> tuple[str, bool]:
    return tensor.dtype, tensor.quantization is not None


def _graph_name(graphs: Sequence[Any], index: int) -> str:
    return "" if index == 0 else _text(graphs[index].name) or f"graph {index}"


def _shape(raw: Any) -> tuple[int, ...] | None:
    """A shape to count with: None where a side other than the batch is free."""
    fixed, signature = _numbers(raw.shape), _numbers(raw.shapeSignature)
    if raw.hasRank is False and not fixed and raw.buffer == 0:
        return None
    return None if any(side == -1 for side in signature[1:]) else fixed


def _at(items: Sequence[Any], index: int, what: str) -> Any:
    if not 0 <= index < len(items):
        raise ModelError(f"it is damaged: it names {what} {index}, of which there are {len(items)}")
    return items[index]


def _index(index: int, tensors: Sequence[Any]) -> int:
    _at(tensors, index, "tensor")
    return index


def _items(vector: Any) -> Sequence[Any]:
    return [] if vector is None else vector


def _numbers(vector: Any) -> tuple[int, ...]:
    return () if vector is None else tuple(int(number) for number in vector)


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw or "")


def _short(content: bytes) -> str:
    text = content.rstrip(b"\0")
    if text.isascii() and text.decode("ascii").isprintable() and len(text) <= 200:
        return text.decode("ascii")
    return f"{len(content):,} bytes"
