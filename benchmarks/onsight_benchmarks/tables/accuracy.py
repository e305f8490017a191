"""One table of all trainings."""

from __future__ import annotations

from collections.abc import Sequence

from onsight_benchmarks.accuracy_record import KIND, AccuracyRecord, Int8Answer
from onsight_benchmarks.tables.table import Loaded, Table, share_with_interval


def accuracy(records: Sequence[Loaded]) -> str:
    """Accuracy records as one table for each data set."""
    return accuracy_markdown([AccuracyRecord.from_json(one.value, str(one.path)) for one in records])


def accuracy_markdown(records: Sequence[AccuracyRecord]) -> str:
    """One row a training, the most accurate first; a table for each data set."""
    names = sorted({record.data.name for record in records})
    return "\n\n".join(_accuracy_table([r for r in records if r.data.name == name]) for name in names)


def _accuracy_table(records: Sequence[AccuracyRecord]) -> str:
    lines = [
        "| architecture | recipe | float | int8 TFLite | drop | int8 ONNX | drop | parameters | MACs | TFLite KB "
        "| epochs | hours | trained on |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --- |",
    ]
    for one in sorted(records, key=lambda r: (-r.float32.accuracy, r.training.arch, r.recipe)):
        tflite, onnx = one.find("tflite-int8"), one.find("onnx-int8")
        training, macs = one.training, one.float32.macs
        cells = [
            one.training.arch,
            one.recipe + ("" if one.valid else " (not valid)"),
            share_with_interval(one.float32.accuracy, one.float32.interval),
            *_int8(tflite),
            *_int8(onnx),
            f"{one.float32.parameters:,}",
            "-" if macs is None else f"{macs / 1e6:.1f}M",
            "-" if tflite is None else f"{tflite.bytes / 1000:.1f}",
            str(training.epochs_done),
            f"{training.seconds / 3600:.2f}",
            machine(training.machine),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    tests = sorted({f"{r.data.pictures:,}" for r in records})
    lines += [
        "",
        f"{records[0].data.name}, all {' or '.join(tests)} test pictures; percent with 95 % intervals. drop: "
        "percentage points below float, the interval from picture-by-picture pairs.",
    ]
    for one in records:
        if not one.valid:
            lines.append(f"{one.training.arch} {one.recipe}: **not valid:** {'; '.join(one.invalid_because)}.")
    return "\n".join(lines)


def machine(described: dict[str, object]) -> str:
    """What trained a network, from the machine that its metrics.json describes: its accelerator, or its cores."""
    accelerator = described.get("accelerator") or described.get("gpu")
    cores = f"{described.get('cores', '?')} cores, {described.get('machine', '?')}"
    return f"{accelerator}" if accelerator else cores


def _int8(answer: Int8Answer | None) -> list[str]:
    if answer is None:
        return ["-", "-"]
    low, high = answer.drop_interval_points
    return [
        share_with_interval(answer.accuracy, answer.interval),
        f"{answer.drop_points:.2f} ({low:+.2f} to {high:+.2f})",
    ]


TABLES = {KIND: Table(whole=accuracy, joined=True)}
