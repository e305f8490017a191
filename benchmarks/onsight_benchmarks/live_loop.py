"""What the live loop adds to its stages: saturated, paced, and with slow sinks, beside a naive two-thread loop.

Saturated: a source that delivers as fast as it is read. A loop whose threads never wait for each other makes
1 / (mean of the slowest stage) results a second; the efficiency is what it reaches of that, with the stages' means
taken in the same run. The naive loop reads into a queue of one in a thread and classifies in another. The two take
turns, round by round, on the same video file and model.

Paced: a camera at 30 fps; out/in is results over frames. Slow sinks: the age of a frame when a sink that takes so long
for each result is handed it, against one inference and 1.2 frame periods; the first third of the run against the last.
"""

from __future__ import annotations

import argparse
import queue
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.frame_age import Ages
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.stats import summarise
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BenchmarkError, UsageError
from onsight_edge.frame import Frame, Prediction, Timings
from onsight_edge.live import run_live
from onsight_edge.sources import Source, open_source
from onsight_edge.sources.synthetic import SyntheticSource

ROUNDS = 9
FRAMES = 1500
SECONDS = 15.0
FPS = 30.0
SINKS_MS = (0.0, 20.0, 100.0, 400.0)
LEAST_EFFICIENCY = 0.90
LEAST_OUT_IN = 0.99
PERIODS = 1.2
_SIZE_WH = (640, 480)


class _TimedSource:
    """A source that notes how long each read took; everything else is the inner one's."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.uri, self.live, self.health = source.uri, source.live, source.health
        self.fps, self.size_wh = source.fps, source.size_wh
        self.taken_ns: list[int] = []

    def read(self) -> Frame | None:
        started = time.perf_counter_ns()
        frame = self._source.read()
        if frame is not None:
            self.taken_ns.append(time.perf_counter_ns() - started)
        return frame

    def close(self) -> None:
        self._source.close()


class _TimedClassifier:
    """A classifier that notes how long each call took."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.spec = classifier.spec
        self.taken_ns: list[int] = []

    def reduction(self, frame_wh: tuple[int, int]) -> int:
        return self._classifier.reduction(frame_wh)

    def classify_timed(self, image_bgr: Any) -> tuple[Prediction, Timings]:
        started = time.perf_counter_ns()
        answer = self._classifier.classify_timed(image_bgr)
        self.taken_ns.append(time.perf_counter_ns() - started)
        return answer


@dataclass(frozen=True, slots=True)
class Saturated:
    """One saturated run.

    Attributes:
        fps: results a second.
        read_ms, classify_ms: means of the two stages in the run.
        efficiency: fps x the slower of the two.
    """

    fps: float
    read_ms: float
    classify_ms: float
    efficiency: float


def measure(
    model: str | Path = "default",
    *,
    variant: str | None = None,
    rounds: int = ROUNDS,
    frames: int = FRAMES,
    seconds: float = SECONDS,
) -> Report:
    """Measure the loop.

    Args:
        model, variant: any model; `default` is the shipped one.
        rounds: saturated runs of each loop.
        frames: of the video file that they play.
        seconds: length of each paced run.

    Raises:
        UsageError: a number makes no sense. BenchmarkError: the video cannot be written or a run delivers nothing.
    """
    if rounds < 1 or frames < 10 or seconds <= 0:
        raise UsageError("--rounds must be at least 1, --frames at least 10 and --seconds above 0")
    with Classifier.open(model, variant=variant) as classifier, tempfile.TemporaryDirectory() as folder:
        file = classifier.model
        assert file is not None  # Classifier.open gave it
        video = Path(folder) / "numbers.avi"
        _write_video(video, frames)
        loops = {"onsight": _onsight, "naive": _naive}
        saturated: dict[str, list[Saturated]] = {name: [] for name in loops}
        for loop in loops.values():
            loop(video, classifier)
        watch = Watch()
        for turn in range(rounds):
            for name in list(loops) if turn % 2 == 0 else list(loops)[::-1]:
                saturated[name].append(loops[name](video, classifier))
        paced = {f"{sink_ms:g}": _paced(classifier, sink_ms, seconds) for sink_ms in SINKS_MS}
    efficiency = {name: summarise([one.efficiency for one in runs], digits=4) for name, runs in saturated.items()}
    results: dict[str, Any] = {
        "efficiency": efficiency,
        "fps": {name: summarise([one.fps for one in runs], digits=1) for name, runs in saturated.items()},
        "read_ms": {name: summarise([one.read_ms for one in runs], digits=4) for name, runs in saturated.items()},
        "classify_ms": {
            name: summarise([one.classify_ms for one in runs], digits=4) for name, runs in saturated.items()
        },
        "paced": paced,
    }
    period_ms = 1000 / FPS
    targets = [
        Target("saturated: fps x mean of the slowest stage", efficiency["onsight"].p50, LEAST_EFFICIENCY, False),
        Target(
            "paced 30 fps: out/in, the least of all sinks",
            min(p["out_in"] for p in paced.values()),
            LEAST_OUT_IN,
            False,
        ),
    ]
    for name, one in paced.items():
        limit = round(one["inference_p50_ms"] + PERIODS * period_ms, 3)
        targets.append(Target(f"sink of {name} ms: frame age p90, ms", one["delivered_ms"]["p90"], limit))
        targets.append(Target(f"sink of {name} ms: growth of the age, ms", one["growth_ms"], round(period_ms, 3)))
    return finish(
        "live_loop",
        watch,
        method={
            "model": describe_model(file),
            "rounds": rounds,
            "frames": frames,
            "source": f"Motion JPEG file, {_SIZE_WH[0]}x{_SIZE_WH[1]}, policy every",
            "paced": f"synthetic://?fps={FPS:g}",
            "seconds": seconds,
            "order": "the two loops in turns",
        },
        results=results,
        targets=tuple(targets),
        objections=() if rounds >= ROUNDS and seconds >= SECONDS else ("too few rounds or seconds",),
    )


def _write_video(path: Path, frames: int) -> None:
    source = SyntheticSource(None, _SIZE_WH, frames)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, _SIZE_WH)
    if not writer.isOpened():
        raise BenchmarkError("this OpenCV cannot write a Motion JPEG file")
    while (frame := source.read()) is not None:
        writer.write(frame.image_bgr)
    writer.release()


def _onsight(video: Path, classifier: Classifier) -> Saturated:
    source, timed = _TimedSource(open_source(str(video))), _TimedClassifier(classifier)
    summary = run_live(source, timed)
    return _saturated(summary.fps, source.taken_ns, timed.taken_ns[1:])  # the first is the loop's own warm-up


def _naive(video: Path, classifier: Classifier) -> Saturated:
    source, timed = _TimedSource(open_source(str(video))), _TimedClassifier(classifier)
    frames: queue.Queue[Frame | None] = queue.Queue(maxsize=1)

    def read() -> None:
        while (frame := source.read()) is not None:
            frames.put(frame)
        frames.put(None)

    threading.Thread(target=read, name="naive source", daemon=True).start()
    times: list[float] = []
    while (frame := frames.get()) is not None:
        timed.classify_timed(frame.image_bgr)
        times.append(time.perf_counter())
    source.close()
    return _saturated((len(times) - 1) / (times[-1] - times[0]), source.taken_ns, timed.taken_ns)


def _saturated(fps: float, read_ns: list[int], classify_ns: list[int]) -> Saturated:
    read_ms, classify_ms = float(np.mean(read_ns)) / 1e6, float(np.mean(classify_ns)) / 1e6
    return Saturated(fps, read_ms, classify_ms, fps * max(read_ms, classify_ms) / 1e3)


def _paced(classifier: Classifier, sink_ms: float, seconds: float) -> dict[str, Any]:
    sink = Ages("slow", sink_ms)
    summary = run_live(open_source(f"synthetic://?fps={FPS:g}&size=640x480"), classifier, [sink], seconds=seconds)
    ages = [age for _, age in sink.delivered]
    if len(ages) < 3 or not summary.captured:
        raise BenchmarkError("a paced run delivered too little: take more --seconds")
    third = len(ages) // 3
    assert summary.inference_ms is not None  # something was classified
    delivered = summarise(ages, digits=3)
    return {
        "captured": summary.captured,
        "classified": summary.classified,
        "out_in": round(summary.classified / summary.captured, 5),
        "inference_p50_ms": round(summary.inference_ms.p50, 4),
        "delivered_ms": {"p50": delivered.p50, "p90": delivered.p90, "p99": delivered.p99, "max": delivered.max},
        "published_p90_ms": summarise([age for _, age in sink.published], digits=3).p90,
        "growth_ms": round(float(np.median(ages[-third:]) - np.median(ages[:third])), 3),
    }


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="default", help="a model file or a bundle; default: the shipped")
    parser.add_argument("--variant", help="which of a bundle's variants")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="saturated runs of each loop (%(default)s)")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of the video file (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each paced run (%(default)s)")
    options = parser.parse_args()
    report = measure(
        options.model,
        variant=options.variant,
        rounds=options.rounds,
        frames=options.frames,
        seconds=options.seconds,
    )
    found = report.results
    lines = [
        f"{name}: efficiency {found['efficiency'][name].p50:.3f}, {found['fps'][name].p50:.0f} fps, read "
        f"{found['read_ms'][name].p50:.3f} ms, classify {found['classify_ms'][name].p50:.3f} ms"
        for name in found["efficiency"]
    ]
    for name, one in found["paced"].items():
        ages = "/".join(f"{one['delivered_ms'][key]:.1f}" for key in ("p50", "p90", "p99"))
        lines.append(f"sink of {name} ms: out/in {one['out_in']:.4f}, delivered age p50/p90/p99 {ages} ms")
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
