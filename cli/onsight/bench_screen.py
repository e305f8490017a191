"""What `onsight bench` shows: a progress bar, tables by scenario, and remarks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from onsight.bench_against import against_lines, against_table

if TYPE_CHECKING:
    from rich.table import Table

    from onsight_benchmarks.measurement import Measurement
    from onsight_benchmarks.record import Record
    from onsight_benchmarks.stats import Ratio


class progress_bar:
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


def print_record(record: Record, out: Path | None, *, to_stderr: bool, table: bool) -> None:
    """Print a record's tables where `table`, then its ratios and every remark."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)
    if table:
        wide = None if sys.stdout.isatty() else 100  # a pipe has no width; cut names would be of no use there
        Console(width=wide).print(*latency_tables(record))
        if record.against is not None:
            Console(width=wide).print(against_table(record.against))
        for line in _ratios(record):
            console.print(line)
    for line in against_lines(record.against) if record.against is not None else ():
        console.print(escape(line))
    for line in (
        *_over_minutes(record),
        *_energy(record),
        *_meanwhile(record),
        *_beside_loadgen(record),
        *_short_runs(record),
    ):
        console.print(line)
    for backend, reason in dict.fromkeys((one.backend, one.reason) for one in record.skipped):
        variants = ", ".join(o.variant for o in record.skipped if (o.backend, o.reason) == (backend, reason))
        console.print(escape(f"skipped {backend} ({variants}): {reason}"))
    for reason in record.invalid_because:
        console.print(f"[yellow]not valid:[/yellow] {escape(reason)}")
    if out is not None:
        console.print(f"record: {escape(str(out))}")


def _ratios(record: Record) -> list[str]:
    whole = {(one.of, one.to): one.ratio for one in record.comparisons if one.stage == "end_to_end"}
    return [
        f"{one.of} takes {one.ratio} of the inference time of {one.to} ({_answer(one.ratio)}); "
        f"with pre- and postprocessing {whole[one.of, one.to]}"
        for one in record.comparisons
        if one.stage == "inference"
    ]


def _answer(ratio: Ratio) -> str:
    from onsight_benchmarks.verdict import LEAST_ROUNDS, judge

    return judge(ratio).answer if ratio.rounds >= LEAST_ROUNDS else "too few rounds to tell"


def _over_minutes(record: Record) -> list[str]:
    from onsight_benchmarks.sustained import in_words

    return [in_words(one.label, one.sustained) for one in record.measurements if one.sustained is not None]


def _energy(record: Record) -> list[str]:
    lines = []
    for one in record.measurements:
        used = one.energy
        if used is not None:
            idle = "" if used.idle_watts is None else f"; idle before: {used.idle_watts:.2f} W"
            lines.append(f"{one.label}: {used.mj_per_picture:.3g} mJ a picture, all that {used.sensor} sees{idle}")
    return lines


def _meanwhile(record: Record) -> list[str]:
    """What was seen of the device; nothing where it tells nothing."""
    seen = record.conditions.series
    if seen is None:
        return []
    parts = [
        _from_to(values, unit)
        for values, unit in ((seen.temperature_c, "°C"), (seen.mhz, "MHz"), (seen.power_w, "W"))
        if values is not None
    ]
    governors = dict.fromkeys(name for name in seen.governor or () if name is not None)
    return [f"the device meanwhile: {', '.join([*parts, *governors])}"] if parts or governors else []


def _from_to(values: Sequence[float | None], unit: str) -> str:
    known = [value for value in values if value is not None]
    low, high = (f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in (min(known), max(known)))
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _beside_loadgen(record: Record) -> list[str]:
    """What LoadGen found beside what was measured within its queries."""
    lines = []
    for one in record.measurements:
        scenario, whole = one.scenario, one.latency_ms["end_to_end"]
        if scenario is None or scenario.loadgen is None or whole is None:
            continue
        ours = {"p90_ms": whole.p90, "p99_ms": whole.p99, "pictures_per_s": one.throughput_fps}[scenario.metric]
        metric, unit = ("pictures/s", "") if scenario.metric == "pictures_per_s" else (scenario.metric[:3], " ms")
        lines.append(
            f"{one.label}: LoadGen {scenario.loadgen} found {metric} {scenario.value:.4g}{unit}; "
            f"within its queries {ours:.4g}{unit} were measured"
        )
    return lines


def _short_runs(record: Record) -> list[str]:
    """What was measured with too few queries for LoadGen's estimate: one line a scenario."""
    short: dict[tuple[str, int], int] = {}
    for one in record.measurements:
        scenario = one.scenario
        if scenario is not None and scenario.min_queries is not None and scenario.early_stopping is None:
            metric = scenario.metric.removesuffix("_ms")
            short[metric, scenario.min_queries] = min(
                scenario.queries, short.get((metric, scenario.min_queries), scenario.queries)
            )
    return [
        f"no early-stopping estimate of the {metric}: {queries} queries were measured, {least} are the least for it"
        for (metric, least), queries in short.items()
    ]


def latency_tables(record: Record) -> list[Table]:
    """Rich tables of a record's measurements that fit 80 columns; times in milliseconds, memory in MiB."""
    kinds = {one.scenario.name if one.scenario else "single-stream" for one in record.measurements}
    tables = [_table(record, *_TABLES[kind]) for kind in _TABLES if kind in kinds]
    if "live" in kinds:
        tables.append(_table(record, "where the time went, p50 ms", tuple(_STAGES), _stages, _STAGES_SAID))
    if any(one.init_ms is not None for one in record.measurements):
        tables.append(_table(record, "in a fresh process", ("init ms", "first ms", "RSS MiB", "peak"), _start, ""))
    return tables


def _table(
    record: Record, title: str, headings: tuple[str, ...], row: Callable[[Measurement], list[str]], caption: str
) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0), caption=caption or None)
    for name in ("variant", "backend"):
        table.add_column(name, overflow="fold")  # where it is tight names break, numbers never
    for name in ("thr", *headings):
        table.add_column(name, justify="right", no_wrap=True)
    rows = ((one.model.variant, one.backend.name, str(one.backend.threads), *row(one)) for one in record.measurements)
    for cells in dict.fromkeys(rows):  # a fresh process is the same for every batch
        table.add_row(*cells)
    return table


def _times(one: Measurement) -> list[str]:
    whole, inference = one.latency_ms["end_to_end"], one.latency_ms["inference"]
    assert whole is not None and inference is not None  # every latency record has these stages
    values = (whole.p50, whole.p90, whole.p99)
    return [*(f"{value:.3f}" for value in values), _early(one), f"{inference.p50:.3f}", f"{one.throughput_fps:.0f}"]


def _queries(one: Measurement) -> list[str]:
    whole = one.latency_ms["end_to_end"]
    assert whole is not None
    values = (whole.p50, whole.p90, whole.p99)
    return [str(one.batch), *(f"{value:.3f}" for value in values), _early(one), f"{one.throughput_fps:.0f}"]


def _throughput(one: Measurement) -> list[str]:
    whole = one.latency_ms["end_to_end"]
    assert whole is not None and one.scenario is not None
    return [str(one.batch), f"{one.scenario.value:.0f}", f"{whole.p50:.3f}", f"{whole.p50 / one.batch:.3f}"]


def _ages(one: Measurement) -> list[str]:
    age, frames = one.age_ms, one.frames
    assert age is not None and frames is not None  # every live measurement has both
    counts = (frames.due, frames.due - frames.captured, frames.dropped)
    return [*(f"{value:.2f}" for value in (age.p50, age.p90, age.p99)), *map(str, counts)]


def _stages(one: Measurement) -> list[str]:
    found = [one.latency_ms.get(name) for name in _STAGES.values()]
    return ["-" if stage is None else f"{stage.p50:.3f}" for stage in found]


def _early(one: Measurement) -> str:
    return "-" if one.scenario is None or one.scenario.early_stopping is None else f"{one.scenario.early_stopping:.3f}"


def _start(one: Measurement) -> list[str]:
    values = ((one.init_ms, 1), (one.first_ms, 2), (one.rss_mib, 0), (one.rss_peak_mib, 0))
    return ["-" if value is None else f"{value:.{digits}f}" for value, digits in values]


_STAGES = {  # heading -> stage
    "capture": "capture",
    "decode": "decode",
    "wait": "wait",
    "pre": "preprocess",
    "infer": "inference",
    "post": "postprocess",
    "publish": "publish",
}
_STAGES_SAID = "capture: due to delivered; wait: in the latest-frame slot; publish: result to sink"
_TABLES = {
    "single-stream": (
        "single-stream, ms: one frame after the other; p90 counts",
        ("p50", "p90", "p99", "p90 <=", "inference", "fps"),
        _times,
        "thr: threads; p50, p90, p99: end to end; p90 <=: LoadGen's early-stopping estimate; inference: its p50",
    ),
    "multi-stream": (
        "multi-stream, ms: several frames a query; p99 counts",
        ("batch", "p50", "p90", "p99", "p99 <=", "fps"),
        _queries,
        "thr: threads; batch: pictures a call; p99 <=: LoadGen's early-stopping estimate; fps: pictures a second",
    ),
    "offline": (
        "offline: all frames are there; pictures/s counts",
        ("batch", "pictures/s", "batch ms", "picture ms"),
        _throughput,
        "thr: threads; batch ms: p50 of one call, end to end; picture ms: that by the batch",
    ),
    "live": (
        "live, ms: age of frames from due to result; p90 counts",
        ("age p50", "p90", "p99", "due", "missing", "dropped"),
        _ages,
        "due: frames that the camera's clock called for; missing: not delivered; dropped: overwritten unseen",
    ),
}
