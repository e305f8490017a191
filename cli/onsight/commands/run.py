"""onsight run: classify a camera, a video or a stream, live."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from onsight.deciding import deciding_options, make_decider, make_sentinel
from onsight.main import print_json
from onsight.options import (
    FiniteRange,
    backend_option,
    json_option,
    looking_options,
    spec_option,
    threads_option,
    variant_option,
)
from onsight.outputs import check_outputs
from onsight.region import Looking, Roi
from onsight_edge.errors import UsageError

if TYPE_CHECKING:
    from onsight_edge.classifier import Classifier
    from onsight_edge.live import Policy
    from onsight_edge.sinks import RunInfo, Sink
    from onsight_edge.spec import Flip, Rotate
    from onsight_edge.summary import LiveSummary, Percentiles


@click.command(name="run")
@click.argument("model", default="default")
@click.option(
    "--source",
    "uri",
    required=True,
    metavar="URI",
    help="0, /dev/video0, csi://0, picamera://0, clip.mp4, photo.jpg, folder/, watch://folder, pipe:, http://..., "
    "rtsp://..., dataset://cifar10, synthetic://",
)
@variant_option
@backend_option
@threads_option
@spec_option
@click.option("--threshold", type=FiniteRange(0, 1), help="Answers scored below it are `unknown`.")
@click.option(
    "--fps",
    type=FiniteRange(0, min_open=True),
    help="Ask a camera for this rate; play a file at it as if it were live.",
)
@click.option("--size", metavar="WxH", help="Ask a camera for this size; size of synthetic and data set frames.")
@click.option("--loop", is_flag=True, help="Begin again at the end of a file, a folder or a data set.")
@click.option("--seconds", type=FiniteRange(0, min_open=True), help="End after so many seconds.")
@click.option("--frames", type=click.IntRange(1), help="End after so many classified frames.")
@click.option(
    "--policy",
    type=click.Choice(["auto", "latest", "every"]),
    default="auto",
    show_default=True,
    help="latest drops frames it has no time for, every loses none; auto: latest for live sources.",
)
@click.option(
    "--give-up",
    type=FiniteRange(0),
    metavar="SECONDS",
    help="End when a lost camera or stream stays away for so long; without it, never.",
)
@looking_options
@deciding_options
@click.option(
    "--events", metavar="FILE", help="Append a line of JSON where the decision changes; - is standard output."
)
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="Classes in a line of --jsonl.")
@click.option("--jsonl", metavar="FILE", help="Write each result as a line of JSON; - is standard output.")
@click.option("--mp4", type=click.Path(path_type=Path), metavar="FILE", help="Write an annotated video.")
@click.option("--window", is_flag=True, help="Show a window; q ends the run.")
@click.option("--quiet", is_flag=True, help="No status line and no summary.")
@json_option
def command(
    model: str,
    uri: str,
    variant: str | None,
    backend: str,
    threads: int,
    spec: Path | None,
    threshold: float | None,
    fps: float | None,
    size: str | None,
    loop: bool,
    seconds: float | None,
    frames: int | None,
    policy: Policy,
    give_up: float | None,
    roi: Roi | None,
    rotate: Rotate | None,
    flip: Flip | None,
    smooth: float | None,
    agree: int | None,
    hysteresis: float | None,
    no_sentinel: bool,
    events: str | None,
    top: int,
    jsonl: str | None,
    mp4: Path | None,
    window: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Classify a camera, a video or a stream with MODEL, live.

    Ends with the source, after --seconds or --frames, or on Ctrl-C or SIGTERM: with a summary, and with whole files.
    """
    to_stdout = [
        flag
        for flag, asked in (("--json", as_json), ("--jsonl -", jsonl == "-"), ("--events -", events == "-"))
        if asked
    ]
    if len(to_stdout) > 1:
        raise UsageError(f"{' and '.join(to_stdout)} both write to standard output: give all but one a file")
    check_outputs({"--jsonl": jsonl, "--mp4": mp4, "--events": events}, [uri, model])
    # signals from here on end the run, also while the model loads
    with _stop_on_signals() as stop:
        from onsight_edge.classifier import Classifier
        from onsight_edge.live import run_live
        from onsight_edge.sources import is_continuous, open_source
        from onsight_edge.sources.source import parse_size

        size_wh = None if size is None else parse_size(size)
        sinks = _sinks(jsonl=jsonl, top=top, events=events, mp4=mp4, window=window, status=not quiet)
        # the source first: it fails sooner than a model loads, and says so in one line
        source = open_source(uri, fps=fps, size_wh=size_wh, loop=loop, give_up_s=give_up)
        with (
            closing(source),
            Classifier.open(model, variant=variant, backend=backend, threads=threads, spec=spec) as opened,
        ):
            _self_test(opened)
            wanted = Looking(roi, rotate, flip).applied(opened.spec, source.size_wh)
            if threshold is not None:
                wanted = replace(wanted, threshold=threshold)
            judge = opened if wanted is opened.spec else opened.with_spec(wanted)
            summary = run_live(
                source,
                judge,
                sinks,
                policy=policy,
                seconds=seconds,
                frames=frames,
                stop=stop,
                on_start=None if quiet else _say_start,
                decider=make_decider(
                    judge, smooth=smooth, agree=agree, hysteresis=hysteresis, continuous=is_continuous(uri)
                ),
                sentinel=make_sentinel(judge, wanted=not no_sentinel),
            )
    if as_json:
        print_json(summary.to_json())
    elif not quiet:
        _print_summary(summary)
    failed = [sink for sink in summary.sinks if sink.error is not None]
    for sink in failed:
        print(f"onsight: {sink.name}: {sink.error}", file=sys.stderr)
    return 1 if any(sink.name != "status" for sink in failed) else 0


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second one of the same kind acts as it did before."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)] or signal.SIG_DFL)

    for number in before:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _self_test(classifier: Classifier) -> None:
    """Replay the bundle's golden samples, if it has any: what this device computes must be what was exported."""
    if classifier.model is not None and classifier.model.golden is not None:
        from onsight_edge.golden import FILE, load_golden, replay

        bundle = classifier.model.bundle
        replay(classifier, load_golden(classifier.model.golden, str(bundle / FILE) if bundle else FILE))


def _sinks(
    *, jsonl: str | None, top: int, events: str | None, mp4: Path | None, window: bool, status: bool
) -> list[Sink]:
    sinks: list[Sink] = []
    if jsonl is not None:
        from onsight_edge.sinks.jsonl import JsonlSink

        sinks.append(JsonlSink(jsonl, top))
    if events is not None:
        from onsight_edge.sinks.events import EventsSink

        sinks.append(EventsSink(events))
    if mp4 is not None:
        from onsight_edge.sinks.mp4 import Mp4Sink

        sinks.append(Mp4Sink(mp4))
    if window:
        from onsight_edge.sinks.window import WindowSink

        sinks.append(WindowSink())
    if status:  # last, so that no status line begins when another sink cannot be opened
        from onsight_edge.sinks.status import StatusSink

        sinks.append(StatusSink())
    return sinks


def _say_start(info: RunInfo) -> None:
    size = f" {info.size_wh[0]}x{info.size_wh[1]}" if info.size_wh else ""
    rate = f" at {info.fps:g} fps" if info.fps else ""
    print(f"{info.model} on {info.source}{size}{rate}; Ctrl-C ends", file=sys.stderr)


def _print_summary(summary: LiveSummary) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    health = summary.health
    damaged = "".join(
        f", {count} {what}"
        for count, what in (
            (health.skipped, "damaged"),
            (health.frozen, "frozen"),
            (health.resized, "changes of size"),
            (health.reopened, "times lost and back"),
        )
        if count
    )
    table.add_row(
        "frames",
        f"{summary.classified} classified, {summary.dropped} dropped of {summary.captured}{damaged} "
        f"in {summary.seconds:.1f} s, {summary.fps:.1f} fps",
    )
    table.add_row("frame age", _milliseconds(summary.age_ms))
    for name, stage in (
        ("preprocess", summary.preprocess_ms),
        ("inference", summary.inference_ms),
        ("postprocess", summary.postprocess_ms),
    ):
        table.add_row(name, _milliseconds(stage))
    if summary.accuracy is not None:
        table.add_row("accuracy", f"{summary.accuracy:.1%} ({summary.correct} of {summary.judged})")
    if summary.rejected:
        accepted = summary.accuracy_accepted
        of_them = "" if accepted is None else f"; accuracy of the others {accepted:.1%}"
        table.add_row("unknown", f"{summary.rejected} of {summary.classified}{of_them}")
    if summary.decisions is not None:
        table.add_row("decisions", f"{summary.decisions} changes")
    most = list(summary.labels.items())[:5]
    more = f", and {len(summary.labels) - 5} more" if len(summary.labels) > 5 else ""
    table.add_row("answers", ", ".join(f"{label} {count}" for label, count in most) + more)
    for sink in summary.sinks:
        if sink.name not in ("status", "events"):
            lost = f", {sink.dropped} dropped" if sink.dropped else ""
            table.add_row(sink.name, f"{sink.written} written{lost}")
    Console(stderr=True, highlight=False).print(table)


def _milliseconds(values: Percentiles | None) -> str:
    if values is None:
        return "-"
    return f"p50 {values.p50:.2f} ms, p90 {values.p90:.2f}, p99 {values.p99:.2f}"
