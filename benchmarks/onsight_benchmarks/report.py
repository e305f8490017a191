"""The records of the single questions (overhead, start-up, frame age, agreement) and how their commands end."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onsight_benchmarks.conditions import Conditions, Watch
from onsight_benchmarks.provenance import Provenance, now_utc, provenance
from onsight_benchmarks.record import SCHEMA
from onsight_benchmarks.record_file import save_json
from onsight_edge.device import DeviceInfo, describe_device
from onsight_edge.errors import OnsightError


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must not exceed, or must reach.

    Attributes:
        what: the figure, in words.
        measured: it.
        limit: what it is held against.
        at_most: whether `limit` is the most or the least it may be.
    """

    what: str
    measured: float
    limit: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether the figure is on the right side of its limit."""
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit

    def __str__(self) -> str:
        sign = "at most" if self.at_most else "at least"
        return f"{self.what}: {self.measured:g} ({sign} {self.limit:g}: {'met' if self.met else 'MISSED'})"


@dataclass(frozen=True, slots=True)
class Report:
    """One question's record; docs/records.md describes the keys of `method` and `results` for each kind."""

    kind: str
    onsight: Provenance
    taken: str
    device: DeviceInfo
    method: dict[str, Any]
    conditions: Conditions
    results: dict[str, Any]
    targets: tuple[Target, ...]
    valid: bool
    invalid_because: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "schema": SCHEMA,
            **asdict(self),
            "targets": [{**asdict(target), "met": target.met} for target in self.targets],
        }


def finish(
    kind: str,
    watch: Watch,
    *,
    method: dict[str, Any],
    results: dict[str, Any],
    targets: tuple[Target, ...],
    objections: tuple[str, ...] = (),
    timed: bool = True,
    children: bool = False,
) -> Report:
    """Close a measurement: stop the watch and put the record together.

    Args:
        watch: running since the measuring began.
        objections: reasons of its own why the measurement should not count.
        timed: whether the machine's conditions matter to it.
        children: the work was done by processes that this one started.
    """
    conditions, seen = watch.stop(os.cpu_count() or 1, children=children)
    reasons = (*(seen if timed else ()), *objections)
    return Report(
        kind,
        provenance(),
        now_utc(),
        describe_device(),
        method,
        conditions,
        results,
        targets,
        not reasons,
        reasons,
    )


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with what every command has: --out and --json."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, help="write the record to this .json file")
    parser.add_argument("--json", action="store_true", help="print the record as JSON")
    return parser


def run_command(measure: Callable[[], tuple[Report, argparse.Namespace, list[str]]]) -> None:
    """Run a command: print its lines, its targets and what speaks against it; save the record.

    Exit status 1, with one line on stderr, for what onsight raises on purpose.
    """
    try:
        report, options, lines = measure()
        if options.out is not None:
            save_json(options.out, report.to_json())
    except OnsightError as error:
        program = Path(sys.argv[0])
        sys.exit(f"{program.parent.name if program.stem == '__main__' else program.stem}: {error}")
    if options.json:
        print(json.dumps(report.to_json(), indent=2, allow_nan=False))
        return
    for line in (*lines, *map(str, report.targets), *(f"not valid: {why}" for why in report.invalid_because)):
        print(line)
