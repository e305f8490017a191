"""The outputs of `onsight run`: their flags, gathered into one value, and the sinks that these ask for.

A kind of output has its flags and its building in a module of its own: `output_files`, `output_pictures`,
`output_network`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from onsight.options import F
from onsight.output_files import FileOutputs, file_options
from onsight.output_network import NetworkOutputs, network_options
from onsight.output_pictures import PictureOutputs, picture_options
from onsight_edge.errors import UsageError

if TYPE_CHECKING:
    from onsight_edge.sinks import Sink


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results are to go, as the flags say.

    Attributes:
        files, pictures, network: kinds of outputs.
        quiet: no status line and no summary.
    """

    files: FileOutputs = field(default_factory=FileOutputs)
    pictures: PictureOutputs = field(default_factory=PictureOutputs)
    network: NetworkOutputs = field(default_factory=NetworkOutputs)
    quiet: bool = False

    def check(self, *, as_json: bool) -> None:
        """Refuse flags that would do nothing, two outputs on standard output, and those whose packages are missing.

        Args:
            as_json: a summary goes to standard output as well.

        Raises:
            UsageError: there are such. MissingExtraError: an extra is not installed.
        """
        on_stdout = {"--json": as_json} | {f"{flag} -": to == "-" for flag, to in self.files.targets.items()}
        asked = [flag for flag, wanted in on_stdout.items() if wanted]
        if len(asked) > 1:
            raise UsageError(f"{' and '.join(asked)} both write to standard output: give all but one a file")
        self.files.check()
        self.pictures.check()
        self.network.check()

    @property
    def targets(self) -> dict[str, str | Path]:
        """Every file that would be written, by its flag; `-` among them for standard output.

        What must not overwrite an input, and what a service must be allowed to write to.
        """
        asked: dict[str, str | Path | None] = {**self.files.targets, **self.pictures.targets, **self.network.targets}
        return {flag: target for flag, target in asked.items() if target is not None}


def sink_options(command: F) -> F:
    """All flags of `Outputs`; the command gets one as its parameter `outputs`."""

    @wraps(command)
    def together(
        *args: Any, files: FileOutputs, pictures: PictureOutputs, network: NetworkOutputs, quiet: bool, **values: Any
    ) -> object:
        return command(*args, outputs=Outputs(files, pictures, network, quiet), **values)

    quiet_option = click.option("--quiet", is_flag=True, help="No status line and no summary.")
    return cast(F, file_options(picture_options(network_options(quiet_option(together)))))


def outputs_of(parameters: Mapping[str, Any]) -> Outputs:
    """What the parameters of a call of `onsight run` say, click's `Context.params`."""

    def of(kind: type[Any]) -> dict[str, Any]:
        return {one.name: parameters[one.name] for one in fields(kind)}

    return Outputs(
        FileOutputs(**of(FileOutputs)),
        PictureOutputs(**of(PictureOutputs)),
        NetworkOutputs(**of(NetworkOutputs)),
        parameters["quiet"],
    )


def make_sinks(outputs: Outputs) -> list[Sink]:
    """The sinks that were asked for, not yet open; each imports what it needs here, and no other's.

    Raises:
        UsageError: an address is none.
    """
    sinks = [*outputs.files.sinks(), *outputs.pictures.sinks(), *outputs.network.sinks()]
    if not outputs.quiet:  # last, so that no status line begins when another sink cannot be opened
        from onsight_edge.sinks.status import StatusSink

        sinks.append(StatusSink())
    return sinks
