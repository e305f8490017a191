"""The flags of `onsight run` for pictures: videos, snapshots, a window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onsight.options import F, FiniteRange, gathered
from onsight.units import Duration, Size
from onsight_edge.errors import UsageError

if TYPE_CHECKING:
    from onsight_edge.sinks import Sink

_TIME = "{time}"


@dataclass(frozen=True, slots=True)
class PictureOutputs:
    """Pictures; a field is a flag, without it None.

    Attributes:
        mp4: a file, or several where `{time}` stands in its name.
        segment: seconds of each.
        mp4_budget: bytes of all of them.
        snapshots: a folder for pictures that the model was not sure of.
        snapshot_below, snapshot_margin, snapshot_every, snapshot_budget: see SnapshotsSink.
        window: show a window.
    """

    mp4: Path | None = None
    segment: float | None = None
    mp4_budget: int | None = None
    snapshots: Path | None = None
    snapshot_below: float | None = None
    snapshot_margin: float | None = None
    snapshot_every: float | None = None
    snapshot_budget: int | None = None
    window: bool = False

    @property
    def targets(self) -> dict[str, Path | None]:
        """Flag -> what it names."""
        return {"--mp4": self.mp4, "--snapshots": self.snapshots}

    def check(self) -> None:
        """Refuse flags that would do nothing, and names that cannot be told apart.

        Raises:
            UsageError: there are such.
        """
        own = (self.snapshot_below, self.snapshot_margin, self.snapshot_every, self.snapshot_budget)
        if self.snapshots is None and own != (None,) * 4:
            raise UsageError("--snapshot-... does nothing without --snapshots FOLDER")
        if self.mp4 is None:
            if (self.segment, self.mp4_budget) != (None, None):
                raise UsageError("--segment and --mp4-budget do nothing without --mp4")
            return
        times = self.mp4.name.count(_TIME)
        if times > 1 or _TIME in str(self.mp4.parent):
            raise UsageError(f"--mp4 {self.mp4}: {_TIME} stands once in the file's name, and not in its folder's")
        if not times and (self.segment, self.mp4_budget) != (None, None):
            raise UsageError(
                f"--mp4 {self.mp4}: several videos need names of their own: put {_TIME} into it, as in "
                f"{self.mp4.with_name(f'{self.mp4.stem}-{_TIME}.mp4')}"
            )
        if self.mp4.suffix.lower() != ".mp4":
            raise UsageError(f"--mp4 {self.mp4}: the name of an MP4 must end in .mp4")

    def sinks(self) -> list[Sink]:
        """Those that were asked for."""
        made: list[Sink] = []
        if self.mp4 is not None and _TIME in self.mp4.name:
            from onsight_edge.sinks.segments import SegmentsSink

            made.append(SegmentsSink(self.mp4, self.segment, self.mp4_budget))
        elif self.mp4 is not None:
            from onsight_edge.sinks.mp4 import Mp4Sink

            made.append(Mp4Sink(self.mp4))
        if self.snapshots is not None:
            from onsight_edge.sinks.snapshots import BELOW, BUDGET_BYTES, EVERY_S, SnapshotsSink

            made.append(
                SnapshotsSink(
                    self.snapshots,
                    below=BELOW if self.snapshot_below is None else self.snapshot_below,
                    margin=self.snapshot_margin or 0.0,
                    every_s=EVERY_S if self.snapshot_every is None else self.snapshot_every,
                    budget_bytes=self.snapshot_budget or BUDGET_BYTES,
                )
            )
        if self.window:
            from onsight_edge.sinks.window import WindowSink

            made.append(WindowSink())
        return made


def picture_options(command: F) -> F:
    """All flags of `PictureOutputs`; the command gets one as its parameter `pictures`."""
    return gathered(
        command,
        "pictures",
        PictureOutputs,
        click.option(
            "--mp4",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=f"Write an annotated video; with {_TIME} in its name several.",
        ),
        click.option("--segment", type=Duration(), metavar="TIME", help="Begin another video every 60, 10min, 1h."),
        click.option(
            "--mp4-budget", type=Size(), metavar="SIZE", help="Room for these videos, as 2GB; the oldest are removed."
        ),
        click.option(
            "--snapshots",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="FOLDER",
            help="Save frames the model was not sure of, by class, for labelling.",
        ),
        click.option(
            "--snapshot-below", type=FiniteRange(0, 1), metavar="SCORE", help="Unsure is less than this; 0.6."
        ),
        click.option(
            "--snapshot-margin",
            type=FiniteRange(0, 1),
            metavar="SCORE",
            help="So is a lead over the next class below this.",
        ),
        click.option("--snapshot-every", type=Duration(), metavar="TIME", help="Pause between two; 10 s."),
        click.option(
            "--snapshot-budget", type=Size(), metavar="SIZE", help="Room for them; the oldest are removed; 500MB."
        ),
        click.option("--window", is_flag=True, help="Show a window; q ends the run."),
    )
