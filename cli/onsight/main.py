"""The `onsight` command: finds a verb's module by name and imports it only when that verb runs."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

import click

from onsight_edge import __version__
from onsight_edge.errors import OnsightError, UsageError

# verb -> its line in `onsight --help`; here so that help imports no verb
VERBS = {
    "demo": "The whole path on CIFAR-10: train, export, benchmark, live.",
    "data": "Describe a data set: counts, sizes, what was left out, a contact sheet.",
    "archs": "List the networks with parameters and MACs, or the layers of one.",
    "train": "Train a network on pictures; writes a run folder.",
    "runs": "Compare runs: accuracy against size, MACs and latency; a table and a plot.",
    "val": "Accuracy of a run, a bundle or one model file on a data set.",
    "export": "Quantize a run to TFLite and ONNX; writes a checked bundle.",
    "parity": "A network and every file made of it, step beside step; names what broke.",
    "info": "What is in a model file of any maker: inputs, classes, operators, quantization, cost.",
    "predict": "Classify picture files.",
    "run": "Classify a camera, a video or a stream, live.",
    "bench": "Measure latency by variant, backend and threads; writes a record.",
}


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


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit status 0 done, 1 failed, 2 called wrongly, 130 interrupted.

    Errors that onsight raises on purpose are one line on stderr; `--debug` shows the traceback.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    _ensure_streams()
    try:
        status = cli.main(args=arguments, prog_name="onsight", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print("onsight: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `onsight ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OnsightError as error:
        if debug:
            raise
        print(f"onsight: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:  # a full disk behind stdout, a folder that may not be looked into
        if debug:
            raise
        about = f"{error.filename}: " if error.filename else ""
        print(f"onsight: {about}{error.strerror or error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what could not be written now cannot be written at exit
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _ensure_streams() -> None:
    """Give a process that was started without standard streams, as services may be, ones that lead nowhere."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def print_json(value: Any) -> None:
    """Print what `--json` asked for: one JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
