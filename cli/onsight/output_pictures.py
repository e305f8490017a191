"""The flags of `onsight run` for pictures: videos, a window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onsight.options import F, gathered

if TYPE_CHECKING:
    from onsight_edge.sinks import Sink


@dataclass(frozen=True, slots=True)
class PictureOutputs:
    """Pictures; a field is a flag.

    Attributes:
        mp4: a file.
        window: show a window.
    """

    mp4: Path | None = None
    window: bool = False

    @property
    def targets(self) -> dict[str, Path | None]:
        """Flag -> what it names."""
        return {"--mp4": self.mp4}

    def sinks(self) -> list[Sink]:
        """Those that were asked for."""
        made: list[Sink] = []
        if self.mp4 is not None:
            from onsight_edge.sinks.mp4 import Mp4Sink

            made.append(Mp4Sink(self.mp4))
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
        click.option("--mp4", type=click.Path(path_type=Path), metavar="FILE", help="Write an annotated video."),
        click.option("--window", is_flag=True, help="Show a window; q ends the run."),
    )
