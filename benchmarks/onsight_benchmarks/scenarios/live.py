"""live: a camera at its own pace through the real live loop, one combination after the other, in an order drawn anew.

What counts is the 90th percentile of a frame's age when a result of it, or of a newer frame, was published; from the
time at which the camera's clock called for it, for every frame that it called for (see onsight_benchmarks.camera): a
source or a loop that stalls shows as age, and as frames that are missing or dropped, never as silence.

Stages: `capture` from due to delivered, `decode` of files (taken out of `capture`; a camera's own decoding is in it),
`wait` in the latest-frame slot, then the classifier's, and `publish` from the result to a sink's own thread;
`end_to_end` is from due to that sink. They are those of the frames that were answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from onsight_benchmarks.camera import Camera, ages_ns, open_camera
from onsight_benchmarks.measurement import Frames, Scenario
from onsight_benchmarks.plan import Combination
from onsight_benchmarks.scenarios.outcome import Outcome, Setup
from onsight_benchmarks.stats import percentile, summarise
from onsight_edge.errors import BenchmarkError
from onsight_edge.frame import Result
from onsight_edge.live import TimedClassifier, run_live
from onsight_edge.sinks.sink import RunInfo

NAME = "live"
LEAST_CAPTURED = 0.99  # of the frames that were due
_PATIENCE_S = 30.0  # beyond the time that the camera's clock needs


@dataclass(slots=True)
class _Arrivals:
    """A sink that notes each result, and when it was handed over."""

    name: str = "arrivals"
    wants_image: bool = False
    backlog: int = 1
    taken: list[tuple[Result, int]] = field(default_factory=list)

    def open(self, info: RunInfo) -> None:
        """Nothing to prepare."""

    def write(self, result: Result) -> None:
        """Note the result."""
        self.taken.append((result, time.monotonic_ns()))

    def close(self) -> None:
        """Nothing to finish."""


def prepare(combinations: Sequence[Combination], setup: Setup) -> Callable[[], list[Outcome]]:
    """See `scenarios.Prepare`."""
    each = setup.iterations
    if each is None:
        assert setup.seconds is not None  # one of the two is always given
        each = max(1, round(setup.seconds * setup.fps / len(combinations)))
    for one in combinations:
        for _ in range(setup.warmup):
            one.classifier.classify_timed(setup.frame)

    def measure() -> list[Outcome]:
        order = setup.rng.sample(range(len(combinations)), len(combinations))
        found: dict[int, Outcome] = {}
        for done, index in enumerate(order):
            setup.tell("live", done / len(order))
            one = combinations[index]
            found[index] = run_camera(one, one.classifier, open_camera(setup.source, setup.fps, each))
        return [found[index] for index in range(len(combinations))]

    return measure


def run_camera(combination: Combination, classifier: TimedClassifier, camera: Camera) -> Outcome:
    """Run the live loop on a camera until its clock has called for all its frames.

    Args:
        combination: what is measured.
        classifier: its own, or one around it.
        camera: open; closed here.

    Raises:
        SourceError: the camera failed.
        BenchmarkError: nothing was answered.
    """
    sink = _Arrivals(backlog=camera.frames)
    summary = run_live(camera, classifier, [sink], policy="latest", seconds=camera.seconds + _PATIENCE_S)
    end_ns = time.monotonic_ns()
    camera.end(end_ns)
    if not sink.taken:
        raise BenchmarkError(f"{camera.uri}: not one frame was answered in {camera.seconds:.1f} s")
    results = [result for result, _ in sink.taken]
    due = np.asarray(camera.due_ns, np.int64)
    numbers = [result.frame.index for result in results]
    due_of = due[numbers]
    arrived = np.asarray([camera.arrived_ns[number] for number in numbers], np.int64)
    asked = np.asarray([camera.asked_ns[number] for number in numbers], np.int64)
    reading = {"capture": asked - due_of, "decode": arrived - asked}
    published = np.asarray([result.published_ns for result in results], np.int64)
    handed = np.asarray([at for _, at in sink.taken], np.int64)
    worked = np.asarray([result.timings.total_ns for result in results], np.int64)
    ages = ages_ns(due, [(result.frame.index, result.published_ns) for result in results], end_ns)
    ordered = np.sort(ages) / 1e6
    # the clock's last period counts, so that a camera at 30 fps which misses nothing gives 30 results a second
    took_ns = max(int(published[-1]) - int(due[0]), round(1e9 * len(due) / (camera.fps or 1.0)))
    frames = Frames(len(due), summary.captured, summary.classified, summary.dropped)
    return Outcome(
        combination=combination,
        scenario=Scenario(NAME, 1, len(due), "age_p90_ms", round(percentile(ordered, 90), 6)),
        stages_ns={
            **(reading if camera.decodes else {"capture": arrived - due_of}),
            "wait": np.maximum(published - worked - arrived, 0),
            "preprocess": np.asarray([result.timings.preprocess_ns for result in results], np.int64),
            "inference": np.asarray([result.timings.inference_ns for result in results], np.int64),
            "postprocess": np.asarray([result.timings.postprocess_ns for result in results], np.int64),
            "publish": handed - published,
            "end_to_end": handed - due_of,
            "age": ages,
        },
        pictures=summary.classified,
        seconds=took_ns / 1e9,
        age_ms=summarise(ordered, digits=6),
        frames=frames,
        objections=_objections(frames),
    )


def _objections(frames: Frames) -> tuple[str, ...]:
    if frames.captured < LEAST_CAPTURED * frames.due:
        return (
            f"the camera delivered {frames.captured} of the {frames.due} frames that its clock called for: it stalled, "
            "or cannot keep that rate",
        )
    return ()
