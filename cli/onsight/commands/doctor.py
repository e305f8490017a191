"""`onsight doctor`: what is wrong with this machine, and which command mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from onsight.main import print_json
from onsight.options import json_option

if TYPE_CHECKING:
    from onsight_edge.doctor import Finding

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@click.command("doctor")
@json_option
def command(as_json: bool) -> int:
    """Look for what is wrong with this machine; exit status 1 when a problem was found.

    Every runtime that is installed is constructed and executes a model, and the shipped model answers its golden
    samples. Nothing is changed; each finding names the command that mends it.
    """
    from onsight_edge.doctor import examine

    findings = examine()
    problems = sum(one.level == "problem" for one in findings)
    warnings = sum(one.level == "warning" for one in findings)
    if as_json:
        from onsight_edge.device import describe_device

        print_json(
            {
                "device": describe_device().to_json(),
                "problems": problems,
                "warnings": warnings,
                "findings": [one.to_json() for one in findings],
            }
        )
    else:
        _show(findings)
        print(f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}")
    return 1 if problems else 0


def _show(findings: tuple[Finding, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    for one in findings:
        what = Text(one.what)
        if one.command is not None:
            what.append(f"\n  {one.command}", style="bold" if one.level != "ok" else "dim")
        table.add_row(Text(one.level, style=_STYLES[one.level]), Text(one.area), what)
    Console().print(table)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
