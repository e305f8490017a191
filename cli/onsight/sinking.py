"""The outputs of `onsight run`: their flags, gathered into one value, and the sinks that these ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from onsight.options import gathered
from onsight.outputs import check_outputs
from onsight_edge.errors import UsageError

if TYPE_CHECKING:
    from onsight_edge.sinks import Sink

_F = TypeVar("_F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results are to go, as the flags say; a field is a flag.

    Attributes:
        events, jsonl: a file, `-` for standard output, None for none.
        top: classes in a line of `jsonl`.
        mp4: a file.
        window: show a window.
        quiet: no status line and no summary.
    """

    events: str | None = None
    top: int = 5
    jsonl: str | None = None
    mp4: Path | None = None
    window: bool = False
    quiet: bool = False

    def check(self, inputs: Sequence[str | Path], *, as_json: bool) -> None:
        """Refuse outputs that would destroy each other or what is read.

        Args:
            inputs: the source and the model as they were typed.
            as_json: a summary goes to standard output as well.

        Raises:
            UsageError: two outputs are one, or an output is an input.
        """
        on_stdout = {"--json": as_json, "--jsonl -": self.jsonl == "-", "--events -": self.events == "-"}
        asked = [flag for flag, wanted in on_stdout.items() if wanted]
        if len(asked) > 1:
            raise UsageError(f"{' and '.join(asked)} both write to standard output: give all but one a file")
        check_outputs(self.targets, inputs)

    @property
    def targets(self) -> dict[str, str | Path]:
        """Every file that would be written, by its flag; `-` among them for standard output.

        What must not overwrite an input, and what a service must be allowed to write to.
        """
        asked = {"--jsonl": self.jsonl, "--mp4": self.mp4, "--events": self.events}
        return {flag: target for flag, target in asked.items() if target is not None}


def sink_options(command: _F) -> _F:
    """All flags of `Outputs`; the command gets one as its parameter `outputs`."""
    return gathered(
        command,
        "outputs",
        Outputs,
        click.option(
            "--events", metavar="FILE", help="Append a line of JSON where the decision changes; - is standard output."
        ),
        click.option(
            "--top", type=click.IntRange(1), default=5, show_default=True, help="Classes in a line of --jsonl."
        ),
        click.option("--jsonl", metavar="FILE", help="Write each result as a line of JSON; - is standard output."),
        click.option("--mp4", type=click.Path(path_type=Path), metavar="FILE", help="Write an annotated video."),
        click.option("--window", is_flag=True, help="Show a window; q ends the run."),
        click.option("--quiet", is_flag=True, help="No status line and no summary."),
    )


def make_sinks(outputs: Outputs) -> list[Sink]:
    """The sinks that were asked for, not yet open; each imports what it needs here, and no other's."""
    sinks: list[Sink] = []
    if outputs.jsonl is not None:
        from onsight_edge.sinks.jsonl import JsonlSink

        sinks.append(JsonlSink(outputs.jsonl, outputs.top))
    if outputs.events is not None:
        from onsight_edge.sinks.events import EventsSink

        sinks.append(EventsSink(outputs.events))
    if outputs.mp4 is not None:
        from onsight_edge.sinks.mp4 import Mp4Sink

        sinks.append(Mp4Sink(outputs.mp4))
    if outputs.window:
        from onsight_edge.sinks.window import WindowSink

        sinks.append(WindowSink())
    if not outputs.quiet:  # last, so that no status line begins when another sink cannot be opened
        from onsight_edge.sinks.status import StatusSink

        sinks.append(StatusSink())
    return sinks
