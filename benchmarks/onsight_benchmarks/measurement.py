"""One measurement of a record, and what it consists of. docs/records.md describes every key."""

from __future__ import annotations

from dataclasses import dataclass

from onsight_benchmarks.stats import Summary

STAGES = ("preprocess", "inference", "postprocess", "end_to_end")


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """The file that was measured.

    Attributes:
        name: the spec's.
        variant: such as `tflite-int8`; for a bare file its format.
        file: name without folder.
        bytes: its size.
        sha256: of the file.
        spec_sha256: of the whole spec.
        preprocess_sha256: of what decides the input tensor; measurements with equal ones can be compared.
        source_sha256: of the Keras network that the file was exported from: files with equal ones hold the same
            weights. None where the file does not come with an export's report.
    """

    name: str
    variant: str
    file: str
    bytes: int
    sha256: str
    spec_sha256: str
    preprocess_sha256: str
    source_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class MeasuredBackend:
    """What executed it: the runtime, its version, its threads, and what really executes (delegate, provider)."""

    name: str
    version: str
    threads: int
    detail: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """How queries came, and the figure that is quoted for it. Names and meanings: MLPerf LoadGen's.

    Attributes:
        name: `single-stream` (the next query when the last was answered), `multi-stream` (the same, several pictures a
            query), `offline` (all pictures at once, in batches) or `live` (a paced camera).
        pictures_per_query: 1 but for multi-stream and offline.
        queries: how many were measured.
        metric: what `value` is: `p90_ms`, `p99_ms`, `age_p90_ms` or `pictures_per_s`.
        value: it, by LoadGen's estimator.
        min_queries: LoadGen's minimum for the percentile (64 for p90, 662 for p99); None for a throughput.
        early_stopping: LoadGen's early-stopping estimate of the percentile, an upper bound at 99 % confidence; None
            where fewer queries than `min_queries` were measured.
        loadgen: LoadGen's version where LoadGen itself issued the queries, else None.
    """

    name: str
    pictures_per_query: int
    queries: int
    metric: str
    value: float
    min_queries: int | None = None
    early_stopping: float | None = None
    loadgen: str | None = None


@dataclass(frozen=True, slots=True)
class Frames:
    """What became of a paced camera's frames.

    Attributes:
        due: that the camera's clock called for.
        captured: that it delivered.
        classified: that were answered.
        dropped: that were overwritten unseen.
    """

    due: int
    captured: int
    classified: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Energy:
    """What a sensor of the device said.

    Attributes:
        sensor: such as `rapl package-0`, `ina3221 VDD_IN`, `pmic`.
        joules: while this combination had the device for itself, see onsight_benchmarks.energy.
        idle_watts: just before, with nothing running; None where that was not measured.
        mj_per_picture: `joules` by the pictures answered, in millijoules: what all that the sensor sees used, idle
            power included.
    """

    sensor: str
    joules: float
    idle_watts: float | None
    mj_per_picture: float


@dataclass(frozen=True, slots=True)
class KnownAccuracy:
    """How right the file is, as its export's report says; not measured by the benchmark.

    Attributes:
        correct, pictures: of the test split.
        dataset, dataset_sha256: which data.
    """

    correct: int
    pictures: int
    dataset: str
    dataset_sha256: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether it answers what a reference answers.

    Attributes:
        with_whom: the reference, such as `keras-jax float32 on the CPU`.
        pictures: how many both were shown.
        of: which pictures, such as `cifar10 test` or `seeded noise`.
        same: pictures of the same best class.
        max_difference: the largest difference of a score, 0..1; None where only classes were compared.
    """

    with_whom: str
    pictures: int
    of: str
    same: int
    max_difference: float | None


@dataclass(frozen=True, slots=True)
class Moment:
    """A slice of a sustained measurement.

    Attributes:
        t_s: its end, in seconds since the measuring began.
        count: calls in it.
        p50_ms, p99_ms: end to end.
        temperature_c, mhz, throttled: of the device about then; `throttled` in words, empty where nothing held it back.
        rss_mib: resident memory of the measuring process at its end.
        max_ms: the slowest call in it.
    """

    t_s: float
    count: int
    p50_ms: float
    p99_ms: float
    temperature_c: float | None = None
    mhz: float | None = None
    throttled: tuple[str, ...] = ()
    rss_mib: float | None = None
    max_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Sustained:
    """What a sustained measurement comes to, by its slices (`over_time`).

    Attributes:
        seconds: that it lasted.
        cold_s: the first so many seconds are `cold`: 10, or a third of the whole where that is less.
        cold_p50_ms, cold_p99_ms: medians of the slices' own in that time.
        steady_p50_ms, steady_p99_ms: of those in the last third.
        ratio: steady p50 by cold p50.
        settled_s: from when on p50 stayed within 3 % of the steady one for three slices; None where it never did before
            the last third.
        hottest_c: the highest temperature seen; None where the device does not tell.
        throttled: everything that held it back, in words.
        rss_growth_mib: resident memory at the end less that after the cold time.
    """

    seconds: float
    cold_s: float
    cold_p50_ms: float
    cold_p99_ms: float
    steady_p50_ms: float
    steady_p99_ms: float
    ratio: float
    settled_s: float | None
    hottest_c: float | None = None
    throttled: tuple[str, ...] = ()
    rss_growth_mib: float | None = None


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How a fresh process gets going after its first answer; medians over several.

    Attributes:
        calls: classifications until five in a row have a median within 10 % of the settled one.
        ms: what these calls took together.
        settled_ms: the median of the later half of all that were made (at most 200 in a second).
    """

    calls: int
    ms: float
    settled_ms: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model file in one runtime with one number of threads.

    Attributes:
        latency_ms: stage -> Summary in milliseconds, for each call of `batch` pictures; None, or no key, for a stage
            that this measurement does not have. Stages: `capture decode preprocess inference postprocess publish
            end_to_end`, on a GPU `h2d compute d2h device end_to_end`.
        throughput_fps: classifications a second, one after the other.
        init_ms, first_ms: in a fresh process, see onsight_benchmarks.fresh; medians of several.
        rss_mib, rss_peak_mib: resident memory of such a process.
        values_us: stage -> every measured value in microseconds, in the order of measuring; None if left out.
        batch: pictures a call.
        scenario: how queries came, and its headline figure; None in records older than scenarios.
        age_ms: how old frames were when their results were published; `live` only.
        frames: what became of the frames; `live` only.
        energy: None where the device has no sensor.
        accuracy: what the export's report says of the file.
        over_time: slices of a sustained measurement (`--minutes`).
        sustained: what they come to.
        warm_up: how a fresh process gets going; None in older records and with `--fresh 0`.
        agreement: with a reference; None where none was asked.
    """

    model: MeasuredModel
    backend: MeasuredBackend
    latency_ms: dict[str, Summary | None]
    throughput_fps: float
    init_ms: float | None
    first_ms: float | None
    rss_mib: float | None
    rss_peak_mib: float | None
    valid: bool
    invalid_because: tuple[str, ...]
    values_us: dict[str, tuple[float, ...]] | None
    batch: int = 1
    scenario: Scenario | None = None
    age_ms: Summary | None = None
    frames: Frames | None = None
    energy: Energy | None = None
    accuracy: KnownAccuracy | None = None
    over_time: tuple[Moment, ...] | None = None
    sustained: Sustained | None = None
    warm_up: WarmUp | None = None
    agreement: Agreement | None = None

    @property
    def label(self) -> str:
        """Variant, backend and threads in one word; the batch too where it is not 1."""
        batch = "" if self.batch == 1 else f"/b{self.batch}"
        return f"{self.model.variant}/{self.backend.name}/{self.backend.threads}{batch}"
