"""One table of networks x variants."""

from __future__ import annotations

from collections.abc import Sequence

from onsight_benchmarks.parity.record import KIND, VariantAnswer, VariantsRecord
from onsight_benchmarks.tables.table import Loaded, Table, footer, share_with_interval


def variants(records: Sequence[Loaded]) -> str:
    """Variants records as one table."""
    return variants_markdown([VariantsRecord.from_json(one.value, str(one.path)) for one in records])


def variants_markdown(records: Sequence[VariantsRecord]) -> str:
    """One table of networks x variants, each network's Keras first, with what was measured on what below it."""
    lines = [
        "| network | variant | accuracy | drop | same class | largest difference | KB | p50 ms |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
    ]
    for record in records:
        keras = record.keras
        name = f"{keras.arch} {keras.recipe}"
        cells = [
            name,
            "Keras",
            share_with_interval(keras.accuracy, keras.interval),
            "",
            "",
            "",
            f"{keras.bytes / 1000:.1f}",
            "",
        ]
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
        where = footer(record.device.cpu, record.device.os, record.taken, record.invalid_because)
        lines.append(f"{record.keras.arch} {record.keras.recipe}: {where}")
    return "\n".join(lines)


def _variant(one: VariantAnswer) -> list[str]:
    low, high = one.drop_interval_points
    return [
        one.variant,
        share_with_interval(one.accuracy, one.interval),
        f"{one.drop_points:+.2f} ({low:+.2f} to {high:+.2f})",
        f"{100 * one.agreement:.2f}",
        f"{one.largest_difference:.2g}",
        f"{one.bytes / 1000:.1f}",
        f"{one.inference_ms.p50:.3f}",
    ]


TABLES = {KIND: Table(whole=variants, joined=True)}
