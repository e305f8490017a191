"""`onsight train`: from pictures to a run folder."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onsight.loading import reading
from onsight.main import print_json
from onsight.options import SEED, FiniteRange, flip_option, json_option, roi_option, rotate_option
from onsight.outputs import check_outputs
from onsight.recipe_options import RECIPE_FIELDS, recipe_options
from onsight.region import Looking
from onsight.training import Logs, carry_out, event_stream, show, tell_early_end, tell_what_is_left
from onsight_edge.errors import OnsightError, UsageError
from onsight_edge.files import printable

if TYPE_CHECKING:
    from onsight_edge.datasets import Dataset
    from onsight_edge.geometry import View
    from onsight_edge.spec import Resize
    from onsight_train.plan import Plan

INTERRUPTED = 130
TENSORBOARD = "tensorboard"
# options that say how a training is watched, not what it is: they may be others when it goes on
_FREE = {"resume", "as_json", "events", "tensorboard", "checkpoint_seconds"}


@click.command(name="train", context_settings={"show_default": True})
@click.argument("data", required=False)
@click.option(
    "--arch",
    default="seed-cnn",
    metavar="NAME[,NAME...]",
    help="The network, see `onsight archs`; or module:function; several are trained one by one and compared.",
)
@click.option("--recipe", help="How to train it: tutorial, standard or best. [default: the network's own]")
@recipe_options
@click.option(
    "--teacher", type=click.Path(path_type=Path), metavar="RUN", help="Learn from the answers of this run, too."
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
@roi_option
@rotate_option
@flip_option("--mirror")
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
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with a training that was killed, to the weights it would have had; alone, without DATA.",
)
@click.option(
    "--checkpoint-seconds",
    type=FiniteRange(0),
    default=60.0,
    help="Time between checkpoints within an epoch; one follows every epoch.",
)
@click.option("--find-lr", is_flag=True, help="Only try learning rates for a moment, and suggest one.")
@click.option("--events", metavar="FILE|-", help="Write a line of JSON for every epoch and checkpoint.")
@click.option(
    "--tensorboard",
    is_flag=False,
    flag_value=TENSORBOARD,
    metavar="[DIR]",
    help="Write TensorBoard's logs to DIR/NAME; DIR is `tensorboard` if left out.",
)
@json_option
@click.pass_context
def command(context: click.Context, /, **given: Any) -> int:
    """Train a network on DATA and write a run folder.

    DATA is cifar10, fashion_mnist, a folder of class folders, or a .npz file. Ctrl-C ends the training after the
    batch at hand, keeps the best weights and writes the run all the same. One that was killed goes on with --resume.
    """
    from onsight_train.archs import find_arch
    from onsight_train.frameworks import require_training

    if given["events"] == "-" and given["as_json"]:
        raise UsageError("--events - and --json both write to stdout: give --events a file")
    if given["find_lr"] and given["resume"]:
        raise UsageError("--find-lr begins anew: leave --resume out")
    if given["resume"]:
        require_training()
        return _resume(context, given)
    if given["data"] is None:
        raise UsageError("DATA is missing: name a data set, or --resume a training that was killed")
    data: str = given["data"]
    names = [name.strip() for name in given["arch"].split(",")]
    if len(set(names)) != len(names):
        raise UsageError(f"--arch {given['arch']} names a network twice")
    for name in names:
        find_arch(name)
    require_training()
    check_outputs({"--events": given["events"], "--out": given["out"]}, [data])
    if given["find_lr"]:
        return _find_rate(names, data, given)
    folders = {name: _folder(name, data, given, several=len(names) > 1) for name in names}
    from onsight_train.run import check_out

    plans = {name: _plan(name, data, given, several=len(names) > 1) for name in names}
    for folder in folders.values():
        check_out(folder)
    dataset = _load(data, given)
    if len(names) == 1:
        return _train(dataset, plans[names[0]], folders[names[0]], given)
    return _train_several(dataset, [(plans[name], folders[name]) for name in names], given)


def _train(dataset: Dataset, plan: Plan, folder: Path, given: dict[str, Any]) -> int:
    from onsight_train.remains import Remains

    left: Remains | None = given.get("left")
    quiet = given["events"] == "-"
    with event_stream(given["events"], append=left is not None) as events:
        try:
            run = carry_out(dataset, plan, folder, _logs(given, events), left)
        except KeyboardInterrupt:
            if not tell_what_is_left(folder):
                raise
            return INTERRUPTED
    tell_early_end(run, plan)
    if given["as_json"]:
        print_json({"run": str(run.folder), **run.metrics})
    else:
        show(run, to_stderr=quiet)
    return INTERRUPTED if run.fitted.interrupted else 1 if run.fitted.diverged else 0


def _train_several(dataset: Dataset, planned: Sequence[tuple[Plan, Path]], given: dict[str, Any]) -> int:
    """One after the other; one that fails does not keep the others from their turn. Then the comparison."""
    from onsight.commands.runs import show_comparison

    status, done = 0, []
    with event_stream(given["events"], append=False) as events:
        for plan, folder in planned:
            try:
                run = carry_out(dataset, plan, folder, _logs(given, events))
            except OnsightError as error:
                click.echo(f"onsight: {plan.arch.name}: {error}", err=True)
                status = 1
                continue
            except KeyboardInterrupt:
                if not tell_what_is_left(folder):
                    click.echo("onsight: interrupted", err=True)
                status = INTERRUPTED
                break
            done.append(run.folder)
            tell_early_end(run, plan)
            if run.fitted.interrupted:
                status = INTERRUPTED
                break
            status = 1 if run.fitted.diverged else status
    if done:
        plot = given["out"] / "comparison.png" if given["out"] else _free_plot(dataset.name)
        show_comparison(done, as_json=given["as_json"], plot=plot)
    return status


def _resume(context: click.Context, given: dict[str, Any]) -> int:
    from onsight_train.remains import changed_versions, remains

    run: Path = given["resume"]
    nested = Path("runs") / run
    if not run.is_absolute() and not _there(run) and _there(nested):
        run = nested
    with remains(run) as left:
        plan, data = left.planned.plan, left.planned.data
        for parameter in context.command.params:
            name = str(parameter.name)
            typed = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
            if typed and name not in _FREE and _plain(given[name]) != plan.options.get(name):
                flag = parameter.opts[0] if isinstance(parameter, click.Option) else "DATA"
                raise UsageError(
                    f"{flag} {_plain(given[name])} is not what {left.folder} was begun with: leave it out, "
                    "since a training that goes on cannot be changed"
                )
        for note in (*left.notes, changed_versions(left.planned)):
            if note:
                click.echo(note, err=True)
        as_begun = {
            "imgsz": "x".join(map(str, data["size_wh"])),
            "resize": plan.resize,
            "roi": plan.view.roi,
            "rotate": plan.view.rotate,
            "mirror": plan.view.flip,
            "validation": plan.validation,
            "seed": plan.seed,
            "limit": plan.limit,
        }
        dataset = _load(data["uri"], as_begun)
        return _train(dataset, plan, left.folder, {**given, "left": left})


def _there(run: Path) -> bool:
    from onsight_train.folder import PARTIAL, partial_folder

    if not run.name:  # `.`
        return True
    folder = run.with_name(run.name.removesuffix(PARTIAL))
    return folder.exists() or partial_folder(folder).exists()


def _find_rate(names: Sequence[str], data: str, given: dict[str, Any]) -> int:
    """Sweep over learning rates; a plot in the folder, the suggestion on the screen."""
    from onsight_edge.files import atomic_folder
    from onsight_train.archs import find_arch
    from onsight_train.rates import draw_sweep, find_rate

    if len(names) > 1:
        raise UsageError("--find-lr takes one --arch at a time")
    plan = _plan(names[0], data, given, several=False)
    folder = given["out"] or _free(Path("runs") / f"{_file_name(plan.name)}-lr")
    dataset = _load(data, given)
    shape, classes = dataset.train.images.shape[1:], len(dataset.classes)
    with atomic_folder(folder) as temporary:
        sweep = find_rate(
            lambda: find_arch(names[0]).build(shape, classes, plan.recipe.dropout), dataset, plan.recipe, plan.seed
        )
        draw_sweep(temporary / "learning_rates.png", sweep, f"{plan.arch.name} on {dataset.name}")
    plot = folder / "learning_rates.png"
    if given["as_json"]:
        print_json({**sweep.to_json(), "plot": str(plot)})
        return 0
    click.echo(f"suggested: --lr {sweep.suggestion:.2g} (the loss was lowest at {sweep.lowest:.2g})")
    click.echo(f"plot: {plot}")
    return 0


def _plan(arch: str, data: str, given: dict[str, Any], *, several: bool) -> Plan:
    from onsight_train.archs import find_arch
    from onsight_train.plan import Plan
    from onsight_train.recipes import find_recipe

    architecture = find_arch(arch)
    changes = {name: given[name] for name in RECIPE_FIELDS}
    recipe = find_recipe(given["recipe"] or architecture.recipe, arch=architecture.name).with_overrides(**changes)
    teacher: Path | None = given["teacher"]
    if teacher:
        recipe = recipe.with_teacher()
    elif given["distill"]:
        raise UsageError("--distill needs a --teacher to learn from")
    options = {name: _plain(value) for name, value in given.items() if name not in _FREE}
    return Plan(
        arch=architecture,
        recipe=recipe,
        seed=given["seed"],
        patience=given["patience"],
        validation=given["validation"],
        resize=given["resize"],
        limit=given["limit"],
        view=_view(given),
        name=_name(arch, data, given, several=several),
        command=["onsight", *map(printable, sys.argv[1:])],
        teacher=teacher.resolve() if teacher else None,
        options={**options, "arch": arch},
    )


def _view(given: dict[str, Any]) -> View:
    from onsight_edge.geometry import View

    looking = Looking(given["roi"], given["rotate"], given["mirror"])
    return View(looking.shares(None), looking.rotate or 0, looking.flip or "none")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return printable(str(value)) if isinstance(value, str | Path) else value


def _name(arch: str, data: str, given: dict[str, Any], *, several: bool) -> str:
    default = f"{arch}-{Path(data).resolve().stem}"
    if given["name"] is None:
        return default
    return f"{given['name']}-{arch}" if several else str(given["name"])


def _folder(arch: str, data: str, given: dict[str, Any], *, several: bool) -> Path:
    out: Path | None = given["out"]
    if out:
        return out / _file_name(arch) if several else out
    return _free(Path("runs") / _file_name(_name(arch, data, given, several=several)))


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)


def _logs(given: dict[str, Any], events: Any) -> Logs:
    board = given["tensorboard"]
    return Logs(events, Path(board) if board else None, given["checkpoint_seconds"])


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


def _load(data: str, given: dict[str, Any]) -> Dataset:
    from onsight_edge.datasets import load_dataset

    resize: Resize = given["resize"]
    size_wh = parse_size(given["imgsz"])
    with reading(data) as on_progress:
        dataset = load_dataset(
            data,
            size_wh=size_wh,
            resize=resize,
            view=_view(given),
            validation=given["validation"],
            seed=given["seed"],
            limit=given["limit"],
            on_progress=on_progress,
        )
    if dataset.left_out:
        count = len(dataset.left_out)
        click.echo(f"{count} file{'s' * (count > 1)} left out: `onsight data` names them and says why", err=True)
    return dataset


def _free_plot(data: str) -> Path:
    number, candidate = 1, Path("runs") / f"comparison-{_file_name(data)}.png"
    first = candidate
    while candidate.exists():
        number += 1
        candidate = first.with_stem(f"{first.stem}-{number}")
    return candidate


def _free(folder: Path) -> Path:
    from onsight_train.folder import partial_folder

    number, candidate = 1, folder
    while candidate.exists() or partial_folder(candidate).exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate
