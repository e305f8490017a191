"""`onsight bench`: latency by variant, backend and threads."""

from __future__ import annotations

from pathlib import Path

import click

from onsight.bench_against import bench_again, fail_where_slower
from onsight.bench_screen import print_record, progress_bar
from onsight.gpu_bench import gpu_options
from onsight.lists import counts, names
from onsight.main import print_json
from onsight.options import MAX_THREADS, SEED, FiniteRange
from onsight.outputs import check_outputs
from onsight_edge.errors import UsageError


@click.command("bench")
@click.argument("model", default="default")
@click.option(
    "--scenario",
    type=click.Choice(["single-stream", "multi-stream", "offline", "live"]),
    default="single-stream",
    show_default=True,
    help="How queries come: one picture after the other, several a query, in batches, or from a camera.",
)
@click.option("--variant", default="all", show_default=True, help="Variants of the bundle: all, or a,b.")
@click.option(
    "--backend", default="all", show_default=True, help="Backends: all, auto (the first that is there), or a,b."
)
@click.option("--threads", default="1", show_default=True, help="Threads for one inference, such as 1,2,4.")
@click.option("--iterations", type=click.IntRange(min=1), help="Measured queries of each combination.")
@click.option("--seconds", type=FiniteRange(0, min_open=True), help="Measure for so long, all combinations together.")
@click.option(
    "--minutes",
    type=FiniteRange(0, min_open=True),
    help="Measure for so long without a pause, from cold on: cold against steady, over time.",
)
@click.option(
    "--energy-seconds",
    type=FiniteRange(0),
    default=2,
    show_default=True,
    help="Where there is a power sensor, let each combination work alone for so long; 0: no energy.",
)
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
@click.option(
    "--pictures-per-query", type=click.IntRange(1, 1024), help="multi-stream: pictures of one query; default 8."
)
@click.option("--batch", help="offline: batch sizes, such as 1,8,32, which is the default.")
@click.option("--fps", type=FiniteRange(0, 1000, min_open=True), help="live: the camera's frames a second; default 30.")
@click.option("--source", help="live: the camera, as `onsight run` takes it; default synthetic://.")
@click.option("--loadgen", is_flag=True, help="Let MLPerf LoadGen issue the queries and take its figures.")
@click.option("--image", type=click.Path(path_type=Path), help="A picture in place of the synthetic 640x480 frame.")
@click.option(
    "--spec", type=click.Path(path_type=Path), help="ModelSpec of a third-party .tflite or .onnx that carries none."
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Measure what this record measured, and say whether a change is real; status 1 where it is slower.",
)
@click.option(
    "--fail-above", type=FiniteRange(1), help="--against: the ratio above which slower is a failure; default 1.05."
)
@click.option("--force", is_flag=True, help="--against: compare other weights, devices or pictures all the same.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the record to this .json file.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the record as one self-contained page."
)
@click.option("--no-values", is_flag=True, help="Leave the single measured values out of the record.")
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Of the order of measuring and of the synthetic frame."
)
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@gpu_options
@click.pass_context
def command(
    context: click.Context,
    model: str,
    scenario: str,
    variant: str,
    backend: str,
    threads: str,
    iterations: int | None,
    seconds: float | None,
    minutes: float | None,
    energy_seconds: float,
    warmup: int,
    fresh: int,
    pictures_per_query: int | None,
    batch: str | None,
    fps: float | None,
    source: str | None,
    loadgen: bool,
    image: Path | None,
    spec: Path | None,
    against: Path | None,
    fail_above: float | None,
    force: bool,
    out: Path | None,
    html: Path | None,
    no_values: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Measure latency, throughput or frame age by variant, backend and threads; writes a record.

    All combinations take turns in one process, so that what disturbs the machine hits them alike. MODEL is a bundle,
    a model file, or `default`. Scenarios have MLPerf LoadGen's names and meanings; `live` is a paced camera through
    the real live loop.
    """
    from onsight_benchmarks.against import FAIL_ABOVE
    from onsight_benchmarks.latency import BATCHES, FPS, MOST_PICTURES, PICTURES_PER_QUERY, SOURCE, bench
    from onsight_benchmarks.record_file import check_writable

    if out is not None and out.suffix != ".json":
        raise UsageError(f"--out must name a .json file, not {out}")
    check_outputs({"--out": out, "--html": html}, [model, *(path for path in (image, against) if path)])
    if out is not None:
        check_writable(out)
    if html is not None:
        from onsight_benchmarks.html_page import require_jinja

        require_jinja()
        check_writable(html)
    if against is None and (force or fail_above is not None):
        raise UsageError("--fail-above and --force belong to --against")
    with progress_bar() as tell:
        if against is not None:
            free = {"fresh": fresh, "energy_s": 0.0, "image": image, "spec": spec, "source": source or SOURCE}
            record = bench_again(
                context,
                against,
                lambda **wanted: bench(model, progress=tell, **wanted),
                fail_above=FAIL_ABOVE if fail_above is None else fail_above,
                force=force,
                free=free,
            )
        else:
            _refuse_what_does_nothing(
                scenario,
                {
                    "--pictures-per-query": (pictures_per_query, "multi-stream"),
                    "--batch": (batch, "offline"),
                    "--fps": (fps, "live"),
                    "--source": (source, "live"),
                },
            )
            record = bench(
                model,
                variants=names(variant, "--variant"),
                backends=names(backend, "--backend"),
                scenario=scenario,
                threads=counts(threads, "--threads", MAX_THREADS),
                iterations=iterations,
                seconds=seconds,
                minutes=minutes,
                energy_s=energy_seconds,
                warmup=warmup,
                fresh=fresh,
                pictures_per_query=pictures_per_query or PICTURES_PER_QUERY,
                batches=BATCHES if batch is None else counts(batch, "--batch", MOST_PICTURES),
                fps=fps or FPS,
                source=source or SOURCE,
                loadgen=loadgen,
                image=image,
                spec=spec,
                seed=seed,
                values=not no_values,
                progress=tell,
            )
    if out is not None:
        record.save(out)
    if html is not None:
        from onsight_benchmarks.comparison.page import render_record
        from onsight_edge.files import write_text

        write_text(html, render_record(record, "bench" if out is None else out.stem))
    if as_json:
        print_json(record.to_json())
    print_record(record, out, to_stderr=as_json, table=not as_json)
    if record.against is not None:
        fail_where_slower(record.against)


def _refuse_what_does_nothing(scenario: str, options: dict[str, tuple[object, str]]) -> None:
    for option, (given, belongs_to) in options.items():
        if given is not None and scenario != belongs_to:
            raise UsageError(f"{option} belongs to --scenario {belongs_to}; it does nothing for {scenario}")
