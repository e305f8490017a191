"""How `onsight info` looks on a terminal: one screen a file, one row a variant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from onsight.info_subjects import Subject, Subjects
from onsight_edge.embedded import ONNX_SPEC_KEY
from onsight_edge.spec import ModelSpec
from onsight_export.inspect.facts import FileFacts, Tensor

_FORMATS = {"tflite": "TFLite", "onnx": "ONNX", "keras": "Keras"}
_LARGEST, _KINDS, _IN_OUT, _METADATA = 4, 9, 6, 6  # rows: what is shown without being asked to fits a screen
_CUT = 150  # characters of one entry of the metadata
_SHORT = 32  # characters of an operator's name: TFLite joins those of all that it fused
_LONGEST = 60  # characters of a name in a table: what ONNX calls its values can be very long


def show_file(subject: Subject, *, every_operator: bool, every_tensor: bool) -> None:
    """One file: what it is, what goes in and comes out, what it costs, what it holds."""
    console = Console(highlight=False, markup=False)
    facts = subject.facts
    console.print(Text.assemble((clean(subject.name), "bold"), f": {_FORMATS[facts.format]}, {subject.bytes:,} bytes"))
    console.print(_grid(_lines(subject)))
    operators = _every_operator(facts) if every_operator else _operator_kinds(facts)
    tensors = _tensors(facts, every_tensor)
    for table in (operators, tensors):
        if table.row_count:
            console.print()
            console.print(table)


def show_bundle(subjects: Subjects) -> None:
    """The variants of a bundle, one row each."""
    console = Console(highlight=False, markup=False)
    total = sum(one.bytes for one in subjects.files)
    number = len(subjects.files)
    what = f": bundle of {number} {'variant' if number == 1 else 'variants'}, {total:,} bytes, every digest agrees"
    console.print(Text.assemble((clean(subjects.path.name), "bold"), what), soft_wrap=True)
    rows: list[tuple[str, str]] = [("name", subjects.name), *subjects.origin.items()]
    if subjects.spec is not None:
        rows += [("classes", _classes(subjects.spec.classes)), ("spec", describe_spec(subjects.spec))]
    console.print(_grid(rows))
    table = _table("variant")
    table.columns[0].no_wrap = True
    for heading in ("KB", "takes", "gives", "weights", "MACs", "in float", "accuracy"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in subjects.files:
        facts = one.facts
        accuracy = (one.report or {}).get("accuracy")
        measured = f"{accuracy:.2%}" if isinstance(accuracy, int | float) else "-"
        table.add_row(
            one.variant,
            f"{one.bytes / 1000:,.{0 if one.bytes >= 1e6 else 1}f}",
            *(", ".join(tensor.dtype for tensor in ends) for ends in (facts.inputs, facts.outputs)),
            f"{facts.parameters:,}",
            _macs(facts),
            f"{facts.float_operators}/{len(facts.operators)}",
            measured,
        )
    console.print(table)
    warnings = [f"{one.variant}: {clean(text)}" for one in subjects.files for text in one.facts.warnings]
    for text in warnings:
        console.print(f"warning: {text}")
    console.print("in float: operators that calculate in floating point. One file: --variant NAME")


def describe_spec(spec: ModelSpec) -> str:
    """A spec in one line."""
    width, height = spec.input_size_wh
    pixels = "raw pixels 0..255" if spec.raw_pixels else f"(pixel - {_values(spec.mean)}) / {_values(spec.std)}"
    text = f"{width}x{height} {spec.colour}, {spec.resize}, {pixels} -> {spec.output}"
    if spec.temperature != 1.0:
        text += f", temperature {spec.temperature:.4g}"
    return text + (f", threshold {spec.threshold:.4g}" if spec.threshold else "")


def clean(text: str, most: int | None = None) -> str:
    """Text from a file that anyone may have made: without control characters, at most so long."""
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    if most is not None and len(shown) > most:
        half = (most - 3) // 2
        shown = f"{shown[:half]}...{shown[-half:]}"
    return shown


def _lines(subject: Subject) -> Iterable[tuple[str, str]]:
    facts = subject.facts
    yield "SHA-256", subject.sha256
    plain = [f"{key} {value}" for key, value in facts.about if key not in ("name", "description", "author", "licence")]
    yield "format", ", ".join(plain)
    named = dict(facts.about)
    for key in ("name", "description", "author", "licence"):
        if named.get(key):
            yield key, named[key]
    if facts.classes is not None:
        yield "classes", f"{_classes(facts.classes)} (from {facts.classes_from})"
    elif subject.spec is not None:
        yield "classes", _classes(subject.spec.classes)
    else:
        yield "classes", "it carries no class names"
    if subject.spec is not None:
        yield "spec", describe_spec(subject.spec)
    for heading, ends in (("input", facts.inputs), ("output", facts.outputs)):
        for tensor in ends[:_IN_OUT]:
            yield heading, _describe(tensor)
        if len(ends) > _IN_OUT:
            yield heading, f"{len(ends) - _IN_OUT} more: --json lists all"
    cost = f"{facts.parameters:,} parameters ({facts.weight_bytes:,} bytes), {_macs(facts)} MACs for one picture"
    if facts.macs is None:
        unknown = sorted({op.kind for op in facts.operators if op.macs is None})
        cost += f"; not known: those of {', '.join(unknown[:4])}{' and others' if len(unknown) > 4 else ''}"
    yield "cost", cost
    yield "operators", _operators(facts)
    rest = [pair for pair in facts.metadata if pair[0] not in (ONNX_SPEC_KEY, facts.classes_from)]
    for key, value in rest[:_METADATA]:
        yield "metadata", f"{key}: {value if len(value) <= _CUT else value[:_CUT] + '...'}"
    if len(rest) > _METADATA:
        yield "metadata", f"{len(rest) - _METADATA} more: --json lists all"
    if facts.files:
        yield "inside it", ", ".join(f"{file.name} ({file.bytes:,} bytes)" for file in facts.files)
    for file in facts.external:
        yield "beside it", file.name if file.bytes is None else f"{file.name}, {file.bytes:,} bytes"
    for warning in facts.warnings:
        yield "warning", warning


def _operators(facts: FileFacts) -> str:
    number = f"{len(facts.operators):,}"
    if facts.format == "keras":
        return f"{number} layers"
    in_float = facts.float_operators
    if not in_float:
        return f"{number}, none calculates in floating point"
    return f"{number}, {in_float if in_float < len(facts.operators) else 'all'} in floating point"


def _describe(tensor: Tensor) -> str:
    parts = [f"{tensor.name}  {tensor.dtype} {_shape(tensor.shape)}"]
    if tensor.quantization is not None:
        parts.append(str(tensor.quantization))
    return ", ".join(parts) + (f" ({tensor.about})" if tensor.about else "")


def _operator_kinds(facts: FileFacts) -> Table:
    table = _table("operator")
    table.add_column("calculates in", overflow="fold")
    for heading in ("number", "MACs", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    kinds = facts.kinds()
    # a last line that says "1 more" would take as much room as the one it leaves out
    shown = kinds if len(kinds) <= _KINDS + 1 else kinds[:_KINDS]
    for kind, arithmetic, number, macs in shown:
        share = f"{macs / facts.known_macs:.1%}" if macs and facts.macs else ""
        counted = "?" if macs is None else f"{macs:,}" if macs else ""
        table.add_row(clean(kind, _LONGEST), arithmetic, f"{number:,}", counted, share)
    if len(shown) < len(kinds):
        left_out = sum(row[2] for row in kinds[len(shown) :])
        table.add_row(f"{len(kinds) - len(shown)} more kinds (--ops)", "", f"{left_out:,}")
    return table


def _every_operator(facts: FileFacts) -> Table:
    table = _table("operator")
    table.add_column("calculates in", overflow="fold")
    table.add_column("gives", justify="right", overflow="fold")
    table.add_column("MACs", justify="right", no_wrap=True)
    for op in facts.operators:
        name = " ".join(part for part in (op.graph and f"[{op.graph}]", op.kind, clean(op.name, _SHORT)) if part)
        macs = "?" if op.macs is None else f"{op.macs:,}" if op.macs else ""
        table.add_row(clean(name), op.arithmetic, clean(_shape(op.gives)), macs)
    return table


def _tensors(facts: FileFacts, every: bool) -> Table:
    shown: Sequence[Tensor] = facts.tensors
    if not every:
        stored = [tensor for tensor in facts.tensors if tensor.stored]
        shown = sorted(stored, key=lambda tensor: -(tensor.stored or 0))[:_LARGEST]
    table = _table("tensor" if every else "largest tensors")
    table.add_column("dtype", no_wrap=True)
    for heading in ("shape", "bytes", "quantized"):
        table.add_column(heading, justify="right", overflow="fold")
    for tensor in shown:
        name = f"[{tensor.graph}] {tensor.name}" if tensor.graph else tensor.name
        stored_bytes = "" if tensor.stored is None else f"{tensor.stored:,}"
        quantized = "" if tensor.quantization is None else str(tensor.quantization)
        label = clean(name, None if every else _LONGEST)
        table.add_row(label, tensor.dtype, clean(_shape(tensor.shape)), stored_bytes, quantized)
    return table


def _table(first: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(first, overflow="fold")
    return table


def _grid(rows: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    before = ""
    for key, value in rows:
        if value:
            grid.add_row(Text("" if key == before else key, "dim"), Text(clean(value)))
            before = key
    return grid


def _classes(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{len(names):,}: {shown}{', ...' if len(names) > 12 else ''}"


def _macs(facts: FileFacts) -> str:
    known = facts.known_macs
    number = f"{known:,}" if known < 1e6 else f"{known / 1e6:,.1f} M" if known < 1e10 else f"{known / 1e9:,.1f} G"
    return number if facts.macs is not None else f"{number} or more" if facts.known_macs else "?"


def _shape(shape: Sequence[int | str] | None) -> str:
    if shape is None:
        return "of any rank"
    return "x".join("?" if side == -1 else str(side) for side in shape) if shape else "one number"


def _values(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else f"[{', '.join(f'{value:g}' for value in values)}]"
