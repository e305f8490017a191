"""`onsight train`: from pictures to a run folder."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onsight.loading import reading
from onsight.main import print_json
from onsight.options import SEED, FiniteRange, json_option
from onsight_edge.errors import UsageError
from onsight_edge.files import printable

if TYPE_CHECKING:
    from onsight_edge.datasets import Dataset
    from onsight_edge.spec import Resize
    from onsight_train.run import Run

INTERRUPTED = 130


@click.command(name="train", context_settings={"show_default": True})
@click.argument("data")
@click.option("--arch", default="seed-cnn", help="The network: seed-cnn, resnet8 or onsight-nano.")
@click.option("--recipe", help="How to train it: tutorial or standard. [default: the network's own]")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the training pictures. [default: the recipe's]")
@click.option("--batch", type=click.IntRange(1), help="Pictures per step. [default: the recipe's]")
@click.option(
    "--lr", type=FiniteRange(0, min_open=True), help="Learning rate, the highest one. [default: the recipe's]"
)
@click.option(
    "--dropout",
    type=FiniteRange(0, 1, max_open=True),
    default=0.0,
    help="Share of the last hidden features left out while training.",
)
@click.option(
    "--patience",
    type=click.IntRange(1),
    help="Stop after so many epochs without a lower validation loss, and restore the best weights.",
)
@click.option("--imgsz", metavar="N|WxH", help="Picture size in pixels. [default: the data's own]")
@click.option(
    "--resize",
    type=click.Choice(["squash", "fit-shortest", "fit-longest"]),
    default="squash",
    help="How pictures of other proportions are fitted: stretched, cut, or padded.",
)
@click.option(
    "--validation",
    type=FiniteRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    help="Fraction of the training pictures set apart for validation.",
)
@click.option("--limit", type=click.IntRange(1), help="At most so many pictures a split; for quick tries.")
@click.option("--seed", type=SEED, default=0, help="Decides splits, weights, order and changes.")
@click.option("--name", help="What to call the model. [default: ARCH-DATA]")
@click.option("--out", type=click.Path(path_type=Path), help="The run folder. [default: runs/NAME, numbered]")
@json_option
def command(
    data: str,
    arch: str,
    recipe: str | None,
    epochs: int | None,
    batch: int | None,
    lr: float | None,
    dropout: float,
    patience: int | None,
    imgsz: str | None,
    resize: Resize,
    validation: float,
    limit: int | None,
    seed: int,
    name: str | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Train a network on DATA and write a run folder.

    DATA is cifar10, fashion_mnist, a folder of class folders, or a .npz file. Ctrl-C ends the training after the
    batch at hand, keeps the best weights and writes the run all the same.
    """
    from onsight_train.archs import find_arch
    from onsight_train.frameworks import require_training
    from onsight_train.recipes import find_recipe
    from onsight_train.run import Plan, check_out, partial_folder, train_run

    architecture = find_arch(arch)
    require_training()
    chosen = find_recipe(recipe or architecture.recipe).with_overrides(epochs=epochs, batch=batch, lr=lr)
    size_wh = parse_size(imgsz)
    name = name or f"{arch}-{Path(data).resolve().stem}"
    folder = out or _free_folder(Path("runs") / re.sub(r"[^\w.-]+", "-", name))
    check_out(folder)
    dataset = _load(data, size_wh, resize, validation, seed, limit)
    plan = Plan(
        arch=architecture,
        recipe=chosen,
        seed=seed,
        dropout=dropout,
        patience=patience,
        validation=validation,
        resize=resize,
        limit=limit,
        name=name,
        command=["onsight", *map(printable, sys.argv[1:])],
    )
    from onsight_train.augment import Batches
    from onsight_train.progress import TrainingProgress

    per_epoch = Batches(dataset.train, len(dataset.classes), chosen, seed).per_epoch
    if dataset.left_out:
        count = len(dataset.left_out)
        click.echo(f"{count} file{'s' * (count > 1)} left out: `onsight data` names them and says why", err=True)
    click.echo(
        f"training {arch} on {dataset.name}: {len(dataset.train):,} pictures of {dataset.size_wh[0]}x"
        f"{dataset.size_wh[1]}, {len(dataset.classes)} classes, "
        f"{chosen.epochs} epoch{'s' * (chosen.epochs > 1)}, recipe {chosen.name}, seed {seed}",
        err=True,
    )
    try:
        with TrainingProgress(chosen.epochs, per_epoch) as progress:
            run = train_run(dataset, plan, folder, progress)
    except KeyboardInterrupt:
        if not (partial := partial_folder(folder)).exists():
            raise
        click.echo(f"onsight: interrupted; the best model until then is in {partial}", err=True)
        return INTERRUPTED
    if run.fitted.interrupted:
        last = run.fitted.history[-1]
        click.echo(
            f"onsight: interrupted in epoch {last.epoch}; the weights of epoch {run.fitted.kept} are kept in "
            f"{run.folder}",
            err=True,
        )
    if as_json:
        print_json({"run": str(run.folder), **run.metrics})
    else:
        _show(run)
    return INTERRUPTED if run.fitted.interrupted else 0


def parse_size(text: str | None) -> tuple[int, int] | None:
    """`96` or `96x64` as (width, height) in pixels.

    Raises:
        UsageError: neither.
    """
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and 1 <= int(part) <= 8192 for part in parts):
        raise UsageError(f"--imgsz must be a number of pixels or WIDTHxHEIGHT, not {text!r}")
    return (int(parts[0]), int(parts[-1]))


def _load(
    data: str, size_wh: tuple[int, int] | None, resize: Resize, validation: float, seed: int, limit: int | None
) -> Dataset:
    from onsight_edge.datasets import load_dataset

    with reading(data) as on_progress:
        return load_dataset(
            data,
            size_wh=size_wh,
            resize=resize,
            validation=validation,
            seed=seed,
            limit=limit,
            on_progress=on_progress,
        )


def _free_folder(folder: Path) -> Path:
    from onsight_train.run import partial_folder

    number, candidate = 1, folder
    while candidate.exists() or partial_folder(candidate).exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


def _show(run: Run) -> None:
    from rich.console import Console
    from rich.text import Text

    from onsight.tables import class_table

    console = Console(highlight=False, markup=False, soft_wrap=True)
    low, high = run.test.interval
    console.print(class_table(run.test, Text(f"{run.spec.name}: {run.test.total:,} test pictures")))
    done = len(run.fitted.history)
    console.print(
        f"test accuracy {run.test.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}), "
        f"{run.parameters:,} parameters, {done} epoch{'s' * (done != 1)} in {run.fitted.seconds:.0f} s"
    )
    if run.fitted.stopped_early:
        console.print(f"stopped early; the weights of epoch {run.fitted.kept} are kept")
    console.print(run.diagnosis.sentence)
    console.print(f"run: {run.folder}")
    console.print(f"next: onsight export {shlex.quote(str(run.folder))}")
