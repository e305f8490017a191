"""Every variant of every network, beside Keras, on all test pictures: python -m onsight_benchmarks.variants RUN...

Each run is exported with the defaults to all variants, held against Keras as `onsight parity` does, and timed, all of a
run's files in turns in one process. One record a run, ARCH-RECIPE.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from onsight_benchmarks.accuracy_record import record_name
from onsight_benchmarks.parity.record import VariantsRecord
from onsight_benchmarks.parity.recording import build_record
from onsight_benchmarks.parity.timing import measure_times
from onsight_benchmarks.record_file import check_writable
from onsight_benchmarks.rounds import ITERATIONS
from onsight_benchmarks.runs import read_run
from onsight_benchmarks.runs_int8 import known_macs
from onsight_benchmarks.tables.variants import variants_markdown
from onsight_edge.errors import OnsightError, UsageError

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def check_targets(folders: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Run -> record file, checked before anything is measured.

    Raises:
        UsageError: two runs would have one record. ModelError: not a run. BenchmarkError: it cannot be written.
    """
    targets: dict[Path, Path] = {}
    for folder in folders:
        run = read_run(folder)
        target = out / record_name(run.arch, run.recipe)
        if taken := [str(other) for other, path in targets.items() if path == target]:
            raise UsageError(f"{taken[0]} and {folder} would both be recorded in {target}: name one of them")
        check_writable(target)
        targets[folder] = target
    return targets


def measure_run(
    folder: Path,
    *,
    bundle: Path | None = None,
    limit: int | None = None,
    iterations: int = ITERATIONS,
    progress: Progress = lambda what, done, total: None,
) -> VariantsRecord:
    """Export, compare and time one run.

    Args:
        folder: the run's.
        bundle: where its bundle is kept: used where it exists, else exported there. None keeps none.
        limit: so many test pictures only; the record is not valid then.
        iterations: measured inferences of each file.
        progress: told what is going on.

    Raises:
        ModelError, DataError: the run cannot be exported, or its data set is gone or has changed.
        MissingExtraError: the packages that exporting needs are not installed.
    """
    from dataclasses import replace

    from onsight_edge.bundle import Bundle
    from onsight_export.export import export_run
    from onsight_export.options import ExportOptions
    from onsight_export.parity.parity import measure
    from onsight_export.parity.reference import open_subject

    run = read_run(folder)
    run = replace(run, macs=known_macs(run, count=True))

    def tell(what: str, done: int, total: int) -> None:
        progress(f"{run.name}: {what}", done, total)

    with tempfile.TemporaryDirectory(prefix="onsight-") as temporary:
        path = bundle or Path(temporary) / f"{run.name}.bundle"
        if not path.exists():
            export_run(folder, path, ExportOptions(limit=limit or 0), tell)
        with (
            open_subject(folder, bundle=path, options=ExportOptions(), progress=tell) as subject,
            measure(subject, limit=limit, progress=tell) as (parity, opened),
        ):
            times = measure_times(
                [file.classifier for file in opened],
                iterations=iterations,
                seed=parity.limits.seed,
                progress=lambda share: tell("measure times", round(100 * share), 100),
            )
            return build_record(parity, times, run, Bundle.open(path), len(subject.dataset.classes))


def main() -> None:
    """Measure the runs named on the command line, print their tables, write their records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a folder that onsight train wrote")
    parser.add_argument("--out", type=Path, required=True, help="the records' folder")
    parser.add_argument("--bundles", type=Path, help="keep the bundles in this folder, and use those that are there")
    parser.add_argument("--limit", type=int, help="so many test pictures only: to try it out")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="measured inferences of each file")
    parser.add_argument("--json", action="store_true", help="print the records as JSON")
    options = parser.parse_args()
    try:
        if options.iterations < 1 or (options.limit is not None and options.limit < 1):
            raise UsageError("--limit and --iterations must be at least 1")
        records = []
        for folder, target in check_targets(options.runs, options.out).items():
            name = f"{folder.resolve().name}.bundle"
            record = measure_run(
                folder,
                bundle=None if options.bundles is None else options.bundles / name,
                limit=options.limit,
                iterations=options.iterations,
                progress=_progress(),
            )
            record.save(target)
            records.append(record)
            print(f"wrote {target}", file=sys.stderr)
    except OnsightError as error:
        sys.exit(f"variants: {error}")
    if options.json:
        print(json.dumps([record.to_json() for record in records], indent=2, allow_nan=False))
    else:
        print(variants_markdown(records))


def _progress() -> Progress:
    """A line on stderr whenever another thing is being done."""
    seen: set[str] = set()

    def tell(what: str, done: int, total: int) -> None:
        if what not in seen:
            seen.add(what)
            print(what, file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    main()
