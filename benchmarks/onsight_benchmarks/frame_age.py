"""How old frames are at a sink that takes 100 ms, at 30 fps: the live loop beside a naive FIFO loop.

Both loops run in one process, one after the other, on the same synthetic source and model. `published`: the age of a
frame when its result left the classifier. `delivered`: its age when the slow sink was handed the result. The naive
loop reads frames into an unbounded queue and classifies and writes them one after the other, as scripts do.

The sink's 100 ms against the camera's 33 ms drift past each other, so a delivered age sways within one frame interval
without growing; that interval is the tolerance of the comparison.
"""

from __future__ import annotations

import argparse
import queue
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.stats import Summary, summarise
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BenchmarkError, UsageError
from onsight_edge.frame import Frame, Result
from onsight_edge.live import run_live
from onsight_edge.sinks.sink import RunInfo
from onsight_edge.sources import open_source

SECONDS = 20.0
FPS = 30.0
SINK_MS = 100.0
_WINDOWS = 4  # the run in quarters: the first 5 s, after 5 s, ..., the last 5 s of 20


@dataclass(slots=True)
class Ages:
    """A sink that notes how old each frame was when it got the result, and then takes its time.

    Attributes:
        name, wants_image, backlog: see `Sink`.
        sink_ms: how long one write takes.
        started_ns: when the run began.
        delivered: (seconds since the run began, age in ms) of each frame handed to it.
        published: the same when its result left the classifier.
    """

    name: str
    sink_ms: float
    wants_image: bool = False
    backlog: int = 1
    started_ns: int = 0
    delivered: list[tuple[float, float]] = field(default_factory=list)
    published: list[tuple[float, float]] = field(default_factory=list)

    def open(self, info: RunInfo) -> None:
        """Begin to count time."""
        self.started_ns = time.monotonic_ns()

    def write(self, result: Result) -> None:
        """Note the ages, then take `sink_ms`."""
        self.note(result.frame.captured_ns, result.published_ns)

    def note(self, captured_ns: int, published_ns: int) -> None:
        """Note the ages of a frame captured and published at these times, then take `sink_ms`."""
        now = time.monotonic_ns()
        self.delivered.append(((now - self.started_ns) / 1e9, (now - captured_ns) / 1e6))
        self.published.append(((published_ns - self.started_ns) / 1e9, (published_ns - captured_ns) / 1e6))
        if self.sink_ms:
            time.sleep(self.sink_ms / 1e3)

    def close(self) -> None:
        """Nothing to finish."""


def measure(
    model: str | Path = "default",
    *,
    variant: str | None = None,
    seconds: float = SECONDS,
    fps: float = FPS,
    sink_ms: float = SINK_MS,
) -> Report:
    """Measure frame ages.

    Args:
        model, variant: any model; `default` is the shipped one.
        seconds: length of each of the two runs.
        fps: of the synthetic camera.
        sink_ms: what the slow sink takes for one result.

    Raises:
        UsageError: a number makes no sense. BenchmarkError: a quarter of the run delivered nothing.
    """
    if seconds <= 0 or sink_ms < 0:
        raise UsageError("--seconds must be above 0 and --sink-ms not negative")
    uri = f"synthetic://?fps={fps:g}&size=640x480"
    with Classifier.open(model, variant=variant) as classifier:
        file = classifier.model
        assert file is not None  # Classifier.open gave it
        watch = Watch()
        naive = _run_naive(uri, classifier, seconds, sink_ms)
        slow, every = Ages("slow", sink_ms), Ages("every", 0.0, backlog=64)
        summary = run_live(open_source(uri), classifier, [slow, every], policy="latest", seconds=seconds)
    ages = {
        "onsight": {"published": every.published, "delivered": slow.delivered},
        "naive": {"published": naive.published, "delivered": naive.delivered},
    }
    results: dict[str, Any] = {
        loop: {point: _windows(values, seconds, f"{loop} {point}") for point, values in points.items()}
        for loop, points in ages.items()
    }
    results["captured"], results["classified"] = summary.captured, summary.classified
    results["growth_ms"] = {loop: _growth(results[loop]["delivered"]) for loop in ages}
    results["values_ms"] = {
        loop: {point: [[round(at, 3), round(age, 3)] for at, age in values] for point, values in points.items()}
        for loop, points in ages.items()
    }
    return finish(
        "frame_age",
        watch,
        method={
            "model": describe_model(file),
            "source": uri,
            "fps": fps,
            "sink_ms": sink_ms,
            "seconds": seconds,
            "window_s": seconds / _WINDOWS,
            "order": "naive loop, then onsight's",
        },
        results=results,
        targets=(
            Target(
                "median delivered age of the last quarter minus that of the second, ms",
                results["growth_ms"]["onsight"],
                round(1000 / fps, 3),
            ),
        ),
        objections=() if seconds >= SECONDS else (f"the run took {seconds:g} s; {SECONDS:g} are needed",),
    )


def _run_naive(uri: str, classifier: Classifier, seconds: float, sink_ms: float) -> Ages:
    source = open_source(uri)
    frames: queue.Queue[Frame | None] = queue.Queue()

    def read() -> None:
        while (frame := source.read()) is not None:
            frames.put(frame)
        frames.put(None)

    sink = Ages("naive", sink_ms, started_ns=time.monotonic_ns())
    reader = threading.Thread(target=read, name="naive source", daemon=True)
    reader.start()
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until and (frame := frames.get()) is not None:
            classifier.classify(frame.image_bgr)
            sink.note(frame.captured_ns, time.monotonic_ns())
    finally:
        source.close()
        reader.join(5)
    return sink


def _windows(values: list[tuple[float, float]], seconds: float, what: str) -> dict[str, Summary]:
    length = seconds / _WINDOWS
    found: dict[str, Summary] = {}
    for number, name in enumerate(("first", "second", "third", "last")):
        ages = [age for at, age in values if number * length <= at < (number + 1) * length]
        if not ages:
            raise BenchmarkError(f"the {name} quarter of the run has no {what} frame: take more --seconds")
        found[name] = summarise(ages, digits=3)
    return found


def _growth(windows: dict[str, Summary]) -> float:
    return round(windows["last"].p50 - windows["second"].p50, 3)


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="default", help="a model file or a bundle; default: the shipped")
    parser.add_argument("--variant", help="which of a bundle's variants")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each run (%(default)s)")
    parser.add_argument("--fps", type=float, default=FPS, help="of the synthetic camera (%(default)s)")
    parser.add_argument("--sink-ms", type=float, default=SINK_MS, help="what the sink takes (%(default)s)")
    options = parser.parse_args()
    report = measure(
        options.model, variant=options.variant, seconds=options.seconds, fps=options.fps, sink_ms=options.sink_ms
    )
    lines = []
    for loop, point in (("onsight", "published"), ("onsight", "delivered"), ("naive", "delivered")):
        windows = report.results[loop][point]
        quarters = ", ".join(f"{name} {one.p50:.1f}/{one.p90:.1f}/{one.p99:.1f}" for name, one in windows.items())
        lines.append(f"{loop} {point} age ms p50/p90/p99 by quarter: {quarters}")
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
