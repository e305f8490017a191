"""`onsight bench --gpu`: its options, and what it shows."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from onsight.bench_screen import progress_bar
from onsight.lists import names
from onsight.main import print_json
from onsight.outputs import check_outputs
from onsight_edge.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from onsight_benchmarks.measurement import Measurement
    from onsight_benchmarks.record import Record

_ITS_OWN = ("gpu_framework", "precision")
# what `onsight bench` has and a GPU's measurement takes no notice of
_SHARED = (
    "model",
    "variant",
    "batch",
    "iterations",
    "seconds",
    "warmup",
    "spec",
    "out",
    "no_values",
    "seed",
    "as_json",
)
_PRECISIONS = "float32,bfloat16"


def gpu_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give `onsight bench` the options of `--gpu`, and take its place where one of them is given."""

    @click.option("--gpu", is_flag=True, help="Measure a run's network, or a bundle's .onnx files, on a GPU.")
    @click.option("--gpu-dry-run", is_flag=True, help="The same code on the CPU; its record never counts.")
    @click.option(
        "--gpu-framework",
        default="auto",
        show_default=True,
        help="auto (the first that sees a GPU), all, or of jax,torch,tensorflow; onnxruntime for a bundle.",
    )
    @click.option(
        "--precision",
        default=_PRECISIONS,
        show_default=True,
        help="With --gpu: of float32,tf32,bfloat16, for a run's network.",
    )
    @functools.wraps(function)
    def either(*, gpu: bool, gpu_dry_run: bool, gpu_framework: str, precision: str, **options: Any) -> None:
        context = click.get_current_context()
        given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
        if not gpu and not gpu_dry_run:
            for name in _ITS_OWN:
                if name in given:
                    raise UsageError(f"{_flag(name)} belongs to --gpu; it does nothing without it")
            function(**options)
            return
        for name in sorted(given - {*_SHARED, *_ITS_OWN, "gpu", "gpu_dry_run"}):
            raise UsageError(f"{_flag(name)} does nothing with --gpu")
        _bench({name: options[name] for name in _SHARED}, gpu_framework, precision, dry_run=gpu_dry_run)

    return either


def _bench(options: dict[str, Any], framework: str, precision: str, *, dry_run: bool) -> None:
    from onsight_benchmarks.gpu.baseline import BATCHES, bench_gpu
    from onsight_benchmarks.record_file import check_writable

    model, out = options["model"], options["out"]
    if model == "default":
        raise UsageError(
            "--gpu measures a run's network or a bundle's .onnx files, and the model that ships has neither: name a run"
        )
    if out is not None and out.suffix != ".json":
        raise UsageError(f"--out must name a .json file, not {out}")
    check_outputs({"--out": out}, [model])
    if out is not None:
        check_writable(out)
    with progress_bar() as tell:
        record = bench_gpu(
            model,
            variants=names(options["variant"], "--variant"),
            frameworks=names(framework, "--gpu-framework"),
            precisions=names(precision, "--precision"),
            batches=BATCHES if options["batch"] is None else _counts(options["batch"]),
            iterations=options["iterations"],
            seconds=options["seconds"],
            warmup=options["warmup"],
            spec=options["spec"],
            seed=options["seed"],
            values=not options["no_values"],
            dry_run=dry_run,
            progress=tell,
        )
    if out is not None:
        record.save(out)
    if options["as_json"]:
        print_json(record.to_json())
    print_gpu_record(record, out, to_stderr=options["as_json"], table=not options["as_json"])


def print_gpu_record(record: Record, out: Path | None, *, to_stderr: bool, table: bool) -> None:
    """Print a GPU record's tables where `table`, then its ratios and every remark."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)
    if table:
        wide = None if sys.stdout.isatty() else 100
        Console(width=wide).print(gpu_table(record))
        for line in _remarks(record):
            console.print(escape(line))
    for one in record.skipped:
        console.print(escape(f"skipped {one.variant} in {one.backend}: {one.reason}"))
    for reason in record.invalid_because:
        console.print(f"[yellow]not valid:[/yellow] {escape(reason)}")
    if out is not None:
        console.print(f"record: {escape(str(out))}")


def gpu_table(record: Record) -> Table:
    """A rich table of a GPU record's measurements that fits 80 columns; p50 in milliseconds."""
    from rich import box
    from rich.table import Table

    card = record.gpu
    title = "on the CPU, as a dry run: no GPU took part" if card is None else f"on {card.name}"
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{title}; p50 of one call, ms",
        title_justify="left",
        padding=(0, 1, 0, 0),
        caption="end to end: pictures on the host to scores on the host; h2d, compute, d2h: its parts, with a wait "
        "after each; device: one of many calls launched together",
    )
    for name in ("variant", "backend"):
        table.add_column(name, overflow="fold")
    for name in ("batch", "end to end", "h2d", "compute", "d2h", "device", "pictures/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in record.measurements:
        table.add_row(one.model.variant, one.backend.name, str(one.batch), *_times(one), f"{one.throughput_fps:.0f}")
    return table


def _times(one: Measurement) -> list[str]:
    found = [one.latency_ms.get(stage) for stage in ("end_to_end", "h2d", "compute", "d2h", "device")]
    return ["-" if stage is None else f"{stage.p50:.3f}" for stage in found]


def _remarks(record: Record) -> list[str]:
    from onsight_benchmarks.verdict import judge

    lines = [
        f"{one.of} takes {one.ratio} of the time of {one.to} ({judge(one.ratio).answer})"
        for one in record.comparisons
        if record.gpu is not None  # a dry run's say nothing of a GPU
    ]
    worst: dict[tuple[str, str], tuple[int, int, float, str, str]] = {}
    for one in record.measurements:
        seen = one.agreement
        if seen is not None:
            key, figures = (
                (one.model.variant, one.backend.name),
                (seen.same, seen.pictures, seen.max_difference or 0.0, seen.of, seen.with_whom),
            )
            worst[key] = min(worst.get(key, figures), figures, key=lambda each: (each[0], -each[2]))
    for (variant, backend), (same, count, largest, of, who) in worst.items():
        lines.append(
            f"{variant} in {backend}: the same class as {who} for {same} of {count} pictures ({of}), scores within "
            f"{largest:.2g}"
        )
    return lines


def _flag(name: str) -> str:
    return "--" + {"as_json": "json"}.get(name, name).replace("_", "-")


def _counts(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--batch needs numbers such as 1,8, not {text!r}") from error
