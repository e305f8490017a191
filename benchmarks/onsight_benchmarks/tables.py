"""Records as Markdown tables: python -m onsight_benchmarks.tables RECORD.json... | FOLDER [--write]

A folder gives the whole page of its records, those in FOLDER/accuracy and FOLDER/variants first; `--write` puts it
into FOLDER/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onsight_benchmarks.accuracy_record import KIND, AccuracyRecord, Int8Answer
from onsight_benchmarks.parity.record import KIND as VARIANTS
from onsight_benchmarks.parity.record import VariantAnswer, VariantsRecord
from onsight_benchmarks.record import SCHEMA, Record
from onsight_benchmarks.record_file import load_json
from onsight_benchmarks.tables_live import DETAILS
from onsight_edge.errors import BenchmarkError, OnsightError
from onsight_edge.files import write_text

ACCURACY = "accuracy"  # the folder of the accuracy records, and what their table is called
_HEAD = """# Records

Written by `python -m onsight_benchmarks.tables benchmarks/results --write`; milliseconds and MiB where nothing else is
said. The method is in [the benchmarks' README](../README.md), every key in [docs/records.md](../../docs/records.md)."""


def page(folder: Path) -> str:
    """All records of a folder as one page: those in its folders `accuracy` and `variants`, then each other one.

    Raises:
        BenchmarkError: a file is not a record.
    """
    parts = [_HEAD]
    if records := [AccuracyRecord.load(path) for path in sorted((folder / ACCURACY).glob("*.json"))]:
        parts.append(f"### {ACCURACY}\n\n{accuracy_markdown(records)}")
    if variants := [VariantsRecord.load(path) for path in sorted((folder / VARIANTS).glob("*.json"))]:
        parts.append(f"### {VARIANTS}\n\n{variants_markdown(variants)}")
    parts += [f"### {path.stem}\n\n{markdown(path)}" for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(parts) + "\n"


def markdown(path: Path) -> str:
    """One record as Markdown: a latency table, an accuracy table of one row, variants, or the targets of another kind.

    Raises:
        BenchmarkError: not there, or not a record.
    """
    value = load_json(path)
    if isinstance(value, dict) and value.get("kind") == "latency":
        return latency_markdown(Record.from_json(value, str(path)))
    if isinstance(value, dict) and value.get("kind") == KIND:
        return accuracy_markdown([AccuracyRecord.from_json(value, str(path))])
    if isinstance(value, dict) and value.get("kind") == VARIANTS:
        return variants_markdown([VariantsRecord.from_json(value, str(path))])
    try:
        if value["schema"] != SCHEMA:
            raise BenchmarkError(f"{path}: schema {value['schema']!r} is not {SCHEMA}: written by another onsight")
        return _targets_markdown(value)
    except (KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is not an onsight record: {error!r}") from error


def latency_markdown(record: Record) -> str:
    """The measurements of a latency record, then the ratios; times in milliseconds, memory in MiB."""
    lines = [
        "| variant | backend | threads | p50 | p90 | p99 | inference p50 | init | first | RSS |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for one in record.measurements:
        whole, inference = one.latency_ms["end_to_end"], one.latency_ms["inference"]
        times = [f"{s:.3f}" for s in (whole.p50, whole.p90, whole.p99)] if whole else ["-"] * 3
        cells = [
            one.model.variant,
            one.backend.name,
            str(one.backend.threads),
            *times,
            f"{inference.p50:.3f}" if inference else "-",
            *("-" if value is None else f"{value:.1f}" for value in (one.init_ms, one.first_ms, one.rss_mib)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {one.of} / {one.to}, {one.stage}: {one.ratio}" for one in record.comparisons)]
    lines += ["", _footer(record.device.cpu, record.device.os, record.taken, record.invalid_because)]
    return "\n".join(lines)


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
            _share(one.float32.accuracy, one.float32.interval),
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


def variants_markdown(records: Sequence[VariantsRecord]) -> str:
    """One table of networks x variants, each network's Keras first, with what was measured on what below it."""
    lines = [
        "| network | variant | accuracy | drop | same class | largest difference | KB | p50 ms |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
    ]
    for record in records:
        keras = record.keras
        name = f"{keras.arch} {keras.recipe}"
        cells = [name, "Keras", _share(keras.accuracy, keras.interval), "", "", "", f"{keras.bytes / 1000:.1f}", ""]
        lines.append(f"| {' | '.join(cells)} |")
        lines += [f"| {' | '.join([name, *_variant(one)])} |" for one in record.variants]
    tested = sorted({f"{record.data.name}, {record.data.pictures:,} test pictures" for record in records})
    lines += [
        "",
        f"{'; '.join(tested)}; percent with 95 % intervals. drop: percentage points below Keras, its interval by "
        "paired bootstrap. same class: pictures with Keras's class. p50: of one inference, one thread.",
        "",
    ]
    for record in records:
        lines.append(f"- {record.keras.arch} {record.keras.recipe}: {'; '.join(map(str, record.targets)) or 'no goal'}")
        lines += [
            f"    - {one.variant}: {one.quantized.pictures} pictures, {one.quantized.estimator}"
            + (f", left in float: {', '.join(one.quantized.left_float)}" if one.quantized.left_float else "")
            for one in record.variants
            if one.quantized is not None
        ]
        lines += [
            f"    - {one.variant}: **broken:** {'; '.join(one.objections)}" for one in record.variants if one.objections
        ]
    lines.append("")
    for record in records:
        where = _footer(record.device.cpu, record.device.os, record.taken, record.invalid_because)
        lines.append(f"{record.keras.arch} {record.keras.recipe}: {where}")
    return "\n".join(lines)


def _variant(one: VariantAnswer) -> list[str]:
    low, high = one.drop_interval_points
    return [
        one.variant,
        _share(one.accuracy, one.interval),
        f"{one.drop_points:+.2f} ({low:+.2f} to {high:+.2f})",
        f"{100 * one.agreement:.2f}",
        f"{one.largest_difference:.2g}",
        f"{one.bytes / 1000:.1f}",
        f"{one.inference_ms.p50:.3f}",
    ]


def machine(described: dict[str, object]) -> str:
    """What trained a network, from the machine that its metrics.json describes: its accelerator, or its cores."""
    accelerator = described.get("accelerator") or described.get("gpu")
    cores = f"{described.get('cores', '?')} cores, {described.get('machine', '?')}"
    return f"{accelerator}" if accelerator else cores


def _share(accuracy: float, interval: tuple[float, float]) -> str:
    return f"{100 * accuracy:.2f} ({100 * interval[0]:.2f}-{100 * interval[1]:.2f})"


def _int8(answer: Int8Answer | None) -> list[str]:
    if answer is None:
        return ["-", "-"]
    low, high = answer.drop_interval_points
    return [_share(answer.accuracy, answer.interval), f"{answer.drop_points:.2f} ({low:+.2f} to {high:+.2f})"]


def _targets_markdown(value: dict[str, Any]) -> str:
    lines = ["| figure | measured | limit | met |", "| --- | --: | --: | --- |"]
    for one in value["targets"]:
        sign = "at most" if one["at_most"] else "at least"
        lines.append(
            f"| {one['what']} | {one['measured']:g} | {sign} {one['limit']:g} | {'yes' if one['met'] else 'no'} |"
        )
    if details := DETAILS.get(value.get("kind", "")):
        lines += ["", *details(value["results"])]
    device = value["device"]
    lines += ["", _footer(device["cpu"], device["os"], value["taken"], tuple(value["invalid_because"]))]
    return "\n".join(lines)


def _footer(cpu: str | None, system: str | None, taken: str, because: tuple[str, ...]) -> str:
    verdict = f"**Not valid:** {'; '.join(because)}." if because else "Valid."
    return f"{cpu or 'unknown processor'}, {system or 'unknown system'}, {taken}. {verdict}"


def main() -> None:
    """Print every record named on the command line, or the page of a folder."""
    names = [name for name in sys.argv[1:] if name != "--write"]
    folder = Path(names[0]) if len(names) == 1 and Path(names[0]).is_dir() else None
    if not names or (folder is None and "--write" in sys.argv):
        sys.exit("usage: python -m onsight_benchmarks.tables RECORD.json... | FOLDER [--write]")
    try:
        if folder is None:
            print("\n\n".join(f"### {Path(name).stem}\n\n{markdown(Path(name))}" for name in names))
        elif "--write" in sys.argv:
            write_text(folder / "README.md", page(folder))
        else:
            print(page(folder), end="")
    except OnsightError as error:
        sys.exit(f"tables: {error}")


if __name__ == "__main__":
    main()
