"""onsight run: classify a camera, a video or a stream, live."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from onsight.configuration import config_option
from onsight.deciding import deciding_options
from onsight.judging import open_judge
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
from onsight.reloading import Reloader, Repeatable, reload_on_hangup, say_on_stderr
from onsight.run_screen import print_summary, say_start
from onsight.serving import Serving, make_web, say_where, serving_of, web_options
from onsight.sinking import Outputs, make_sinks, outputs_of, sink_options
from onsight.tuned import profile_options

if TYPE_CHECKING:
    from onsight_edge.live import Policy
    from onsight_edge.sinks import RunInfo, Sink


@click.command(name="run", cls=Repeatable)
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
@profile_options
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
@sink_options
@web_options
@config_option
@json_option
@click.pass_context
def command(
    call: click.Context,
    /,
    model: str,
    uri: str,
    fps: float | None,
    size: str | None,
    loop: bool,
    seconds: float | None,
    frames: int | None,
    policy: Policy,
    give_up: float | None,
    outputs: Outputs,
    serving: Serving,
    config: Path | None,
    as_json: bool,
    **_judging: object,  # of these flags `open_judge` makes something, here and when they are read again
) -> int:
    """Classify a camera, a video or a stream with MODEL, live.

    Ends with the source, after --seconds or --frames, or on Ctrl-C or SIGTERM: with a summary, and with whole files.
    """
    check_call(call)
    # signals are heard from here on, also while the model loads
    reloader = Reloader(call, say_on_stderr)
    with _stop_on_signals() as stop, reload_on_hangup(reloader, stop):
        from onsight_edge.control import Control
        from onsight_edge.live import run_live
        from onsight_edge.memory import few_heaps
        from onsight_edge.sources import open_source
        from onsight_edge.sources.source import parse_size

        few_heaps()
        size_wh = None if size is None else parse_size(size)
        sinks = [*make_sinks(outputs), *_service_sink()]
        # the source first: it fails sooner than a model loads, and says so in one line
        source = open_source(uri, fps=fps, size_wh=size_wh, loop=loop, give_up_s=give_up)
        with closing(source), closing(open_judge(call, source.size_wh, quiet=outputs.quiet)) as judge:
            control = Control(judge)
            web = make_web(serving, control, source, config)

            def on_start(info: RunInfo) -> None:
                if not outputs.quiet:
                    say_start(info)
                if web is not None:
                    say_where(web, serving)

            with reloader.answering(control, source.size_wh):
                summary = run_live(
                    source,
                    judge.classifier,
                    sinks if web is None else [web, *sinks],
                    policy=policy,
                    seconds=seconds,
                    frames=frames,
                    stop=stop,
                    on_start=on_start,
                    decider=judge.decider,
                    sentinel=judge.sentinel,
                    control=control,
                )
    if as_json:
        print_json(summary.to_json())
    elif not outputs.quiet:
        print_summary(summary)
    failed = [sink for sink in summary.sinks if sink.error is not None]
    for sink in failed:
        print(f"onsight: {sink.name}: {sink.error}", file=sys.stderr)
    return 1 if any(sink.name != "status" for sink in failed) else 0


def check_call(call: click.Context) -> None:
    """Refuse a call that makes no sense before anything is opened or written.

    Raises:
        UsageError: outputs would destroy each other or what is read, or flags do nothing. MissingExtraError: what an
            output needs is not installed.
    """
    outputs, serving = outputs_of(call.params), serving_of(call.params)
    check_outputs({**outputs.targets, **serving.targets}, files_read(call))
    outputs.check(as_json=call.params["as_json"])
    serving.check()


def files_read(call: click.Context) -> list[str | Path]:
    """What a call reads, as it was typed; not all of it are files."""
    named = [call.params[name] for name in ("model", "uri", "spec", "profile", "config")]
    own = (*outputs_of(call.params).network.files, *serving_of(call.params).files)
    return [one for one in (*named, *own) if one is not None]


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


def _service_sink() -> list[Sink]:
    """What tells systemd that frames flow, where systemd started this process and asked for it."""
    if "NOTIFY_SOCKET" not in os.environ:
        return []
    from onsight_edge.sdnotify import Notifier
    from onsight_edge.sinks.systemd import SystemdSink

    notifier = Notifier.from_environment()
    return [] if notifier is None else [SystemdSink(notifier)]
