"""`onsight config`: the file that `onsight run --config` takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from onsight.configuration import configuration_text, parameters, read_configuration
from onsight.main import print_json
from onsight.options import json_option
from onsight_edge.errors import UsageError


@click.command("config")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--check", is_flag=True, help="Say whether FILE can be used; exit status 2 where it cannot.")
@click.option("--print", "show", is_flag=True, help="Print every setting with its meaning: those of FILE set.")
@json_option
def command(file: Path | None, check: bool, show: bool, as_json: bool) -> None:
    """Check FILE, or print it with every setting there is; without FILE, one to begin with."""
    from onsight.commands.run import command as run

    if check and (file is None or show):
        raise UsageError("--check takes a FILE, and not --print: onsight config FILE --check")
    given = {} if file is None else read_configuration(file, run).given
    if as_json:
        print_json({"file": None if file is None else str(file), "settings": given, "known": list(parameters(run))})
    elif check:
        _check(run, file, given)
        print(f"{file}: {len(given)} setting{'' if len(given) == 1 else 's'}, all of them known and of the right kind")
    else:
        print(configuration_text(run, given), end="")


def _check(run: click.Command, file: Path | None, given: Mapping[str, Any]) -> None:
    """What `onsight run` looks at before it starts: whether the settings go together."""
    from onsight.commands.run import check_call
    from onsight.sinking import make_sinks, outputs_of

    source = () if "source" in given else ("--source", "0")
    call = run.make_context("onsight run", ["--config", str(file), *source])
    check_call(call)
    make_sinks(outputs_of(call.params))  # which opens none of them
