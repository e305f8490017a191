"""A live run's figures for Prometheus: one registry, fed result by result, for `--prometheus` and the web server.

https://prometheus.io/docs/practices/naming/: base units, `_total` for counters. Labels are bounded: classes beyond the
first 100 that were seen count as `other`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from onsight_edge.errors import MissingExtraError
from onsight_edge.events import trouble_of
from onsight_edge.frame import Notice, Result
from onsight_edge.sinks.sink import SinkSummary
from onsight_edge.telemetry import Telemetry, telemetry
from onsight_edge.version import __version__

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

MOST_LABELS = 100
OTHER = "other"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# seconds; from a small int8 network to a heavy one on a slow board, and ages of frames that waited
_STAGE_BUCKETS = (25e-6, 50e-6, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_AGE_BUCKETS = (1e-3, 2.5e-3, 5e-3, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)


class LiveMetrics:
    """The figures of one run; `note`, `notice` and `exposition` may be called by different threads."""

    def __init__(
        self,
        model: str,
        sinks: Callable[[], Sequence[SinkSummary]] = tuple,
        look: Callable[[], Telemetry] = telemetry,
    ) -> None:
        """Make a registry of its own, so that several runs in one process do not meet.

        Args:
            model: the model's name.
            sinks: how the run's outputs stand, asked at each scrape.
            look: reads the device, asked at each scrape.

        Raises:
            MissingExtraError: prometheus-client is not installed.
        """
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
        except ImportError as error:
            raise MissingExtraError("prometheus-client", "metrics", "a page for Prometheus") from error
        self.registry: CollectorRegistry = CollectorRegistry(auto_describe=True)
        self._sinks, self._look = sinks, look
        own = self.registry
        ProcessCollector(registry=own)
        self._info = Gauge("onsight_info", "1; what runs.", ["version", "model"], registry=own)
        self._model = ""
        self._frames = Counter("onsight_frames", "Frames that were classified.", registry=own)
        self._dropped = Counter(
            "onsight_frames_dropped", "Frames that a newer one replaced before they were classified.", registry=own
        )
        self._answers = Counter("onsight_answers", "Answers, by label.", ["label"], registry=own)
        self._decisions = Counter(
            "onsight_decisions", "Changes of the decision, by what it became.", ["label"], registry=own
        )
        self._notices = Counter("onsight_notices", "Notices, by kind.", ["kind"], registry=own)
        self._trouble = Gauge(
            "onsight_trouble",
            "1 from a notice of this kind until the one that says it is over.",
            ["kind"],
            registry=own,
        )
        self._lasting: set[tuple[str, str]] = set()
        stages = Histogram("onsight_stage_seconds", "Time of a stage.", ["stage"], buckets=_STAGE_BUCKETS, registry=own)
        self._preprocess = stages.labels("preprocess")
        self._inference = stages.labels("inference")
        self._postprocess = stages.labels("postprocess")
        self._age = Histogram(
            "onsight_frame_age_seconds", "From a frame's arrival to its result.", buckets=_AGE_BUCKETS, registry=own
        )
        self._fps = Gauge("onsight_results_per_second", "Results a second over the last second.", registry=own)
        self._score = Gauge("onsight_score_ratio", "Score of the last answer, 0 to 1.", registry=own)
        self._last = Gauge("onsight_last_result_timestamp_seconds", "When the last result came.", registry=own)
        self._labels: set[str] = set()
        self._before: str | None = None
        self._seen_dropped = 0
        self.use_model(model)
        own.register(_OnScrape(self))

    def use_model(self, model: str) -> None:
        """Say that another model answers from now on."""
        if self._model:
            self._info.remove(__version__, self._model)
        self._model = model
        self._info.labels(__version__, model).set(1)

    def note(self, result: Result) -> None:
        """Count a result."""
        timings = result.timings
        self._frames.inc()
        if result.dropped > self._seen_dropped:
            self._dropped.inc(result.dropped - self._seen_dropped)
            self._seen_dropped = result.dropped
        self._answers.labels(self._bounded(result.prediction.label)).inc()
        if result.label != self._before:
            self._before = result.label
            self._decisions.labels(self._bounded(result.label)).inc()
        self._preprocess.observe(timings.preprocess_ns / 1e9)
        self._inference.observe(timings.inference_ns / 1e9)
        self._postprocess.observe(timings.postprocess_ns / 1e9)
        self._age.observe(result.age_ms / 1e3)
        self._fps.set(result.fps)
        self._score.set(result.score)
        self._last.set_to_current_time()

    def notice(self, notice: Notice) -> None:
        """Count a notice; one that says that trouble is over ends it."""
        if not notice.over:
            self._notices.labels(notice.kind).inc()
        trouble = trouble_of(notice)
        if trouble is not None:
            (self._lasting.discard if notice.over else self._lasting.add)(trouble)
            self._trouble.labels(trouble[0]).set(any(kind == trouble[0] for kind, _ in self._lasting))

    def exposition(self) -> bytes:
        """The page that Prometheus reads, of the type `CONTENT_TYPE`."""
        from prometheus_client.exposition import generate_latest

        return generate_latest(self.registry)

    def _bounded(self, label: str) -> str:
        if label not in self._labels:
            if len(self._labels) >= MOST_LABELS:
                return OTHER
            self._labels.add(label)
        return label

    def collect(self) -> Iterable[Metric]:
        """What is read when it is asked for: the device, and how the outputs stand."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        device = self._look()
        if device.temperature_c is not None:
            yield GaugeMetricFamily("onsight_temperature_celsius", "Of the processor.", value=device.temperature_c)
        if device.mhz is not None:
            yield GaugeMetricFamily("onsight_clock_hertz", "Of the fastest core.", value=device.mhz * 1e6)
        if device.throttling is not None:
            held = GaugeMetricFamily("onsight_held_back", "1 for what holds the device back now.", labels=["by"])
            for name in device.held_back:
                held.add_metric([name], 1)
            yield held
            yield GaugeMetricFamily(
                "onsight_throttled", "1 while anything holds the device back.", value=float(bool(device.held_back))
            )
        sinks = self._sinks()
        written = CounterMetricFamily("onsight_sink_written", "Results an output took.", labels=["sink"])
        dropped = CounterMetricFamily("onsight_sink_dropped", "Results an output never saw.", labels=["sink"])
        failures = CounterMetricFamily("onsight_sink_failures", "Times an output stopped working.", labels=["sink"])
        up = GaugeMetricFamily("onsight_sink_up", "1 while an output works.", labels=["sink"])
        counts = GaugeMetricFamily("onsight_sink_count", "What an output counts itself.", labels=["sink", "what"])
        for sink in sinks:
            written.add_metric([sink.name], sink.written)
            dropped.add_metric([sink.name], sink.dropped)
            failures.add_metric([sink.name], sink.failures)
            up.add_metric([sink.name], float(sink.error is None))
            for what, count in sink.counts.items():
                counts.add_metric([sink.name, what], count)
        yield from (written, dropped, failures, up, counts)


class _OnScrape:
    """What a registry asks at each scrape; it wants an object of its own and calls it once when it is registered."""

    def __init__(self, metrics: LiveMetrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._metrics.collect()
