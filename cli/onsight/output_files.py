"""The flags of `onsight run` for files of lines: JSON Lines, CSV and events, and how they rotate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from onsight.options import F, gathered
from onsight.units import Duration, Size
from onsight_edge.errors import UsageError

if TYPE_CHECKING:
    from onsight_edge.sinks import Sink

_FSYNC = {"never": None, "always": 0.0}


@dataclass(frozen=True, slots=True)
class FileOutputs:
    """Files of lines; a field is a flag.

    Attributes:
        jsonl, csv, events: a file, `-` for standard output, None for none.
        top: classes in a line of `jsonl`.
        rotate_size, rotate_every, rotate_keep, rotate_gzip: see LogPolicy.
        fsync: `never`, `always`, or seconds.
    """

    jsonl: str | None = None
    top: int = 5
    csv: str | None = None
    events: str | None = None
    rotate_size: int | None = None
    rotate_every: float | None = None
    rotate_keep: int | None = None
    rotate_gzip: bool = False
    fsync: float | None = None

    @property
    def targets(self) -> dict[str, str | None]:
        """Flag -> what it names."""
        return {"--jsonl": self.jsonl, "--csv": self.csv, "--events": self.events}

    def check(self) -> None:
        """Refuse flags that would do nothing.

        Raises:
            UsageError: nothing is written to a file that could rotate.
        """
        rotates = self.rotate_size is not None or self.rotate_every is not None
        if not rotates and (self.rotate_keep is not None or self.rotate_gzip):
            raise UsageError("--rotate-keep and --rotate-gzip do nothing without --rotate-size or --rotate-every")
        in_files = any(target is not None and target != "-" for target in self.targets.values())
        if not in_files and (rotates or self.fsync is not None):
            raise UsageError("--rotate-... and --fsync do nothing without a file of --jsonl, --csv or --events")

    def sinks(self) -> list[Sink]:
        """Those that were asked for."""
        made: list[Sink] = []
        if all(target is None for target in self.targets.values()):
            return made
        from onsight_edge.sinks.rotation import LogPolicy

        policy = LogPolicy(self.rotate_size, self.rotate_every, self.rotate_keep, self.rotate_gzip, self.fsync)
        if self.jsonl is not None:
            from onsight_edge.sinks.jsonl import JsonlSink

            made.append(JsonlSink(self.jsonl, self.top, policy))
        if self.csv is not None:
            from onsight_edge.sinks.csvfile import CsvSink

            made.append(CsvSink(self.csv, policy))
        if self.events is not None:
            from onsight_edge.sinks.events import EventsSink

            made.append(EventsSink(self.events, policy))
        return made


class _Fsync(click.ParamType):  # type: ignore[type-arg]
    name = "fsync"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        if isinstance(value, str) and value in _FSYNC:
            return _FSYNC[value]
        return Duration(zero=True).convert(value, param, ctx)


def file_options(command: F) -> F:
    """All flags of `FileOutputs`; the command gets one as its parameter `files`."""
    return gathered(
        command,
        "files",
        FileOutputs,
        click.option(
            "--events", metavar="FILE", help="Append a line of JSON where the decision changes; - is standard output."
        ),
        click.option(
            "--top", type=click.IntRange(1), default=5, show_default=True, help="Classes in a line of --jsonl."
        ),
        click.option("--jsonl", metavar="FILE", help="Write each result as a line of JSON; - is standard output."),
        click.option("--csv", metavar="FILE", help="Write each result as a row of CSV; - is standard output."),
        click.option("--rotate-size", type=Size(), metavar="SIZE", help="Put these files aside at this size, as 10MB."),
        click.option(
            "--rotate-every", type=Duration(), metavar="TIME", help="Put these files aside every 1h, 1d (at 0 h UTC)."
        ),
        click.option("--rotate-keep", type=click.IntRange(1), metavar="N", help="Keep so many files put aside; all."),
        click.option("--rotate-gzip", is_flag=True, help="Compress what is put aside."),
        click.option(
            "--fsync",
            type=_Fsync(),
            metavar="WHEN",
            help="Force these files to the disk: never (the system does, in 30 s), always, or each so many seconds.",
        ),
    )
