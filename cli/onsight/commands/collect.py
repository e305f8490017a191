"""onsight collect: pictures of a camera into a class folder, for training."""

from __future__ import annotations

import signal
import sys
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from onsight.main import print_json
from onsight.options import FiniteRange, json_option
from onsight.outputs import check_outputs
from onsight_edge.errors import DataError, UsageError

if TYPE_CHECKING:
    from onsight_edge.collect import Saved
    from onsight_edge.frame import Notice


@click.command("collect")
@click.option("--source", "uri", required=True, metavar="URI", help="What `onsight run` takes: 0, clip.mp4, http://...")
@click.option("--label", required=True, metavar="CLASS", help="The class whose pictures these are.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="The data set; pictures go to FOLDER/CLASS/.",
)
@click.option("--count", type=click.IntRange(1), default=100, show_default=True, help="Pictures to save.")
@click.option(
    "--every",
    type=FiniteRange(0),
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    help="From one picture to the next.",
)
@click.option("--keep-alike", is_flag=True, help="Save pictures too that show the same as one of the class.")
@click.option(
    "--budget", type=click.IntRange(1), default=1024, show_default=True, metavar="MIB", help="Room for the whole set."
)
@click.option("--fps", type=FiniteRange(0, min_open=True), help="Ask a camera for this rate.")
@click.option("--size", metavar="WxH", help="Ask a camera for this size.")
@click.option(
    "--give-up", type=FiniteRange(0), metavar="SECONDS", help="End when a lost source stays away for so long."
)
@json_option
def command(
    uri: str,
    label: str,
    out: Path,
    count: int,
    every: float,
    keep_alike: bool,
    budget: int,
    fps: float | None,
    size: str | None,
    give_up: float | None,
    as_json: bool,
) -> int:
    """Save pictures of a camera, a video or a stream under a class name: a data set for `onsight train`.

    Ends after --count pictures, with the source, or on Ctrl-C. What shows the same as one of the class is left out.
    """
    from onsight_edge.collect import Collector, check_class_name
    from onsight_edge.collecting import Known, collect_frames, newest_files
    from onsight_edge.sources import open_source
    from onsight_edge.sources.source import Notifying, parse_size

    check_outputs({"--out": out}, [uri])
    try:
        label = check_class_name(label)
    except DataError as error:
        raise UsageError(f"--label {label!r}: {error}") from error
    size_wh = None if size is None else parse_size(size)
    collector = Collector(out, budget * 2**20)
    known = None if keep_alike else Known.of(newest_files(out / label))
    with closing(open_source(uri, fps=fps, size_wh=size_wh, give_up_s=give_up)) as source:
        if isinstance(source, Notifying):
            source.on_notice = _say
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def end(number: int, _: FrameType | None) -> None:
            signal.signal(number, before[signal.Signals(number)] or signal.SIG_DFL)  # a second one acts as ever
            source.close()

        for number in before:
            signal.signal(number, end)
        try:
            done = collect_frames(
                source, collector, label, count=count, every_s=every, known=known, on_saved=_Progress(count)
            )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)
    labels = collector.counts()
    if as_json:
        print_json(
            {
                "label": label,
                "frames": done.frames,
                "saved": done.saved,
                "alike": done.alike,
                "damaged": done.damaged,
                "labels": labels,
                "bytes": collector.used_bytes(),
            }
        )
    else:
        left_out = f"; {done.alike} left out, which show nothing new" if done.alike else ""
        print(f"{done.saved} pictures of {label} saved in {out / label}{left_out}", file=sys.stderr)
        print(
            f"{out}: " + (", ".join(f"{name} {number}" for name, number in labels.items()) or "empty"), file=sys.stderr
        )
    return 0 if done.saved else 1


class _Progress:
    """A line that renews itself on a terminal; elsewhere none."""

    def __init__(self, count: int) -> None:
        self._count, self._done = count, 0
        self._terminal = sys.stderr.isatty()

    def __call__(self, saved: Saved) -> None:
        self._done += 1
        if self._terminal:
            end = "\n" if self._done == self._count else ""
            print(f"\r{self._done} of {self._count}: {saved.path.name}\033[K", end=end, file=sys.stderr, flush=True)


def _say(notice: Notice) -> None:
    print(f"{'over' if notice.over else 'notice'}: {notice.text}", file=sys.stderr)
