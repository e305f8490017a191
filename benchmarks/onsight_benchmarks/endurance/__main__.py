"""Does the live loop with all outputs at once grow, get slower, fail or lose anything within minutes?

Starts the real `onsight run` and looks at it from outside; docs of the method: benchmarks/README.md, *endurance*.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.endurance.judge import judge
from onsight_benchmarks.endurance.outputs import FPS, SOURCE, Places, shown
from onsight_benchmarks.endurance.run import watch_run
from onsight_benchmarks.report import Report, arguments, finish, run_command
from onsight_edge.errors import BenchmarkError, UsageError

MINUTES = 10.0
_CYCLE_S = 60.0
_LEAST_CYCLES, _LEAST_S = 3, 9.0


def measure(
    model: str = "default",
    *,
    minutes: float = MINUTES,
    outputs: Path | None = None,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> Report:
    """Run it so long, and judge it.

    Args:
        model: any that `onsight run` takes.
        minutes: of cycles of one minute each; less than 3 minutes: three shorter ones.
        outputs: an empty folder for all that is written, which stays; None: a temporary one.
        progress: told what happens and the share that is done.

    Raises:
        UsageError: too short, or the folder is not empty. BenchmarkError: the run did not start, or did not last.
    """
    if not minutes * 60 >= _LEAST_S:
        raise UsageError(f"--minutes must be at least {_LEAST_S / 60:g}, not {minutes:g}")
    cycles = max(_LEAST_CYCLES, round(minutes * 60 / _CYCLE_S))
    cycle_s = minutes * 60 / cycles
    with tempfile.TemporaryDirectory(prefix="onsight-endurance-") as temporary:
        root = Path(temporary) if outputs is None else _empty(outputs)
        watch = Watch()
        seen, flags, without = watch_run(root, model, cycles=cycles, cycle_s=cycle_s, progress=progress)
        places = Places(root, 0, 0)
        results, targets = judge(seen, cycles=cycles, cycle_s=cycle_s, fps=FPS, budgets=places.budgets())
        objections = []
        if minutes < MINUTES:
            objections.append(f"it lasted {minutes:g} minutes; {MINUTES:g} are needed")
        if without is not None:
            objections.append(f"without MQTT: {without}")
        return finish(
            "endurance",
            watch,
            method={
                "model": model,
                "source": SOURCE,
                "minutes": minutes,
                "cycles": cycles,
                "cycle_s": round(cycle_s, 3),
                "flags": shown(flags, places),
                "left_out": {} if without is None else {"mqtt": without},
            },
            results=results,
            targets=targets,
            objections=tuple(objections),
            children=True,
        )


def _empty(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"--outputs {folder} is not empty: name a folder of its own")
    except OSError as error:
        raise BenchmarkError(f"cannot write {folder}: {error.strerror}") from error
    return folder.resolve()


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="default", help="a model file or a bundle; default: the shipped")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long it runs (%(default)g)")
    parser.add_argument("--outputs", type=Path, help="an empty folder for all that is written; it is kept")
    options = parser.parse_args()
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True), transient=True
    )
    with bar:
        task = bar.add_task("starting", total=1.0)
        report = measure(
            options.model,
            minutes=options.minutes,
            outputs=options.outputs,
            progress=lambda what, share: bar.update(task, description=what, completed=share),
        )
    lines = [
        f"{name}: {one.per_hour:+.1f} MiB an hour ({one.low:+.1f} to {one.high:+.1f}) at {one.level:.0f} MiB"
        for name, one in report.results["memory"].items()
    ]
    lines += [f"failed: {what}: {count} times" for what, count in report.results["failed"].items()]
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
