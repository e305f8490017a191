"""`onsight archs`: the networks, what they cost, and the layers of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from onsight.commands.train import parse_size
from onsight.main import print_json
from onsight.options import json_option

if TYPE_CHECKING:
    from onsight_train.archs import Architecture
    from onsight_train.macs import LayerCost

_UNKNOWN = "MACs: ? where a layer's work is not known to onsight; such a network has no sum"
_OPAQUE = "its layers cannot be followed: it has several inputs, or a call of its own"


@dataclass(frozen=True, slots=True)
class _Built:
    """A network as built; `parameters` is None where the pictures are too small for it."""

    arch: Architecture
    parameters: int | None
    macs: int | None
    layers: tuple[LayerCost, ...] | None

    def to_json(self, layers: bool) -> dict[str, Any]:
        arch = self.arch
        document: dict[str, Any] = {
            "name": arch.name,
            "parameters": self.parameters,
            "macs": self.macs,
            "smallest": arch.smallest,
            "recipe": arch.recipe,
            "description": arch.description,
        }
        if layers:
            document["layers"] = self.layers and [
                {
                    "name": cost.name,
                    "kind": cost.kind,
                    "output": list(cost.output),
                    "parameters": cost.parameters,
                    "macs": cost.macs,
                }
                for cost in self.layers
            ]
        return document


@click.command("archs", context_settings={"show_default": True})
@click.argument("archs", nargs=-1, metavar="[ARCH]...")
@click.option("--imgsz", metavar="N|WxH", default="32", help="Picture size in pixels.")
@click.option("--classes", type=click.IntRange(2, 100_000), default=10, help="How many classes are told apart.")
@click.option("--grey", is_flag=True, help="Pictures of one channel instead of three.")
@json_option
def command(archs: tuple[str, ...], imgsz: str, classes: int, grey: bool, as_json: bool) -> None:
    """List the networks that `onsight train --arch` takes, with their parameters and multiply-accumulates (MACs).

    With ARCH, the layers of that network: a name of the list, NAME-WIDTH such as mobilenetv2-0.35, or
    module:function, a network of your own (docs/architectures.md). Each is really built.
    """
    from onsight_train.archs import ARCHITECTURES, find_arch

    size_wh = parse_size(imgsz) or (32, 32)
    shape = (size_wh[1], size_wh[0], 1 if grey else 3)
    found = [find_arch(name) for name in dict.fromkeys(archs)] if archs else list(ARCHITECTURES.values())
    built = [_build(arch, shape, classes, named=bool(archs)) for arch in _with_bar(found)]
    if as_json:
        print_json(
            {
                "size_wh": list(size_wh),
                "channels": shape[2],
                "classes": classes,
                "archs": [one.to_json(layers=bool(archs)) for one in built],
            }
        )
    elif archs:
        _show_layers(built)
    else:
        what = f"{size_wh[0]}x{size_wh[1]} {'grey' if grey else 'RGB'}, {classes} classes"
        _show_list(built, what)


def _build(arch: Architecture, shape: tuple[int, int, int], classes: int, *, named: bool) -> _Built:
    from onsight_train.macs import count_macs, layer_costs

    if not named and min(shape[:2]) < arch.smallest:
        return _Built(arch, None, None, None)
    model = arch.build(shape, classes)
    return _Built(arch, int(model.count_params()), count_macs(model), layer_costs(model) if named else None)


def _with_bar(archs: Sequence[Architecture]) -> Iterator[Architecture]:
    """A bar on stderr: Keras takes seconds to load, and a large network to build."""
    from rich.console import Console
    from rich.progress import Progress

    from onsight_train.frameworks import load_keras

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("loading Keras", total=len(archs) + 1)
        load_keras()
        for arch in archs:
            bar.update(task, advance=1, description=f"building {arch.name}")
            yield arch


def _show_list(built: Sequence[_Built], what: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    table = Table(title=f"networks for {what}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("arch", no_wrap=True)
    for heading in ("parameters", "MACs", "smallest"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("recipe", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    for one in built:
        arch, side = one.arch, one.arch.smallest
        counts = (_count(one.parameters), _millions(one.macs))
        table.add_row(arch.name, *counts, f"{side}x{side}", arch.recipe, arch.description)
    console.print(table)
    if any(one.parameters is None for one in built):
        console.print("-: the pictures are too small for it")


def _show_layers(built: Iterable[_Built]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    for one in built:
        # no lines and little room between: the longest names and counts stand on 80 columns
        table = Table(title=Text(one.arch.name), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("layer", overflow="fold")
        table.add_column("kind", no_wrap=True, max_width=18)
        for heading in ("gives", "parameters", "MACs"):
            table.add_column(heading, justify="right", no_wrap=True)
        for cost in one.layers or ():
            sides = "x".join("?" if side is None else str(side) for side in cost.output)
            macs = "?" if cost.macs is None else f"{cost.macs:,}" if cost.macs else ""
            table.add_row(Text(cost.name), cost.kind, sides, f"{cost.parameters:,}" if cost.parameters else "", macs)
        if one.layers:
            console.print(table)
        total = f"{one.arch.name}: {_count(one.parameters)} parameters, {_millions(one.macs)} MACs"
        console.print(total, soft_wrap=True)
        if one.macs is None:
            console.print(_UNKNOWN if one.layers else _OPAQUE, soft_wrap=True)


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _millions(macs: int | None) -> str:
    """Multiply-accumulates as `12.5 M`; a dash where they are not known."""
    return "-" if macs is None else f"{macs / 1e6:,.1f} M"
