"""What is known of a model file once it has been read: plain values, so that they travel between processes as JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

FLOAT_ARITHMETIC = ("float64", "float32", "float16", "bfloat16", "float32, 8-bit weights")
"""What operators that are not quantized calculate in."""
CONVERSION, OTHER = "conversion", "other"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Quantization:
    """real = scale * (stored - zero point).

    Attributes:
        scales, zero_points: one, or one for each slice along `axis`.
        axis: None where one scale holds for the whole tensor.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None

    @property
    def sound(self) -> bool:
        """Whether all scales are finite and above 0, as JSON and arithmetic need them."""
        return all(math.isfinite(scale) and scale > 0 for scale in self.scales)

    def __str__(self) -> str:
        if len(self.scales) > 1:
            return f"{len(self.scales)} scales"
        zero = self.zero_points[0] if self.zero_points else 0
        return f"scale {self.scales[0]:.6g}, zero point {zero}"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One value of a graph.

    Attributes:
        name: as the file names it.
        dtype: NumPy's name where it has one, else the format's in lower case.
        shape: -1 or a name where a side is free; None where the rank is not known either.
        stored: bytes in the file; None for what is only there while the graph runs.
        quantization: None for what is not quantized.
        about: what the file's own metadata say of it.
        graph: which of the file's graphs it belongs to; "" is the main one.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None
    stored: int | None = None
    quantization: Quantization | None = None
    about: str = ""
    graph: str = ""


@dataclass(frozen=True, slots=True)
class Operator:
    """One step of a graph.

    Attributes:
        kind: the format's name of it; `domain.name` for ONNX operators of other domains, `custom NAME` in TFLite.
        name: its own; in TFLite that of the first tensor that it gives.
        arithmetic: what it calculates in: a dtype such as `int8`; `float32, 8-bit weights`; `conversion` between
            dtypes; `other` for shapes, texts and truth values.
        macs: multiply-accumulates for one picture; None where that is not known.
        gives: shape of its first output.
        graph: as in Tensor.
    """

    kind: str
    name: str
    arithmetic: str
    macs: int | None
    gives: tuple[int | str, ...] | None = None
    graph: str = ""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file inside the model file (TFLite's associated ones), or beside it (ONNX's external data).

    Attributes:
        bytes: its size; None where only its reader knows.
    """

    name: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A model file.

    Attributes:
        format: `tflite`, `onnx` or `keras`.
        about: ordered pairs for people: version of the format, producer, name, author, licence.
        metadata: key -> text of what else rides inside, as found.
        classes: the names it carries, None where there are none.
        classes_from: where they stand.
        inputs, outputs: what is fed and what comes out.
        tensors: all of all graphs.
        operators: all of all graphs, in the order of execution where the file has one.
        parameters: numbers in the weights; shapes, scales, zero points and single constants do not count.
        weight_bytes: what those take in the file, or beside it.
        files: inside it. external: beside it.
        warnings: what is wrong or worth knowing.
    """

    format: str
    about: tuple[tuple[str, str], ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    parameters: int
    weight_bytes: int
    classes: tuple[str, ...] | None = None
    classes_from: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    files: tuple[StoredFile, ...] = ()
    external: tuple[StoredFile, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates for one picture; None where an operator's are not known."""
        return None if any(op.macs is None for op in self.operators) else self.known_macs

    @property
    def known_macs(self) -> int:
        """Multiply-accumulates of those operators whose work is known."""
        return sum(op.macs or 0 for op in self.operators)

    @property
    def float_operators(self) -> int:
        """How many operators calculate in floating point."""
        return sum(op.arithmetic in FLOAT_ARITHMETIC for op in self.operators)

    def kinds(self) -> list[tuple[str, str, int, int | None]]:
        """Operators by kind and arithmetic: (kind, arithmetic, how many, MACs), the most MACs first."""
        count: Counter[tuple[str, str]] = Counter()
        macs: dict[tuple[str, str], int | None] = {}
        for op in self.operators:
            key = (op.kind, op.arithmetic)
            count[key] += 1
            before = macs.get(key, 0)
            macs[key] = None if before is None or op.macs is None else before + op.macs
        rows = [(kind, arithmetic, number, macs[kind, arithmetic]) for (kind, arithmetic), number in count.items()]
        return sorted(rows, key=lambda row: (row[3] is not None, -(row[3] or 0), -row[2], row[:2]))

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; `from_json` gives it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FileFacts:
        """Read what `to_json` wrote."""
        return cls(
            format=value["format"],
            about=_pairs(value["about"]),
            inputs=tuple(map(_tensor, value["inputs"])),
            outputs=tuple(map(_tensor, value["outputs"])),
            tensors=tuple(map(_tensor, value["tensors"])),
            operators=tuple(map(_operator, value["operators"])),
            parameters=value["parameters"],
            weight_bytes=value["weight_bytes"],
            classes=None if value["classes"] is None else tuple(value["classes"]),
            classes_from=value["classes_from"],
            metadata=_pairs(value["metadata"]),
            files=tuple(StoredFile(**one) for one in value["files"]),
            external=tuple(StoredFile(**one) for one in value["external"]),
            warnings=tuple(value["warnings"]),
        )


def _tensor(value: dict[str, Any]) -> Tensor:
    quantization = value["quantization"]
    if quantization is not None:
        scales, zero_points = tuple(quantization["scales"]), tuple(quantization["zero_points"])
        quantization = Quantization(scales, zero_points, quantization["axis"])
    return Tensor(**{**value, "shape": _shape(value["shape"]), "quantization": quantization})


def _operator(value: dict[str, Any]) -> Operator:
    return Operator(**{**value, "gives": _shape(value["gives"])})


def _pairs(value: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((key, text) for key, text in value)


def _shape(value: Sequence[int | str] | None) -> tuple[int | str, ...] | None:
    return None if value is None else tuple(value)
