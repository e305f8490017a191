"""What publishing costs the live loop: MQTT with a real broker on loopback, and all outputs without pictures at once.

`run_live` classifies a synthetic camera at 30 fps whose scene changes every second, in slices of some seconds: without
an output, with `--mqtt` as it is by default, with each single result over MQTT too, and with JSON Lines, CSV, events,
MQTT and Prometheus together; in an order drawn anew each round. Measured is the time from the start of a frame's
classification until the loop has handed its result to all outputs and is ready for the next frame; the figure is the
median over the rounds of the ratio of a slice's p50 to that of the slice without outputs in the same round. What the
outputs' threads take from the loop's by the interpreter's lock is in it. The broker is Mosquitto, started here, or one
that is named.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.mosquitto import Mosquitto, find_mosquitto
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.stats import paired_ratio, summarise
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BenchmarkError, UsageError
from onsight_edge.frame import Frame, Notice, Prediction, Result, Timings
from onsight_edge.live import run_live
from onsight_edge.sinks import RunInfo, Sink
from onsight_edge.sinks.broker import Broker, parse_broker
from onsight_edge.sinks.csvfile import CsvSink
from onsight_edge.sinks.events import EventsSink
from onsight_edge.sinks.jsonl import JsonlSink
from onsight_edge.sinks.mqtt import MqttSink
from onsight_edge.sinks.prometheus import PrometheusSink
from onsight_edge.sinks.sink import Relaxed, TakesNotices
from onsight_edge.sources import open_source

MOST_RATIO = 1.02
ROUNDS = 24
SECONDS = 3.0
FPS = 30.0
WITHOUT = "none"
_SETTLE = 10  # first frames of a slice that do not count
_WAIT_S = 20.0


class Kept:
    """A sink that stays open from slice to slice: only its publishing is measured, not its connecting."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.name, self.wants_image, self.backlog = sink.name, sink.wants_image, sink.backlog
        self.relaxed = isinstance(sink, Relaxed) and sink.relaxed

    def open(self, info: RunInfo) -> None:
        """It is open."""

    def write(self, result: Result) -> None:
        """Hand it on."""
        self.sink.write(result)

    def notice(self, notice: Notice) -> None:
        """Hand it on."""
        if isinstance(self.sink, TakesNotices):
            self.sink.notice(notice)

    def close(self) -> None:
        """It stays open."""


class Stopwatch:
    """Times each turn of the loop: a classifier at its beginning, and a sentinel at its end."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.spec = classifier.spec
        self.taken_ns: list[int] = []
        self._began = 0

    def reduction(self, frame_wh: tuple[int, int]) -> int:
        """As the classifier's."""
        return self._classifier.reduction(frame_wh)

    def classify_timed(self, image_bgr: NDArray[np.uint8]) -> tuple[Prediction, Timings]:
        """As the classifier's; a turn begins."""
        self._began = time.perf_counter_ns()
        return self._classifier.classify_timed(image_bgr)

    def look(self, frame: Frame, prediction: Prediction, now_ns: int) -> Sequence[Notice]:
        """The result is with all outputs; a turn ends."""
        self.taken_ns.append(time.perf_counter_ns() - self._began)
        return ()


def measure(
    model: str | Path = "default",
    *,
    variant: str | None = None,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    broker: str | None = None,
    seed: int = 0,
) -> Report:
    """Measure the cost.

    Args:
        model, variant: any model; `default` is the shipped one.
        rounds: slices of each kind.
        seconds: length of a slice.
        broker: URL of one that runs; None starts Mosquitto.
        seed: of the order.

    Raises:
        UsageError: a number makes no sense. BenchmarkError: there is no broker, or it does not answer.
        MissingExtraError: paho-mqtt or prometheus-client is not installed.
    """
    if rounds < 1 or seconds * FPS < 2 * _SETTLE:
        raise UsageError(f"--rounds must be at least 1 and --seconds at least {2 * _SETTLE / FPS:.2g}")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        where = stack.enter_context(_broker(folder, broker))
        classifier = stack.enter_context(Classifier.open(model, variant=variant))
        file = classifier.model
        assert file is not None  # Classifier.open gave it
        watching = Stopwatch(classifier)
        kinds = _outputs(folder, where, classifier, stack)
        for sinks in kinds.values():
            _slice(watching, sinks, min(1.0, seconds))
        watch = Watch()
        rng = random.Random(seed)
        slices: dict[str, list[NDArray[np.float64]]] = {name: [] for name in kinds}
        for _ in range(rounds):
            for name in rng.sample(list(kinds), len(kinds)):
                slices[name].append(_slice(watching, kinds[name], seconds))
        arrived = _arrived(kinds)
    medians = {name: [float(np.median(one)) for one in taken] for name, taken in slices.items()}
    ratios = {name: paired_ratio(medians[name], medians[WITHOUT], seed) for name in kinds if name != WITHOUT}
    return finish(
        "sink_cost",
        watch,
        method={
            "model": describe_model(file),
            "source": f"synthetic://?fps={FPS:g}&scene=colours&size=640x480",
            "broker": "Mosquitto on loopback" if broker is None else "named",
            "rounds": rounds,
            "seconds": seconds,
            "seed": seed,
            "order": "drawn anew each round",
        },
        results={
            "turn_ms": {name: summarise(np.concatenate(taken), digits=5) for name, taken in slices.items()},
            "ratio_to_none": ratios,
            "events_delivered": arrived,
        },
        targets=tuple(
            Target(f"loop with {name}, p50 over none", one.median, MOST_RATIO) for name, one in ratios.items()
        ),
        objections=() if rounds >= ROUNDS and seconds >= SECONDS else ("too few rounds or seconds",),
        children=broker is None,
    )


def _slice(watching: Stopwatch, sinks: Sequence[Sink], seconds: float) -> NDArray[np.float64]:
    """The turns of one run in ms, without the first ones."""
    watching.taken_ns = []
    source = open_source(f"synthetic://?fps={FPS:g}&scene=colours&size=640x480")
    run_live(source, watching, sinks, seconds=seconds, sentinel=watching)
    taken = np.array(watching.taken_ns[_SETTLE:], np.float64) / 1e6
    if len(taken) < _SETTLE:
        raise BenchmarkError("a slice delivered too little: take more --seconds")
    return taken


def _outputs(folder: Path, where: Broker, classifier: Classifier, stack: contextlib.ExitStack) -> dict[str, list[Sink]]:
    """Kind -> its sinks, open until the stack is closed."""

    def mqtt(name: str, results_per_s: float) -> MqttSink:
        topic = Broker(where.host, where.port, f"{where.topic}/{name}", where.user, where.password, where.tls)
        return MqttSink(topic, folder / f"{name}.sqlite", results_per_s=results_per_s, discover=None)

    files: list[Callable[[], Sink]] = [
        lambda: JsonlSink(str(folder / "out.jsonl")),
        lambda: CsvSink(str(folder / "out.csv")),
        lambda: EventsSink(str(folder / "events.jsonl")),
    ]
    kinds: dict[str, list[Sink]] = {
        WITHOUT: [],
        "mqtt": [mqtt("events", 0.0)],
        "mqtt-results": [mqtt("results", 2 * FPS)],
        "all": [*(make() for make in files), mqtt("all", 2 * FPS), PrometheusSink("127.0.0.1", 0)],
    }
    info = RunInfo("synthetic://", True, FPS, (640, 480), classifier.spec.name, classifier.spec.classes)
    for sinks in kinds.values():
        for place, sink in enumerate(sinks):
            sink.open(info)
            stack.callback(sink.close)
            sinks[place] = Kept(sink)
            if isinstance(sink, MqttSink):
                _until_connected(sink)
    return kinds


def _until_connected(sink: MqttSink) -> None:
    limit = time.monotonic() + _WAIT_S
    while not sink.connected:
        if time.monotonic() > limit:
            raise BenchmarkError(f"{sink.report().error or 'the broker does not answer'}")
        time.sleep(0.05)


def _arrived(kinds: dict[str, list[Sink]]) -> dict[str, int]:
    """Kind -> events that the broker has acknowledged; an output that does not work is no output to measure."""
    counts = {}
    for name, sinks in kinds.items():
        for kept in sinks:
            sink = kept.sink if isinstance(kept, Kept) else kept
            if isinstance(sink, MqttSink):
                report = sink.report()
                counts[name] = report.counts["delivered"]
                if report.error is not None or not counts[name]:
                    raise BenchmarkError(f"no event arrived: {report.error or 'none was published'}")
    return counts


@contextlib.contextmanager
def _broker(folder: Path, url: str | None) -> Iterator[Broker]:
    """The broker that was named, or a Mosquitto for the time of the block."""
    if url is not None:
        yield parse_broker(url, "onsight-sink-cost")
        return
    program = find_mosquitto()
    if program is None:
        raise BenchmarkError("there is no broker: apt install mosquitto, or name one with --broker mqtt://HOST")
    own = Mosquitto(program, folder / "broker", persistent=False)
    try:
        yield Broker("127.0.0.1", own.port, "onsight-sink-cost")
    finally:
        own.stop()


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="default", help="a model file or a bundle; default: the shipped")
    parser.add_argument("--variant", help="which of a bundle's variants")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="slices of each kind (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of a slice (%(default)s)")
    parser.add_argument("--broker", help="mqtt://HOST, in place of a Mosquitto started here")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    options = parser.parse_args()
    report = measure(
        options.model,
        variant=options.variant,
        rounds=options.rounds,
        seconds=options.seconds,
        broker=options.broker,
        seed=options.seed,
    )
    lines = [
        f"{name}: a turn p50 {one.p50 * 1e3:.1f} us, p90 {one.p90 * 1e3:.1f} us, p99 {one.p99 * 1e3:.1f} us"
        for name, one in report.results["turn_ms"].items()
    ]
    lines += [f"{name} / none {one}" for name, one in report.results["ratio_to_none"].items()]
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
