"""The `onsight` command for click: finds a verb's module by name and imports it only when that verb runs."""

from __future__ import annotations

import importlib
from typing import Any

import click

from onsight.main import VERBS
from onsight_edge import __version__


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"onsight.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="onsight")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Train, quantize, run live and measure image classifiers on the device they are for.

    MODEL is a bundle, a run, a model file, or `default`: the small CIFAR-10 model that ships inside the package.
    """


def run(arguments: list[str]) -> Any:
    """Parse the arguments and run the verb.

    Returns:
        What the verb returned, or the exit status of a call that click refused and explained.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    try:
        return cli.main(args=arguments, prog_name="onsight", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
