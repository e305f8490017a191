"""A comparison as one picture: accuracy against what it costs, and the learning curves beside each other."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onsight_benchmarks.plot_labels import Box, leader, place_labels
from onsight_benchmarks.runs_advice import pareto
from onsight_benchmarks.runs_comparison import ComparedRun, Comparison, Ranking
from onsight_edge.errors import UsageError
from onsight_edge.files import atomic_path
from onsight_edge.metrics import wilson
from onsight_train.frameworks import load_pyplot

SUFFIXES = (".png", ".svg")
# Okabe and Ito's, told apart by every kind of colour vision; without their yellow, which a light ground swallows
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<")  # 8 to 7 colours: 56 runs before a pair returns
_LINES = ("-", "--", ":", "-.")  # of the curves, for the second, third and fourth round of colours
_LEGEND_COLUMNS = 4
_MARKER_PX = 6.0
_INK, _FAINT = "#333333", "#999999"
_Points = dict[int, tuple[float, float, float, float]]  # x, y and the ends of y's interval
_LOG_SPAN = 3.0  # costs further apart than this are drawn on a logarithmic axis


@dataclass(frozen=True, slots=True)
class _Panel:
    """One cost: what it is called, how to read it of a run, how to write a number of it, whether int8 is meant."""

    title: str
    cost: Callable[[ComparedRun], float | None]
    write: Callable[[float], str]
    int8: bool


def short(value: float) -> str:
    """A count in three digits: `78.7k`, `12.5M`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit * 0.9995:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


_PANELS = (
    _Panel("parameters", lambda run: float(run.facts.parameters), short, False),
    _Panel("multiply-accumulates of one picture", lambda run: _float(run.macs), short, False),
    _Panel("int8 file, KB", lambda run: None if run.bytes is None else run.bytes / 1000, lambda v: f"{v:.4g}", True),
    _Panel("int8 inference, ms", lambda run: run.inference_ms, lambda v: f"{v:.3g}", True),
)


def check_plot(path: Path) -> None:
    """Refuse a file that cannot be drawn.

    Raises:
        UsageError: neither .png nor .svg.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot must name a {' or '.join(SUFFIXES)} file, not {path}")


def draw_comparison(path: Path, comparison: Comparison) -> None:
    """Draw a comparison of one ranking: whole or not at all.

    Args:
        path: a .png or .svg file.
        comparison: with exactly one ranking: accuracies on other pictures do not belong on one axis.

    Raises:
        UsageError: another suffix, or several rankings. OnsightError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    check_plot(path)
    if len(comparison.rankings) != 1:
        raise UsageError(
            f"--plot shows runs of one test part, and these have {len(comparison.rankings)}: name those of one"
        )
    ranking = comparison.rankings[0]
    plt = load_pyplot()
    panels = [panel for panel in _PANELS if any(panel.cost(run) is not None for run in ranking.runs)]
    rows = math.ceil(len(panels) / 2)
    foot = 0.25 * math.ceil(len(ranking.runs) / _LEGEND_COLUMNS) + 0.6
    with plt.rc_context({"svg.fonttype": "path", "font.size": 10, "axes.edgecolor": _FAINT, "svg.hashsalt": "onsight"}):
        figure = plt.figure(figsize=(12, 4.1 * rows + 3.6 + foot), dpi=110, layout="constrained")
        grid = figure.add_gridspec(rows + 2, 6, height_ratios=[*[4.1] * rows, 3.6, foot])
        drawn = []
        for place, panel in enumerate(panels):
            axes = figure.add_subplot(grid[place // 2, 3 * (place % 2) : 3 * (place % 2) + 3])
            drawn.append((axes, *_draw_panel(axes, panel, ranking)))
        _draw_curves([figure.add_subplot(grid[rows, 2 * i : 2 * i + 2]) for i in range(3)], ranking)
        _draw_foot(figure.add_subplot(grid[rows + 1, :]), drawn[0][0].get_legend_handles_labels(), _caption(comparison))
        count = f"{len(ranking.runs)} run{'s' * (len(ranking.runs) != 1)}"
        figure.suptitle(
            f"{_literal(ranking.dataset)}: {count}, {ranking.pictures:,} test pictures", fontsize=13, color=_INK
        )
        figure.canvas.draw()
        figure.set_layout_engine("none")  # names must not move the axes that they are placed in
        for axes, points, front in drawn:
            _name_points(figure, axes, ranking, points, front)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, facecolor="white", metadata=_metadata(path))
        plt.close(figure)


def _draw_foot(axes: Any, handles: tuple[list[Any], list[str]], caption: str) -> None:
    axes.axis("off")
    axes.legend(*handles, loc="upper center", ncols=_LEGEND_COLUMNS, frameon=False, fontsize=9, borderaxespad=0)
    lines = "\n".join(textwrap.wrap(caption, 150))
    axes.text(0.5, 0, lines, transform=axes.transAxes, ha="center", va="bottom", fontsize=8.5, color="#555555")


def _metadata(path: Path) -> dict[str, None]:
    return {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}  # the same data, the same bytes


def _draw_panel(axes: Any, panel: _Panel, ranking: Ranking) -> tuple[_Points, list[tuple[float, float]]]:
    """Draws one panel; returns every run's point in it by the run's place, and the corners of the front's line."""
    found: _Points = {}
    for index, run in enumerate(ranking.runs):
        cost = panel.cost(run)
        share, (low, high) = _share(run, panel.int8)
        style = _style(index)
        bars = ([[0.0], [0.0]], math.nan, math.nan) if cost is None else ([[share - low], [high - share]], cost, share)
        axes.errorbar(
            bars[1], bars[2], yerr=bars[0], label=_literal(run.label), color=style[0], marker=style[1], ms=8, lw=0,
            elinewidth=1.4, capsize=3, mec="white", mew=0.8, zorder=3,
        )  # fmt: skip
        if cost is not None:
            found[index] = (cost, share, low, high)
    points = list(found.values())
    costs = [point[0] for point in points]
    front: list[tuple[float, float]] = []
    for place in pareto(costs, [point[1] for point in points]):
        x, y = points[place][:2]
        front += [(x, front[-1][1]), (x, y)] if front else [(x, y)]
    axes.plot(*zip(*front, strict=True), color=_FAINT, lw=1.2, ls="--", zorder=1)
    if (span := max(costs) / max(min(costs), 1e-12)) > _LOG_SPAN:
        axes.set_xscale("log")
        axes.xaxis.get_major_locator().set_params(subs=(1.0, 2.0, 3.0, 5.0, 7.0) if span < 10 else (1.0, 2.0, 5.0))
        axes.xaxis.set_minor_formatter("")
        axes.tick_params(axis="x", which="minor", length=0)
    axes.xaxis.set_major_formatter(lambda value, _: panel.write(value))
    axes.margins(x=0.25, y=0.15)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
    axes.set_xlabel(panel.title, color=_INK)
    axes.set_ylabel("int8 test accuracy" if panel.int8 else "test accuracy", color=_INK)
    _plain(axes)
    return found, front


def _name_points(
    figure: Any, axes: Any, ranking: Ranking, points: _Points, front: Sequence[tuple[float, float]]
) -> None:
    renderer, to_pixels = figure.canvas.get_renderer(), axes.transData.transform
    texts, centres, sizes = [], [], []
    corners = [tuple(to_pixels(corner)) for corner in front]
    taken = [
        Box(min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1)
        for (x0, y0), (x1, y1) in itertools.pairwise(corners)
    ]
    for index, (x, y, low, high) in points.items():
        label = _literal(textwrap.shorten(ranking.runs[index].label, 34, placeholder="…"))
        texts.append(axes.annotate(label, (x, y), fontsize=9, color=_style(index)[0], zorder=4))
        extent = texts[-1].get_window_extent(renderer)
        sizes.append((extent.width, extent.height))
        (px, py), (_, bottom), (_, top) = to_pixels((x, y)), to_pixels((x, low)), to_pixels((x, high))
        centres.append((float(px), float(py)))
        taken.append(Box(px - _MARKER_PX, py - _MARKER_PX, px + _MARKER_PX, py + _MARKER_PX))
        taken.append(Box(px - 3, float(bottom), px + 3, float(top)))
    frame = axes.get_window_extent(renderer)
    boxes = place_labels(centres, sizes, taken, Box(frame.x0, frame.y0, frame.x1, frame.y1))
    for text, (px, py), box in zip(texts, centres, boxes, strict=True):
        inverse = axes.transData.inverted().transform
        text.set_position(inverse((box.left, box.bottom)))
        text.set_verticalalignment("bottom")
        if (end := leader((px, py), box)) is not None:
            (x0, y0), (x1, y1) = inverse((px, py)), inverse(end)
            axes.plot([x0, x1], [y0, y1], color=_FAINT, lw=0.7, zorder=2, scalex=False, scaley=False)


def _draw_curves(three: Sequence[Any], ranking: Ranking) -> None:
    loss, accuracy, gap = three
    for index, run in enumerate(ranking.runs):
        curves, (colour, marker) = run.facts.curves, _style(index)
        look = {"color": colour, "lw": 1.5, "ls": _LINES[index // len(_COLOURS) % len(_LINES)]}
        look |= {"marker": marker, "ms": 6, "markevery": [-1], "mec": "white", "mew": 0.6}
        loss.plot(curves.epoch, curves.val_loss, **look)
        accuracy.plot(curves.epoch, curves.val_accuracy, **look)
        gap.plot(curves.epoch, [a - v for a, v in zip(curves.accuracy, curves.val_accuracy, strict=True)], **look)
    gap.axhline(0, color=_FAINT, lw=0.8)
    titles = ("validation loss", "validation accuracy", "training minus validation accuracy, points")
    for axes, title in zip(three, titles, strict=True):
        axes.set_title(title, fontsize=10, color=_INK)
        axes.set_xlabel("epoch", color=_INK)
        axes.xaxis.get_major_locator().set_params(integer=True)
        _plain(axes)
    accuracy.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
    gap.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g}")


def _caption(comparison: Comparison) -> str:
    said = "Bars: 95 % interval. Dashed: what no other run beats."
    if (measured := comparison.latencies) is not None:
        cpu = comparison.device.cpu or comparison.device.machine
        said += (
            f" Latency: median of {measured.calls} calls in turns, one thread, {measured.backend}, {cpu}"
            + "".join(f"; not valid: {why}" for why in measured.objections)
            + "."
        )
    return said + " Training accuracy: on the pictures as the recipe changed them, so the curves' gap may be negative."


def _share(run: ComparedRun, int8: bool) -> tuple[float, tuple[float, float]]:
    if int8 and run.int8 is not None:
        return run.int8.correct / run.int8.pictures, wilson(run.int8.correct, run.int8.pictures)
    return run.facts.accuracy, run.facts.interval


def _style(index: int) -> tuple[str, str]:
    return _COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)]


def _plain(axes: Any) -> None:
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.tick_params(colors="#555555")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _literal(name: str) -> str:
    """A name as matplotlib shows it letter by letter: $ begins a formula, and a leading _ hides a label."""
    return (" " + name if name.startswith("_") else name).replace("$", r"\$")


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)
