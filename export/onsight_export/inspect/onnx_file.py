"""An .onnx file, read with the `onnx` package; nothing in it is executed, and no file beside it is opened."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from onsight_edge.errors import ModelError
from onsight_export.inspect.class_names import classes_of_metadata, classes_of_nodes
from onsight_export.inspect.facts import FileFacts, Operator, Quantization, StoredFile, Tensor
from onsight_export.inspect.onnx_costs import INTEGER_WEIGHTS, NO_WEIGHTS, macs
from onsight_export.inspect.onnx_numbers import Numbers
from onsight_export.inspect.onnx_shapes import infer

if TYPE_CHECKING:
    import onnx

_MOST_TEXT = 300
_MOST_METADATA = 100_000
Shape = tuple[int | str, ...]


def read_onnx(data: bytes) -> FileFacts:
    """All there is to know of an .onnx file.

    Args:
        data: the whole file; what it keeps in files beside it is not needed.

    Raises:
        ModelError: not an ONNX model.
        Exception: whatever the parsers raise on mangled bytes; run it in a child process.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ModelError("it is not an ONNX model: its bytes are no message of onnx.proto") from error
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise ModelError("it is not an ONNX model: it holds no graph")
    about, metadata = _about(onnx, model), {entry.key: entry.value for entry in model.metadata_props}
    warnings: list[str] = []
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    constants = _constants(model)
    values = _Values(onnx, model, warnings)
    numbers = Numbers(model.graph, constants)
    operators = tuple(_operators(model, values, numbers))
    parameters, weight_bytes = _weights(model, constants, values)
    known = {name for node in model.graph.node for name in node.output} | set(constants)
    known |= {value.name for value in model.graph.input}
    warnings += [f"no operator gives its output {v.name!r}" for v in model.graph.output if v.name not in known]
    classes, classes_from = classes_of_metadata(metadata)
    if classes is None:
        classes, classes_from = classes_of_nodes(model)
    return FileFacts(
        format="onnx",
        about=tuple(about),
        inputs=tuple(
            values.tensor(value.name, numbers.quantization(value.name))
            for value in model.graph.input
            if value.name not in constants
        ),
        outputs=tuple(values.tensor(value.name, numbers.quantization(value.name)) for value in model.graph.output),
        tensors=tuple(_tensors(model, constants, values, numbers)),
        operators=operators,
        parameters=parameters,
        weight_bytes=weight_bytes,
        classes=classes,
        classes_from=classes_from,
        metadata=tuple((key, value[:_MOST_METADATA]) for key, value in metadata.items()),
        external=_external(constants),
        warnings=tuple(warnings),
    )


class _Values:
    """Shapes and dtypes of the main graph's values: as the file says them, and counted with a batch of one."""

    def __init__(self, onnx: Any, model: onnx.ModelProto, warnings: list[str]) -> None:
        self._dtypes = {number: _dtype(name) for name, number in onnx.TensorProto.DataType.items()}
        inferred = _inferred(model, warnings).graph
        self._counted = {v.name: v for v in (*inferred.value_info, *inferred.input, *inferred.output)}
        self._said = self._counted | {
            v.name: v for v in (*model.graph.value_info, *model.graph.input, *model.graph.output)
        }
        self._constants = {name: tuple(tensor.dims) for name, tensor in _constants(model).items()}
        inputs = [value for value in model.graph.input if value.name not in self._constants]
        first = _shape(inputs[0]) if inputs else None
        sides = [side for side in first or () if isinstance(side, int)]
        # a fixed batch of pictures goes in at once: costs are told for one
        self.batch = max(1, sides[0]) if first is not None and len(first) == len(sides) == 4 else 1

    def dtype(self, number: int) -> str:
        """The name of a TensorProto.DataType."""
        return self._dtypes.get(number, f"type {number}")

    def counted(self, name: str) -> tuple[int, ...] | None:
        """The shape to count with, None where it is not known or a side is free."""
        shape = self._constants[name] if name in self._constants else _shape(self._counted.get(name))
        sides = tuple(side for side in shape or () if isinstance(side, int) and side >= 0)
        return None if shape is None or len(sides) != len(shape) else sides

    def shape(self, name: str) -> Shape | None:
        """The shape as the file says it, or as it can be inferred for a batch of one."""
        said = _shape(self._said.get(name))
        return _shape(self._counted.get(name)) if said is None else said

    def tensor(self, name: str, quantization: Quantization | None = None) -> Tensor:
        """A value of the graph."""
        value = self._said.get(name)
        if value is None or value.type.WhichOneof("value") in (None, "tensor_type"):
            number = 0 if value is None else value.type.tensor_type.elem_type
            dtype = "unknown" if number == 0 else self.dtype(number)
        else:  # sequences, maps and optional values have no one dtype
            dtype = str(value.type.WhichOneof("value")).removesuffix("_type").replace("_", " ")
        about = "" if value is None else value.doc_string[:_MOST_TEXT]
        return Tensor(name, dtype, self.shape(name), None, quantization, about)


def _inferred(model: onnx.ModelProto, warnings: list[str]) -> onnx.ModelProto:
    try:
        return infer(model)
    except Exception as error:  # onnx's C++ raises classes of its own and RuntimeError
        warnings.append(f"its shapes cannot be inferred: {' '.join(str(error).split())[:200]}")
        return model


def _operators(model: onnx.ModelProto, values: _Values, numbers: Numbers) -> Iterator[Operator]:
    def of(nodes: Any, graph: str) -> Iterator[Operator]:
        for node in nodes:
            kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
            shapes = [values.counted(name) if name else None for name in node.input]
            first = values.counted(node.output[0]) if node.output else None
            work = macs(node.op_type, node.domain, shapes, first, _transposed(node))
            if graph and work:
                work = None  # run as often as a value of the outer graph says
            gives = values.shape(node.output[0]) if node.output and not graph else None
            arithmetic = numbers.arithmetic(node, values.tensor)
            yield Operator(kind, node.name, arithmetic, work and work // values.batch, gives, graph)
            for inner in _inner(node):
                yield from of(inner.node, f"{graph}/{node.name or node.op_type}: {inner.name}".strip("/"))

    yield from of(model.graph.node, "")


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and those within it: branches and loops."""
    yield graph
    for node in graph.node:
        for inner in _inner(node):
            yield from _graphs(inner)


def _inner(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [g for a in node.attribute for g in (*([a.g] if a.HasField("g") else []), *a.graphs)]


def _constants(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Initializers, and what nodes of the kind Constant give, of all graphs."""
    found = {tensor.name: tensor for graph in _graphs(model.graph) for tensor in graph.initializer}
    for node in (node for graph in _graphs(model.graph) for node in graph.node):
        if node.op_type == "Constant" and node.output:
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.HasField("t"):
                    found[node.output[0]] = attribute.t
    return found


def _weights(model: onnx.ModelProto, constants: Mapping[str, Any], values: _Values) -> tuple[int, int]:
    """How many numbers the weights hold, and their bytes."""
    found: set[str] = set()
    for node in (node for graph in _graphs(model.graph) for node in graph.node):
        for position, name in enumerate(node.input):
            tensor = constants.get(name)
            if tensor is None or not tensor.dims or position in NO_WEIGHTS.get(node.op_type, ()):
                continue  # a single number is a constant of a formula
            whole = position in INTEGER_WEIGHTS.get(node.op_type, ())
            if whole or values.dtype(tensor.data_type).startswith(("float", "bfloat")):
                found.add(name)
    return sum(math.prod(constants[name].dims) for name in found), sum(_bytes(constants[name]) for name in found)


def _bytes(tensor: onnx.TensorProto) -> int:
    """What a constant takes, wherever it is kept."""
    if tensor.raw_data:
        return len(tensor.raw_data)
    from onnx import helper

    try:
        size = int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except (KeyError, TypeError, ValueError):
        size = 1
    return int(math.prod(tensor.dims)) * size


def _external(constants: Mapping[str, onnx.TensorProto]) -> tuple[StoredFile, ...]:
    """The files beside the model that hold weights, with the bytes that the model needs of each."""
    needed: dict[str, int] = {}
    for tensor in constants.values():
        if tensor.data_location == 1:  # TensorProto.EXTERNAL
            said = {entry.key: entry.value for entry in tensor.external_data}
            end = int(said.get("offset") or 0) + (int(said.get("length") or 0) or _bytes(tensor))
            location = said.get("location", "")
            needed[location] = max(needed.get(location, 0), end)
    return tuple(StoredFile(name, size) for name, size in needed.items())


def _tensors(
    model: onnx.ModelProto, constants: Mapping[str, Any], values: _Values, numbers: Numbers
) -> Iterator[Tensor]:
    for name, tensor in constants.items():
        shape = tuple(int(side) for side in tensor.dims)
        yield Tensor(name, values.dtype(tensor.data_type), shape, _bytes(tensor), numbers.quantization(name))
    for value in model.graph.input:
        if value.name not in constants:
            yield values.tensor(value.name, numbers.quantization(value.name))
    for node in model.graph.node:
        for name in node.output:
            if name and name not in constants:
                yield values.tensor(name, numbers.quantization(name))


def _transposed(node: onnx.NodeProto) -> tuple[bool, bool]:
    flags = {attribute.name: attribute.i for attribute in node.attribute}
    return bool(flags.get("transA")), bool(flags.get("transB"))


def _about(onnx: Any, model: onnx.ModelProto) -> list[tuple[str, str]]:
    opsets = ", ".join(f"{opset.domain or 'ai.onnx'} {opset.version}" for opset in model.opset_import)
    producer = f"{model.producer_name} {model.producer_version}".strip()
    pairs = [("IR", str(model.ir_version)), ("opset", opsets), ("producer", producer), ("name", model.graph.name)]
    pairs += [("version", str(model.model_version) if model.model_version else ""), ("domain", model.domain)]
    pairs += [("description", (model.doc_string or model.graph.doc_string)[:_MOST_TEXT])]
    if model.functions:
        names = ", ".join(sorted({function.name for function in model.functions}))
        pairs.append(("functions", f"{len(model.functions)}, opened here: {names[:_MOST_TEXT]}"))
    return [(key, value) for key, value in pairs if value]


def _shape(value: onnx.ValueInfoProto | None) -> Shape | None:
    if value is None or not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(
        int(dim.dim_value) if dim.WhichOneof("value") == "dim_value" else dim.dim_param or -1
        for dim in value.type.tensor_type.shape.dim
    )


def _dtype(name: str) -> str:
    return {"FLOAT": "float32", "DOUBLE": "float64"}.get(name, name.lower())
