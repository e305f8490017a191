"""What `onsight export` prints for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from onsight_export.report import ExportReport

_LAYERS = 15  # shown of each file: a network may have hundreds, and the costly ones come first


def show_report(report: ExportReport, out: Path, speed: Mapping[str, float]) -> None:
    """Print what an export found out: the table of variants, how the int8 ones came about, and if they gain time here.

    Args:
        report: what export found.
        out: where the bundle is.
        speed: format -> the time of its int8 file over that of its float32 file; see `int8_over_float32`.
    """
    console = Console()
    every = report.dataset["test_pictures"]
    pictures = f"{report.pictures} test pictures"
    if report.pictures < every:
        pictures = f"{report.pictures} of {every} test pictures only"
    table = Table(title=f"{report.name} on {report.dataset['name']}, {pictures}")
    table.add_column("variant", no_wrap=True)
    for name in ("accuracy", "95 %", "loss", "agrees", "diff.", "KB"):
        table.add_column(name, justify="right", no_wrap=True)
    low, high = report.keras["interval"]
    table.add_row(
        "Keras", f"{100 * report.keras['accuracy']:.2f} %", f"{100 * low:.1f}..{100 * high:.1f}", "", "", "", ""
    )
    for each in report.variants:
        low, high = each.interval
        table.add_row(
            each.variant,
            f"{100 * each.accuracy:.2f} %",
            f"{100 * low:.1f}..{100 * high:.1f}",
            f"{each.drop_points:+.2f}",
            f"{100 * each.agreement:.2f} %",
            f"{each.largest_difference:.2g}",
            f"{each.bytes / 1000:.0f}",
        )
    console.print(table)
    console.print("loss: points below Keras. agrees: same class as Keras. diff.: largest, of a score.", highlight=False)
    for line in _rejections(report):
        console.print(line, highlight=False)
    for variant, found in report.int8.items():
        console.print(f"{variant}: {found['why']}", highlight=False)
        if found["sensitivity"]:
            console.print(_sensitivity(variant, found))
    for each in report.variants:
        if each.pictures < report.pictures:
            console.print(
                f"{each.variant}: on {each.pictures} of the pictures, evenly spread; its loss is against Keras on the "
                "same ones. It is too slow for more.",
                highlight=False,
            )
    for model_format, ratio in speed.items():
        console.print(
            f"{model_format}-int8 takes {ratio:.2f}x the time of {model_format}-float32 on this machine"
            f"{': it is not faster here' if ratio >= 1 else ''}; on your device ask onsight tune",
            highlight=False,
        )
    console.print(f"wrote {out}", highlight=False, soft_wrap=True)


def _rejections(report: ExportReport) -> list[str]:
    lines = []
    for each in report.variants:
        if (reject := each.reject) is None:
            continue
        line = f"{each.variant}: scores below {reject.threshold:.3f} are unknown: {reject.false_rejects:.1%} of these"
        if reject.accuracy_accepted is not None:
            line += f", of the others {reject.accuracy_accepted:.2%} are right"
        if reject.false_accepts is not None and report.unknowns is not None:
            line += f"; of {report.unknowns['name']} {reject.false_accepts:.1%} pass as a class"
        lines.append(line)
    return lines


def _sensitivity(variant: str, found: dict[str, Any]) -> Table:
    table = Table(title=f"{variant}: one layer in 8 bits")
    table.add_column("layer", overflow="fold")
    for name in ("loss", "agrees", "mean diff."):
        table.add_column(name, justify="right", no_wrap=True)
    layers = found["sensitivity"]
    for layer in layers[:_LAYERS]:
        left = " (left in float)" if layer["layer"] in found["left_float"] else ""
        table.add_row(
            layer["layer"] + left,
            f"{layer['drop_points']:+.2f}",
            f"{100 * layer['agreement']:.2f} %",
            f"{layer['mean_difference']:.2g}",
        )
    if len(layers) > _LAYERS:
        table.caption = f"the costliest of {len(layers)} layers; all of them in the bundle's report.json"
    return table
