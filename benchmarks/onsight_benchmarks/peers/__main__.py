"""onsight beside its other backends and beside what a user would pick instead, with the same files and weights.

All take turns on one 640x480 frame, each in a process of its own; all answer the same pictures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from onsight_benchmarks.environments import make, ready_python
from onsight_benchmarks.peers.measure import PICTURES, ROUNDS, STARTS, measure
from onsight_benchmarks.peers.subjects import ENVIRONMENTS, SUBJECTS, Subject
from onsight_benchmarks.report import Report, arguments, run_command
from onsight_benchmarks.tables.peers import case_lines
from onsight_edge.errors import BenchmarkError, UsageError


def prepare() -> int:
    """Make every environment that is not there yet; how many could not be made."""
    failed = 0
    for environment in ENVIRONMENTS:
        if ready_python(environment) is None:
            print(f"making the environment {environment.name}: {' '.join((*environment.packages, *environment.alone))}")
        try:
            print(f"{environment.name}: {make(environment)}")
        except BenchmarkError as error:
            print(f"{environment.name}: {error}", file=sys.stderr)
            failed += 1
    return failed


def chosen(only: str | None) -> tuple[Subject, ...]:
    """The subjects of a comma-separated list of names, onsight always first.

    Raises:
        UsageError: there is none of that name.
    """
    if only is None:
        return SUBJECTS
    names = {name.strip() for name in only.split(",")}
    if unknown := sorted(names - {one.name for one in SUBJECTS}):
        raise UsageError(f"no subject {unknown[0]!r}; there are {', '.join(one.name for one in SUBJECTS)}")
    return tuple(one for one in SUBJECTS if one.name in names or one is SUBJECTS[0])


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("models", nargs="*", default=["default"], help="bundles; default: the shipped one")
    parser.add_argument("--prepare", action="store_true", help="make the peers' environments, and measure nothing")
    parser.add_argument("--run", action="append", type=Path, default=[], help="the run a bundle was exported from")
    parser.add_argument("--data", help="a data set whose test pictures all answer, such as cifar10; default: synthetic")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="how many of them (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="blocks of each subject (%(default)s)")
    parser.add_argument("--starts", type=int, default=STARTS, help="fresh processes of each (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="for one inference, of each runtime (%(default)s)")
    parser.add_argument("--only", help="names of subjects beside onsight, such as 'OpenVINO,ncnn'")
    parser.add_argument("--image", type=Path, help="a picture in place of the synthetic frame")
    parser.add_argument("--seed", type=int, default=0, help="of the order and the synthetic frames")
    options = parser.parse_args()
    if options.prepare:
        sys.exit(1 if prepare() else 0)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True), transient=True
    )
    with bar:
        task = bar.add_task("starting", total=1.0)
        report = measure(
            options.models,
            runs=options.run,
            data=options.data,
            pictures=options.pictures,
            rounds=options.rounds,
            starts=options.starts,
            threads=options.threads,
            subjects=chosen(options.only),
            image=options.image,
            seed=options.seed,
            progress=lambda what, share: bar.update(task, description=what, completed=share),
        )
    lines = [line for case in report.to_json()["results"]["cases"] for line in ("", *case_lines(case), "")]
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
