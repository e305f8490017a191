"""`onsight bench`: latency by variant, backend and threads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onsight.main import print_json
from onsight.options import MAX_THREADS, SEED, FiniteRange
from onsight.outputs import check_outputs
from onsight_edge.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from onsight_benchmarks.measurement import Measurement
    from onsight_benchmarks.record import Record


@click.command("bench")
@click.argument("model", default="default")
@click.option("--variant", default="all", show_default=True, help="Variants of the bundle: all, or a,b.")
@click.option(
    "--backend", default="all", show_default=True, help="Backends: all, auto (the first that is there), or a,b."
)
@click.option("--threads", default="1", show_default=True, help="Threads for one inference, such as 1,2,4.")
@click.option("--iterations", type=click.IntRange(min=1), help="Measured calls of each combination; default 300.")
@click.option("--seconds", type=FiniteRange(0, min_open=True), help="Measure for so long, all combinations together.")
@click.option(
    "--warmup", type=click.IntRange(min=0), default=20, show_default=True, help="Unmeasured calls of each before."
)
@click.option(
    "--fresh",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Fresh processes of each, for init, first call and memory.",
)
@click.option("--image", type=click.Path(path_type=Path), help="A picture in place of the synthetic 640x480 frame.")
@click.option(
    "--spec", type=click.Path(path_type=Path), help="ModelSpec of a third-party .tflite or .onnx that carries none."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the record to this .json file.")
@click.option("--no-values", is_flag=True, help="Leave the single measured values out of the record.")
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Of the order of measuring and of the synthetic frame."
)
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def command(
    model: str,
    variant: str,
    backend: str,
    threads: str,
    iterations: int | None,
    seconds: float | None,
    warmup: int,
    fresh: int,
    image: Path | None,
    spec: Path | None,
    out: Path | None,
    no_values: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Measure latency by variant, backend and threads; writes a record.

    All combinations take turns in one process, so that what disturbs the machine hits them alike. MODEL is a bundle,
    a model file, or `default`.
    """
    from onsight_benchmarks.latency import bench
    from onsight_benchmarks.record_file import check_writable

    if out is not None and out.suffix != ".json":
        raise UsageError(f"--out must name a .json file, not {out}")
    check_outputs({"--out": out}, [model, *([image] if image else [])])
    if out is not None:
        check_writable(out)
    with _bar() as tell:
        record = bench(
            model,
            variants=_names(variant, "--variant"),
            backends=_names(backend, "--backend"),
            threads=_counts(threads),
            iterations=iterations,
            seconds=seconds,
            warmup=warmup,
            fresh=fresh,
            image=image,
            spec=spec,
            seed=seed,
            values=not no_values,
            progress=tell,
        )
    if out is not None:
        record.save(out)
    if as_json:
        print_json(record.to_json())
    _print_notes(record, out, to_stderr=as_json, table=not as_json)


class _bar:
    """A progress bar on stderr; the callable it yields moves it."""

    def __enter__(self) -> Callable[[str, float], None]:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._progress = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("opening", total=1.0)
        self._progress.start()

        def tell(what: str, share: float) -> None:
            self._progress.update(self._task, description=what, completed=min(share, 1.0))

        return tell

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


def _print_notes(record: Record, out: Path | None, *, to_stderr: bool, table: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)
    if table:
        wide = None if sys.stdout.isatty() else 100  # a pipe has no width; cut names would be of no use there
        Console(width=wide).print(*latency_tables(record))
    for one in record.comparisons:
        if table and one.stage == "inference":
            whole = next(
                other.ratio
                for other in record.comparisons
                if (other.of, other.to, other.stage) == (one.of, one.to, "end_to_end")
            )
            console.print(
                f"{one.of} takes {one.ratio} of the inference time of {one.to}; with pre- and postprocessing {whole}"
            )
    for backend, reason in dict.fromkeys((one.backend, one.reason) for one in record.skipped):
        variants = ", ".join(o.variant for o in record.skipped if (o.backend, o.reason) == (backend, reason))
        console.print(escape(f"skipped {backend} ({variants}): {reason}"))
    for reason in record.invalid_because:
        console.print(f"[yellow]not valid:[/yellow] {escape(reason)}")
    if out is not None:
        console.print(f"record: {escape(str(out))}")


def latency_tables(record: Record) -> list[Table]:
    """Rich tables of a record's measurements that fit 80 columns; times in milliseconds, memory in MiB."""
    from rich import box
    from rich.table import Table

    tables = []
    for title, headings, row in (
        ("one 640x480 frame, ms", ("p50", "p90", "p99", "inference", "fps"), _times),
        ("in a fresh process", ("init ms", "first ms", "RSS MiB"), _start),
    ):
        table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0))
        for name in ("variant", "backend"):
            table.add_column(name, overflow="fold")  # where it is tight names break, numbers never
        for name in ("thr", *headings):
            table.add_column(name, justify="right", no_wrap=True)
        for one in record.measurements:
            table.add_row(one.model.variant, one.backend.name, str(one.backend.threads), *row(one))
        tables.append(table)
    tables[0].caption = "thr: threads; p50, p90, p99: end to end; inference: its p50"
    return tables


def _times(one: Measurement) -> list[str]:
    whole, inference = one.latency_ms["end_to_end"], one.latency_ms["inference"]
    assert whole is not None and inference is not None  # every latency record has these stages
    values = (whole.p50, whole.p90, whole.p99, inference.p50)
    return [*(f"{value:.3f}" for value in values), f"{one.throughput_fps:.0f}"]


def _start(one: Measurement) -> list[str]:
    values = ((one.init_ms, 1), (one.first_ms, 2), (one.rss_mib, 0))
    return ["-" if value is None else f"{value:.{digits}f}" for value, digits in values]


def _names(text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{option} needs at least one name, or all")
    return names


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--threads needs numbers such as 1,2, not {text!r}") from error
    if not all(1 <= count <= MAX_THREADS for count in counts):
        raise UsageError(f"--threads needs numbers of at least 1 and at most {MAX_THREADS}, not {text!r}")
    return counts
