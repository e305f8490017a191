"""The bar chart of what each layer costs."""

from __future__ import annotations

import io
from collections.abc import Mapping

from onsight_edge.errors import MissingExtraError
from onsight_export.quantize.types import Int8Report

_IN_8_BITS, _IN_FLOAT = "#0072b2", "#d55e00"  # told apart by every kind of colour vision (Okabe and Ito)
_MOST = 30  # layers a panel; more would not be readable


def sensitivity_chart(reports: Mapping[str, Int8Report], title: str) -> bytes:
    """A panel for each variant: how far its scores move from Keras's where one layer alone is in 8 bits.

    Args:
        reports: by variant; those without `sensitivity` are left out, and there must be one with it.
        title: over all.

    Returns:
        A PNG; equal bytes for equal reports.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "matplotlib", "plots", "drawing the layers' sensitivity") from error
    shown = {name: report for name, report in reports.items() if report.sensitivity}
    rows = max(min(len(report.sensitivity or ()), _MOST) for report in shown.values())
    figure = Figure(figsize=(6.4 * len(shown), 1.6 + 0.27 * rows), dpi=100)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (name, report) in zip(panels, shown.items(), strict=True):
        layers = (report.sensitivity or ())[:_MOST]
        colours = [_IN_FLOAT if layer.layer in report.left_float else _IN_8_BITS for layer in layers]
        bars = axes.barh(range(len(layers)), [layer.mean_difference for layer in layers], color=colours)
        axes.bar_label(bars, [f"{layer.drop_points:+.2f}" for layer in layers], padding=3, fontsize=7)
        axes.set_yticks(range(len(layers)), [layer.layer for layer in layers], fontsize=8)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.locator_params(axis="x", nbins=5)
        axes.grid(axis="x", alpha=0.25)
        axes.set_xlabel("mean score difference from Keras\n(at the bar: points of accuracy lost)")
        hidden = len(report.sensitivity or ()) - len(layers)
        more = f", {hidden} smaller ones not shown" if hidden else ""
        axes.set_title(f"{name}: one layer in 8 bits{more}", fontsize=10)
        if report.left_float:
            axes.plot([], [], color=_IN_FLOAT, lw=6, label="left in float")
            axes.legend(frameon=False, loc="lower right")
    figure.suptitle(title)
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
