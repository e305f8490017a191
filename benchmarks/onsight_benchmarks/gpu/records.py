"""GPU records of many networks in one call: python -m onsight_benchmarks.gpu.records prepare KIT, then take KIT

`prepare` gathers networks where the runs and their pictures are: a folder that can be carried to a machine with a GPU,
which may have neither. `take` measures all that is in the folder there, one record a network.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onsight_benchmarks.gpu.baseline import BATCHES, ITERATIONS, bench_gpu
from onsight_benchmarks.gpu.frameworks import AUTO, NoGpuError
from onsight_benchmarks.gpu.networks import UNTRAINED
from onsight_benchmarks.record import Record
from onsight_benchmarks.record_file import check_writable
from onsight_edge.errors import OnsightError, UsageError

MINUTES = 9.0
_LONGER = 1.2  # a network may take so many times what the slowest before it took


@dataclass(frozen=True, slots=True)
class How:
    """How `take` measures; see `bench_gpu`."""

    frameworks: tuple[str, ...] = (AUTO,)
    precisions: tuple[str, ...] = ("float32", "bfloat16")
    batches: tuple[int, ...] = BATCHES
    iterations: int = ITERATIONS
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """One network's record, or why there is none.

    Attributes:
        name: its folder's.
        path: the record; None where it failed.
        record: it.
        failure: one line; empty where it was written.
    """

    name: str
    path: Path | None
    record: Record | None
    failure: str = ""


def take_records(kit: Path, out: Path, how: How, minutes: float = MINUTES) -> Iterator[Taken]:
    """Measure what `prepare_kit` gathered and write each record as soon as it is there: trained networks first.

    Nothing is begun that might not end within `minutes`, judged by the slowest so far; what is left is told as failed.

    Raises:
        UsageError: no networks there. NoGpuError: no GPU. BenchmarkError: the records cannot be written.
    """
    folders = sorted((path.parent for path in kit.glob("*/model.keras")), key=_order)
    if not folders:
        raise UsageError(f"{kit} holds no networks: gather them with: python -m onsight_benchmarks.gpu.records prepare")
    check_writable(out / "record.json")
    began, longest = time.monotonic(), 0.0
    for folder in folders:
        left = max(0.0, minutes * 60 - (time.monotonic() - began))
        if left < longest * _LONGER:
            yield Taken(folder.name, None, None, f"left out: {left:.0f} s were left, the slowest took {longest:.0f} s")
            continue
        started = time.monotonic()
        try:
            record = bench_gpu(
                folder,
                frameworks=how.frameworks,
                precisions=how.precisions,
                batches=how.batches,
                iterations=how.iterations,
                dry_run=how.dry_run,
            )
        except NoGpuError:
            raise
        except OnsightError as error:
            yield Taken(folder.name, None, None, str(error))
            continue
        finally:
            longest = max(longest, time.monotonic() - started)
        path = out / f"{record_name(folder.name, record)}.json"
        record.save(path)
        yield Taken(folder.name, path, record)


def _order(folder: Path) -> tuple[bool, int, str]:
    """Trained networks before others, small ones before large ones."""
    return folder.name.endswith(UNTRAINED), (folder / "model.keras").stat().st_size, folder.name


def record_name(name: str, record: Record) -> str:
    """Such as `resnet8-jax`; a dry run's says so."""
    frameworks = dict.fromkeys(one.backend.name.removeprefix("keras-") for one in record.measurements)
    return "-".join([name, *frameworks, *(["dry-run"] if record.gpu is None else [])])


def main() -> None:
    """Prepare a kit, or take the records of one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    prepare = verbs.add_parser("prepare", help="gather networks and pictures in a folder")
    prepare.add_argument("kit", type=Path, metavar="KIT", help="the folder to make")
    prepare.add_argument("--run", type=Path, action="append", default=[], help="a trained run; may be repeated")
    prepare.add_argument(
        "--arch",
        action="append",
        help="an architecture, untrained where no --run has it; default: all that ship",
    )
    prepare.add_argument("--seed", type=int, default=0, help="of untrained weights and of which pictures are taken")
    take = verbs.add_parser("take", help="measure all that is in the folder")
    take.add_argument("kit", type=Path, metavar="KIT", help="what prepare made")
    take.add_argument("--out", type=Path, required=True, help="the records' folder")
    take.add_argument("--gpu-framework", default=AUTO, help="auto, all, or of jax,torch,tensorflow")
    take.add_argument("--precision", default="float32,bfloat16", help="of float32,tf32,bfloat16")
    take.add_argument("--batch", default=",".join(map(str, BATCHES)), help="pictures a call")
    take.add_argument("--iterations", type=int, default=ITERATIONS, help="measured calls of each")
    take.add_argument("--minutes", type=float, default=MINUTES, help="begin nothing that might not end within them")
    take.add_argument("--dry-run", action="store_true", help="on the CPU; the records never count")
    options = parser.parse_args()
    try:
        if options.verb == "prepare":
            from onsight_benchmarks.gpu.kit import prepare_kit  # needs OpenCV, which a GPU's machine may not have

            for line in prepare_kit(options.kit, options.run, options.arch, options.seed):
                print(line, flush=True)
            return
        failed = _take(options)
    except OnsightError as error:
        sys.exit(f"gpu.records: {error}")
    sys.exit(1 if failed else 0)


def _take(options: argparse.Namespace) -> bool:
    how = How(
        frameworks=tuple(options.gpu_framework.split(",")),
        precisions=tuple(options.precision.split(",")),
        batches=_numbers(options.batch),
        iterations=options.iterations,
        dry_run=options.dry_run,
    )
    if how.iterations < 1 or not options.minutes > 0:
        raise UsageError("--iterations must be at least 1 and --minutes above 0")
    failed = False
    for one in take_records(options.kit, options.out, how, options.minutes):
        if one.record is None:
            failed = True
            print(f"{one.name}: {one.failure}", flush=True)
            continue
        state = "valid" if one.record.valid else f"not valid: {one.record.invalid_because[0]}"
        print(f"{one.name}: {one.path} ({len(one.record.measurements)} measurements, {state})", flush=True)
        failed = failed or bool(one.record.skipped)
        for left_out in one.record.skipped:
            print(f"{one.name}: skipped {left_out.variant} in {left_out.backend}: {left_out.reason}", flush=True)
    return failed


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--batch needs numbers such as 1,8, not {text!r}") from error


if __name__ == "__main__":
    main()
