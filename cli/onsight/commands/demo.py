"""`onsight demo`: the whole path, by running the commands a user would type, and one table at the end."""

from __future__ import annotations

import importlib.util
import json
import shlex
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from onsight.main import print_json
from onsight.options import json_option
from onsight_edge.errors import DataError, MissingExtraError, OnsightError
from onsight_edge.files import write_json

DATA = "cifar10"


@dataclass(frozen=True, slots=True)
class Row:
    """One variant in the closing table; accuracies 0..1, None where no data set could be reached."""

    variant: str
    backend: str
    accuracy: float | None
    drop_points: float | None
    kilobytes: float
    p50_ms: float
    p99_ms: float


@click.command("demo")
@click.option("--epochs", type=click.IntRange(1), default=3, show_default=True, help="Of seed-cnn's training.")
@click.option("--seconds", type=click.FloatRange(1), default=10, show_default=True, help="Of the live run.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the training.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the run, the bundle, the record and the video.  [default: demo, numbered]",
)
@json_option
def command(epochs: int, seconds: float, seed: int, out: Path | None, as_json: bool) -> None:
    """The whole path on CIFAR-10: train seed-cnn, export every variant, benchmark them, run the live loop.

    Each step is the command that is printed before it, so each can be typed again. Where no data set can be reached,
    the model that ships in the package stands in for the trained one.
    """
    began = time.monotonic()
    for package in ("tensorflow", "keras", "matplotlib", "tf2onnx", "onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:  # now, not after the pictures were fetched
            raise MissingExtraError(package, "export", "the demo")
    folder = out or _free_folder(Path("demo"))
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise OnsightError(f"{folder} exists already: name another folder with --out, or remove it first") from error
    except OSError as error:
        raise OnsightError(f"cannot write {folder}: {error.strerror}") from error
    model, source = str(folder / "cifar10.bundle"), f"dataset://{DATA}"
    sheet = str(folder / "pictures.png")
    training: dict[str, Any] | None = None
    exported: dict[str, Any] | None = None
    unreachable = _unreachable()
    if unreachable:
        click.echo(
            f"{unreachable}\nso nothing is trained here: the rest runs with the model that ships in the package and a "
            "synthetic camera",
            err=True,
        )
        model, source = "default", "synthetic://"
    else:
        _run("data", DATA, "--sheet", sheet)
        run = str(folder / "run")
        training = _run("train", DATA, "--arch", "seed-cnn", "--epochs", str(epochs), "--seed", str(seed), "--out", run)
        exported = _run("export", run, "--out", model)
    record = _run("bench", model, "--no-values", "--out", str(folder / "latency.json"))
    video = str(folder / "live.mp4")
    live = _run("run", model, "--source", source, "--seconds", f"{seconds:g}", "--mp4", video)
    rows = closing_rows(record, exported)
    report = {
        "not_trained_because": unreachable,
        "epochs": epochs if training else None,
        "keras_accuracy": exported["keras"]["accuracy"] if exported else None,
        "variants": [asdict(row) for row in rows],
        "latency_not_valid_because": record["invalid_because"],
        "live": live,
        "seconds": round(time.monotonic() - began, 1),
        "folder": str(folder),
    }
    write_json(folder / "report.json", report)
    if as_json:
        print_json(report)
    else:
        _show(report, rows, training)


def _unreachable() -> str | None:
    """Fetch the pictures; why they cannot be had, or None. Any other failure, such as a full disk, is raised."""
    from onsight_edge.datasets import cached_path
    from onsight_train.fetch import fetch

    if cached_path(DATA).exists():
        return None
    try:
        fetch(DATA)
    except DataError as error:
        return str(error)
    return None


def closing_rows(record: dict[str, Any], exported: dict[str, Any] | None) -> list[Row]:
    """The closing table: a latency record's measurements joined with an export report's accuracies.

    A variant that several backends executed is shown with the first of them, which is the fastest that onsight picks.
    """
    checked = {each["variant"]: each for each in exported["variants"]} if exported else {}
    rows: dict[str, Row] = {}
    for one in record["measurements"]:
        variant = one["model"]["variant"]
        check = checked.get(variant)
        whole = one["latency_ms"]["end_to_end"]
        row = Row(
            variant,
            one["backend"]["name"],
            check["accuracy"] if check else None,
            check["drop_points"] if check else None,
            one["model"]["bytes"] / 1000,
            whole["p50"],
            whole["p99"],
        )
        if variant not in rows or row.p50_ms < rows[variant].p50_ms:
            rows[variant] = row
    return list(rows.values())


def _run(verb: str, *arguments: str) -> dict[str, Any]:
    """Run one verb in a process of its own, its messages on this one's stderr, and read the JSON it prints."""
    words = [verb, *arguments]
    click.secho(f"\n$ onsight {shlex.join(words)}", err=True, bold=True)
    done = subprocess.run(
        [sys.executable, "-m", "onsight", *words, "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise OnsightError(f"the demo ends here: `onsight {shlex.join(words)}` failed with {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _free_folder(folder: Path) -> Path:
    number, candidate = 1, folder
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


def _show(report: dict[str, Any], rows: list[Row], training: dict[str, Any] | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    title = "the model that ships in the package"
    if training:
        title = (
            f"seed-cnn on CIFAR-10, {report['epochs']} epochs: Keras {report['keras_accuracy']:.2%} of the "
            f"{training['test']['pictures']:,} test pictures"
        )
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    table.add_column("variant", no_wrap=True)
    table.add_column("backend", no_wrap=True)
    for heading in ("accuracy", "loss", "KB", "p50 ms", "p99 ms", "vs f32"):
        table.add_column(heading, justify="right", no_wrap=True)
    float32 = next((row.p50_ms for row in rows if row.variant == "tflite-float32"), None)
    for row in rows:
        table.add_row(
            row.variant,
            row.backend,
            "-" if row.accuracy is None else f"{row.accuracy:.2%}",
            "-" if row.drop_points is None else f"{row.drop_points:+.2f}",
            f"{row.kilobytes:.0f}",
            f"{row.p50_ms:.3f}",
            f"{row.p99_ms:.3f}",
            "-" if float32 is None else f"{row.p50_ms / float32:.2f}x",
        )
    console.print(table)
    live = report["live"]
    line = f"live: {live['fps']:.1f} fps, {live['dropped']} of {live['captured']} frames dropped"
    if age := live["age_ms"]:
        line += f", frame age p50 {age['p50']:.2f} ms, p99 {age['p99']:.2f} ms"
    console.print(line)
    if reasons := report["latency_not_valid_because"]:
        console.print(f"[yellow]these times are not for quoting:[/yellow] {escape('; '.join(reasons))}", soft_wrap=True)
    if live["accuracy"] is not None:
        console.print(f"live accuracy against the truth: {live['accuracy']:.1%} of {live['judged']} frames")
    fewer = ", of tflite-int16x8 on 2,000 of the pictures" if training else ""
    files = "pictures.png, run, cifar10.bundle, " if training else ""
    console.print(
        f"loss: points below Keras{fewer}. p50, p99: one 640x480 frame from picture to answer. vs f32: p50 beside it.\n"
        f"everything is in {report['folder']}/ ({files}latency.json, live.mp4, report.json); {report['seconds']:.0f} s",
        soft_wrap=True,
    )
