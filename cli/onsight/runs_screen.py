"""How `onsight runs` shows a comparison on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from onsight_benchmarks.runs_comparison import ComparedRun, Ranking

WIDE = 132  # columns that one table of everything needs


def comparison_tables(ranking: Ranking, width: int) -> list[Table]:
    """One table of everything where `width` columns hold it, else one of costs and one of trainings."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    costs: dict[str, list[str]] = {
        "test": [f"{run.facts.accuracy:.2%}" for run in ranking.runs],
        "95 %": [f"{100 * run.facts.interval[0]:.1f}..{100 * run.facts.interval[1]:.1f}" for run in ranking.runs],
        "int8": ["-" if run.int8_accuracy is None else f"{run.int8_accuracy:.2%}" for run in ranking.runs],
        "param.": [_short(run.facts.parameters) for run in ranking.runs],
        "MACs": [_short(run.macs) for run in ranking.runs],
        "KB": ["-" if run.bytes is None else f"{run.bytes / 1000:.0f}" for run in ranking.runs],
        "ms": ["-" if run.inference_ms is None else f"{run.inference_ms:.3f}" for run in ranking.runs],
        "best": [_front(run, ranking) for run in ranking.runs],
    }
    training: dict[str, list[str]] = {
        "recipe": [run.facts.recipe for run in ranking.runs],
        "epochs": [_epochs(run) for run in ranking.runs],
        "time": [duration(run.facts.seconds) for run in ranking.runs],
        "train": [f"{run.facts.train_accuracy:.1%}" for run in ranking.runs],
        "gap": [f"{100 * run.facts.gap:+.1f}" for run in ranking.runs],
        "finding": [run.facts.finding for run in ranking.runs],
    }
    parts = [{**costs, **training}] if width >= WIDE else [costs, training]
    tables = []
    for number, columns in enumerate(parts):
        title = f"{ranking.dataset}, {ranking.pictures:,} test pictures" if number == 0 else None
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 0))
        table.add_column("run", overflow="fold")
        for heading in columns:
            left = heading in ("recipe", "finding", "best")
            table.add_column(heading, justify="left" if left else "right", no_wrap=True)
        for row, run in enumerate(ranking.runs):
            table.add_row(Text(run.label), *(Text(values[row]) for values in columns.values()))
        tables.append(table)
    tables[-1].caption = (
        "int8: its accuracy, file and inference. best: nothing is as right at less size (s), latency (t). "
        "gap: points, training above validation"
    )
    tables[-1].caption_justify = "left"
    return tables


def duration(seconds: float) -> str:
    """Seconds for people: `45 s`, `48 min`, `3.2 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def _short(count: int | None) -> str:
    from onsight_benchmarks.runs_plot import short

    return "-" if count is None else short(count)


def _front(run: ComparedRun, ranking: Ranking) -> str:
    return "".join(
        letter for letter, front in (("s", ranking.front_bytes), ("t", ranking.front_latency)) if run.label in front
    )


def _epochs(run: ComparedRun) -> str:
    done, planned = run.facts.done, run.facts.planned
    return str(done) if done == planned else f"{done}/{planned}"
