"""The graphs of a .tflite file: its tables, joined by the numbers with which they name each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from onsight_edge.errors import ModelError
from onsight_export.inspect.facts import Operator, Quantization, Tensor
from onsight_export.inspect.tflite_costs import arithmetic, macs

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


class Graphs:
    """All graphs of one model.

    Attributes:
        warnings: what was found odd while reading.
    """

    def __init__(self, model: Any, schema: Any) -> None:
        self.model = model
        self.graphs = items(model.subgraphs)
        self.buffers = items(model.buffers)
        self.dtypes = {v: k.lower() for k, v in vars(schema.TensorType).items() if not k.startswith("_")}
        self.kinds = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
        self.warnings: list[str] = []
        self._weights: dict[int, tuple[int, int]] = {}  # buffer -> numbers, bytes: tensors may share one

    def buffer(self, index: int) -> bytes:
        """What a buffer holds within the flatbuffer; b"" for none."""
        found = item_at(self.buffers, index, "buffer")
        return b"" if found.data is None else bytes(found.data)

    def stored(self, index: int) -> int:
        """Bytes of a buffer, those of large files that lie behind the flatbuffer too."""
        found = item_at(self.buffers, index, "buffer")
        return int(found.size) if found.offset > 1 else 0 if found.data is None else len(found.data)

    def tensors(self, graph: int) -> list[Tensor]:
        """The tensors of one graph."""
        name = _graph_name(self.graphs, graph)
        return [self._tensor(tensor, name) for tensor in items(self.graphs[graph].tensors)]

    def _tensor(self, raw: Any, graph: str) -> Tensor:
        dtype = self.dtypes.get(raw.type, f"type {raw.type}")
        fixed, signature = numbers(raw.shape), numbers(raw.shapeSignature)
        shape = signature if len(signature) == len(fixed) and signature else fixed
        stored = self.stored(raw.buffer)
        quantization = _quantization(raw.quantization)
        if quantization is not None and not quantization.sound:
            self.warnings.append(f"{text_of(raw.name)} has a scale that is not a number above 0")
            quantization = None
        tensor = Tensor(text_of(raw.name), dtype, shape, stored or None, quantization, graph=graph)
        needed = math.prod(fixed) * _BITS.get(dtype, 0)
        if stored and raw.sparsity is None and dtype in _BITS and stored != math.ceil(needed / 8):
            self.warnings.append(
                f"{tensor.name} holds {stored:,} bytes; its shape {list(fixed)} needs {math.ceil(needed / 8):,}"
            )
        return tensor

    def operators(self, graph: int, tensors: Sequence[Tensor]) -> Iterable[Operator]:
        """The operators of one graph, in the order of execution."""
        raw = self.graphs[graph]
        own = items(raw.tensors)
        name = _graph_name(self.graphs, graph)
        batch = self._batch(raw)
        pieces: dict[int, int] = {}  # tensor -> into how many a picture was cut: shapes with a free batch do not say it
        for op in items(raw.operators):
            kind = self._kind(item_at(items(self.model.operatorCodes), op.opcodeIndex, "operator code"))
            read = [None if i == -1 else index_of(i, own) for i in numbers(op.inputs)]
            given = [index_of(i, own) for i in numbers(op.outputs) if i != -1]
            shapes = [None if i is None else _shape(own[i]) for i in read]
            constants = [i for i in read if i is not None and tensors[i].stored]
            computed = [i for i in (*read, *given) if i is not None and not tensors[i].stored]
            first = _shape(own[given[0]]) if given else None
            cut = self._pieces(kind, read, own, pieces)
            pieces |= dict.fromkeys(given, cut)
            work = macs(kind, shapes, first, adjoint=bool(getattr(op.builtinOptions, "adjX", False)))
            for i in constants:
                self._note_weights(own[i], tensors[i])
            yield Operator(
                kind,
                tensors[given[0]].name if given else "",
                arithmetic(
                    kind, [_numbers_of(tensors[i]) for i in computed], [_numbers_of(tensors[i]) for i in constants]
                ),
                # the other graphs run as often as an operator of the main one says
                work if work is None else None if graph and work else work * cut // batch,
                tensors[given[0]].shape if given else None,
                name,
            )

    def weights(self) -> tuple[int, int]:
        """How many numbers the operators' weights hold, and their bytes; call it after `operators`."""
        return sum(number for number, _ in self._weights.values()), sum(size for _, size in self._weights.values())

    def _note_weights(self, raw: Any, tensor: Tensor) -> None:
        # whole numbers without a scale are shapes, axes and paddings; a single number is a constant of a formula
        if numbers(raw.shape) and (tensor.quantization is not None or tensor.dtype.startswith(("float", "bfloat"))):
            self._weights[raw.buffer] = (math.prod(numbers(raw.shape)), tensor.stored or 0)

    def _pieces(self, kind: str, read: Sequence[int | None], own: Sequence[Any], before: dict[int, int]) -> int:
        """Into how many pieces of the batch the pictures stand cut behind an operator: dilated convolutions do that."""
        pieces = max((before.get(i, 1) for i in read if i is not None), default=1)
        if kind not in ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"):
            return pieces
        data, shape = (None if i is None else own[i] for i in read[:2])
        if data is None or shape is None or -1 not in numbers(data.shapeSignature)[:1]:
            return pieces
        blocks = int(np.frombuffer(self.buffer(shape.buffer), np.int32).prod())
        return pieces * blocks if kind == "SPACE_TO_BATCH_ND" else max(1, pieces // max(blocks, 1))

    def _kind(self, code: Any) -> str:
        number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
        kind: str = self.kinds.get(number, str(number))
        return f"custom {text_of(code.customCode)}" if kind == "CUSTOM" else kind

    def _batch(self, graph: Any) -> int:
        """Pictures that go in at once: costs are told for one."""
        own = items(graph.tensors)
        shapes = [numbers(own[index_of(i, own)].shape) for i in numbers(graph.inputs)]
        return max(1, shapes[0][0]) if shapes and len(shapes[0]) == 4 else 1


def _quantization(raw: Any) -> Quantization | None:
    if raw is None or raw.scale is None or not len(raw.scale):
        return None
    scales = tuple(float(scale) for scale in raw.scale)
    axis = int(raw.quantizedDimension) if len(scales) > 1 else None
    return Quantization(scales, numbers(raw.zeroPoint), axis)


def _numbers_of(tensor: Tensor) -> tuple[str, bool]:
    return tensor.dtype, tensor.quantization is not None


def _graph_name(graphs: Sequence[Any], index: int) -> str:
    return "" if index == 0 else text_of(graphs[index].name) or f"graph {index}"


def _shape(raw: Any) -> tuple[int, ...] | None:
    """A shape to count with: None where a side other than the batch is free."""
    fixed, signature = numbers(raw.shape), numbers(raw.shapeSignature)
    if raw.hasRank is False and not fixed and raw.buffer == 0:
        return None
    return None if any(side == -1 for side in signature[1:]) else fixed


def item_at(found: Sequence[Any], index: int, what: str) -> Any:
    """One of a list that the file names by number; ModelError where there is none."""
    if not 0 <= index < len(found):
        raise ModelError(f"it is damaged: it names {what} {index}, of which there are {len(found)}")
    return found[index]


def index_of(index: int, tensors: Sequence[Any]) -> int:
    """The number of a tensor, after it was found to be one; else ModelError."""
    item_at(tensors, index, "tensor")
    return index


def items(vector: Any) -> Sequence[Any]:
    """A vector of the schema's code, which is None where it is absent."""
    return [] if vector is None else vector


def numbers(vector: Any) -> tuple[int, ...]:
    """A vector of whole numbers as Python's own."""
    return () if vector is None else tuple(int(number) for number in vector)


def text_of(raw: Any) -> str:
    """A string; bytes that are no UTF-8 are replaced."""
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw or "")
