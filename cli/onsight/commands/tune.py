"""`onsight tune`: find what is fastest on this device, and let `onsight run` use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from onsight.lists import counts, names
from onsight.loading import load_for
from onsight.main import print_json
from onsight.options import MAX_THREADS, SEED, FiniteRange, json_option, spec_option
from onsight.outputs import check_outputs
from onsight.scorers import exported_from, map_labels
from onsight_edge.errors import BenchmarkError, DataError, UsageError

if TYPE_CHECKING:
    from onsight_benchmarks.tuning.accuracy import Labelled

_MOST_SECONDS = 86400.0


def _seconds(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """`90`, `90s` or `1.5m` in seconds."""
    factor = {"s": 1.0, "m": 60.0}.get(value[-1:])
    try:
        seconds = float(value) if factor is None else float(value[:-1]) * factor
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= _MOST_SECONDS:
        raise click.BadParameter(f"{value!r} is not a time from 1 s to a day, such as 90, 90s or 1.5m.")
    return seconds


@click.command("tune")
@click.argument("model", default="default")
@click.option("--variant", default="all", show_default=True, help="Variants that may be taken: all, or a,b.")
@click.option("--backend", default="all", show_default=True, help="Backends that may be taken: all, or a,b.")
@click.option("--threads", help="Threads for one inference, such as 1,2,4; default: powers of two up to the cores.")
@click.option(
    "--budget",
    callback=_seconds,
    default="60s",
    show_default=True,
    metavar="SECONDS",
    help="The most time to spend, such as 90, 90s or 2m; it ends sooner where all is clear.",
)
@click.option(
    "--max-drop",
    type=FiniteRange(0),
    metavar="POINTS",
    help="Percentage points of accuracy a variant may lose against Keras; default: what its export allowed.",
)
@click.option("--min-accuracy", type=FiniteRange(0, 1), metavar="SHARE", help="Least share of right answers, 0..1.")
@click.option(
    "--p95", type=FiniteRange(0, min_open=True), metavar="MS", help="Most milliseconds that 95 of 100 frames may take."
)
@click.option("--data", metavar="DATA", help="Measure accuracy here, on this data set's test pictures.")
@click.option("--limit", type=click.IntRange(1), help="At most so many pictures of --data, every class in its share.")
@click.option(
    "--exhaustive", is_flag=True, help="Measure all in full afterwards, and say how far the choice is from the best."
)
@click.option("--image", type=click.Path(path_type=Path), help="A picture in place of the synthetic 640x480 frame.")
@spec_option
@click.option(
    "--profile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the profile to this .json file, in place of the user's own folder.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write a record to this .json file.")
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Of the order of measuring and of the synthetic frame."
)
@json_option
def command(
    model: str,
    variant: str,
    backend: str,
    threads: str | None,
    budget: float,
    max_drop: float | None,
    min_accuracy: float | None,
    p95: float | None,
    data: str | None,
    limit: int | None,
    exhaustive: bool,
    image: Path | None,
    spec: Path | None,
    profile: Path | None,
    out: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Find which variant, backend and number of threads is fastest on this device.

    What keeps the accuracy and the p95 asked for runs side by side, and the slower half leaves round by round. The
    choice is written to a device profile, which `onsight run` uses from then on. MODEL is a bundle, a model file, or
    `default`.
    """
    from onsight.bench_screen import progress_bar
    from onsight.tune_screen import show
    from onsight_benchmarks.record_file import check_writable, save_json
    from onsight_benchmarks.tuning.tune import tune
    from onsight_edge.device import describe_device
    from onsight_edge.profile import ProfiledDevice, identify, profile_path

    if limit is not None and data is None:
        raise UsageError("--limit is for --data")
    for flag, path in (("--out", out), ("--profile", profile)):
        if path is not None and path.suffix != ".json":
            raise UsageError(f"{flag} must name a .json file, not {path}")
    inputs = [model, *([str(image)] if image else []), *([data] if data else [])]
    check_outputs({"--out": out, "--profile": profile}, inputs)
    identity, device = identify(model), describe_device()
    target = profile or profile_path(identity, ProfiledDevice.of(device))
    for path in (target, out):
        if path is not None:
            check_writable(path)
    labelled = None if data is None else _labelled(model, spec, data, limit)
    with progress_bar() as tell:
        found = tune(
            model,
            variants=names(variant, "--variant"),
            backends=names(backend, "--backend"),
            threads=_powers(device.cores) if threads is None else counts(threads, "--threads", MAX_THREADS),
            budget_s=budget,
            max_drop=max_drop,
            min_accuracy=min_accuracy,
            p95_ms=p95,
            data=labelled,
            exhaustive=exhaustive,
            image=image,
            spec=spec,
            seed=seed,
            progress=tell,
        )
    if out is not None:
        save_json(out, found.report.to_json())
    if found.profile is not None:
        found.profile.save(target)
    if as_json:
        print_json({**found.report.to_json(), "profile": str(target) if found.profile else None})
    show(found, profile=target, record=out, chosen_file=profile is not None, as_json=as_json)
    if found.profile is None:
        fates = dict.fromkeys(f"{one.label} {one.because}" for one in found.tried)
        raise BenchmarkError(f"none of {len(found.tried)} combinations may be taken: {'; '.join(list(fates)[:3])}")


def _labelled(model: str, spec_file: Path | None, data: str, limit: int | None) -> Labelled:
    from onsight_benchmarks.tuning.accuracy import Labelled
    from onsight_edge.bundle import open_model

    spec = open_model(model, spec=spec_file, trusted=True).spec
    origin = exported_from(model)
    dataset = load_for(data, spec, float(origin.get("validation", 0.1)), int(origin.get("seed", 0)), limit)
    if not len(dataset.test):
        raise DataError(f"{dataset.name}: the test part holds no pictures")
    labels = map_labels(dataset.test.labels, dataset.classes, spec.classes)
    # a part of the pictures is not what Keras's figure in the report was measured on
    sha256 = dataset.sha256 if limit is None else ""
    return Labelled(dataset.name, sha256, dataset.test.images, labels)


def _powers(cores: int) -> list[int]:
    return [2**power for power in range(cores.bit_length()) if 2**power <= min(cores, MAX_THREADS)]
