"""What a live run was like: counted while it runs, in memory that does not grow with it."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

from onsight_edge.frame import Decision, Frame, Notice, Prediction, Timings
from onsight_edge.sinks.sink import SinkSummary
from onsight_edge.sources.source import Health

_STEP = math.log1p(0.005)  # of the histogram: what it says is within 0.25 % of the value that was measured
_WINDOW_NS = 5_000_000_000
_MOST_NOTICES = 100  # kept one by one, the last ones of a run
_MOST_IN_WINDOW = 5_000  # ages kept one by one at each end of a run; enough for 5 s at 1000 frames a second


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Nearest-rank percentiles in milliseconds, each within 0.25 % (a histogram, so that endless runs fit)."""

    p50: float
    p90: float
    p99: float

    def to_json(self) -> dict[str, float]:
        """As JSON values."""
        return {"p50": round(self.p50, 4), "p90": round(self.p90, 4), "p99": round(self.p99, 4)}


@dataclass(frozen=True, slots=True)
class LiveSummary:
    """How a run went.

    Attributes:
        captured: frames that the source delivered.
        classified: frames that were classified.
        dropped: frames that a newer one replaced before the classifier had time.
        health: what the source counted: damaged, frozen and resized pictures, and how often it was lost and came back.
        seconds: from the start to the last result or the end.
        fps: results a second, first to last.
        age_ms: how old the picture was when its result was handed to the sinks; None without results, as below.
        age_first_5s_ms, age_last_5s_ms: the p50 of the same over the first and the last 5 s; in a healthy run they
            are alike. Of runs under 10 s the two overlap.
        preprocess_ms, inference_ms, postprocess_ms: stage times.
        correct, judged: frames whose best class was right, among those whose truth is known. The threshold plays no
            part: so a live run's accuracy is the file's on the same pictures.
        rejected: answers that were `unknown`, the best class being below the threshold.
        correct_accepted, judged_accepted: `correct` and `judged` among the answers that were not.
        labels: how often each answer was given, most frequent first.
        decisions: how often the decision changed to something else; None without a decider.
        notices: what was wrong with the source or its pictures; of very many the last ones.
        sinks: what became of each.
    """

    captured: int
    classified: int
    dropped: int
    health: Health
    seconds: float
    fps: float
    age_ms: Percentiles | None
    age_first_5s_ms: float | None
    age_last_5s_ms: float | None
    preprocess_ms: Percentiles | None
    inference_ms: Percentiles | None
    postprocess_ms: Percentiles | None
    correct: int
    judged: int
    rejected: int
    correct_accepted: int
    judged_accepted: int
    labels: dict[str, int]
    decisions: int | None
    notices: tuple[Notice, ...]
    sinks: tuple[SinkSummary, ...]

    @property
    def accuracy(self) -> float | None:
        """Right answers, 0..1, among the frames whose truth is known; None where none is."""
        return self.correct / self.judged if self.judged else None

    @property
    def accuracy_accepted(self) -> float | None:
        """The same among the answers that were not `unknown`."""
        return self.correct_accepted / self.judged_accepted if self.judged_accepted else None

    def to_json(self) -> dict[str, Any]:
        """As JSON values; docs/live.md describes every key."""
        return {
            "captured": self.captured,
            "classified": self.classified,
            "dropped": self.dropped,
            **asdict(self.health),
            "seconds": round(self.seconds, 3),
            "fps": round(self.fps, 3),
            "age_ms": self.age_ms and self.age_ms.to_json(),
            "age_first_5s_ms": _rounded(self.age_first_5s_ms),
            "age_last_5s_ms": _rounded(self.age_last_5s_ms),
            "preprocess_ms": self.preprocess_ms and self.preprocess_ms.to_json(),
            "inference_ms": self.inference_ms and self.inference_ms.to_json(),
            "postprocess_ms": self.postprocess_ms and self.postprocess_ms.to_json(),
            "correct": self.correct,
            "judged": self.judged,
            "accuracy": _rounded(self.accuracy),
            "rejected": self.rejected,
            "accuracy_accepted": _rounded(self.accuracy_accepted),
            "labels": self.labels,
            "decisions": self.decisions,
            "notices": [notice.to_json() for notice in self.notices],
            "sinks": [
                {
                    "name": sink.name,
                    "written": sink.written,
                    "dropped": sink.dropped,
                    "error": sink.error,
                    "age_ms": _rounded(sink.age_ms),
                    "age_after_5s_ms": _rounded(sink.age_after_5s_ms),
                    "failures": sink.failures,
                    "restarts": sink.restarts,
                    "last_failure": sink.last_failure,
                    "counts": sink.counts,
                }
                for sink in self.sinks
            ],
        }


class Histogram:
    """Durations by size in steps of 0.5 %: about 4,600 counters from 1 ns to 10 s, whatever the run's length."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._total = 0

    def add(self, ns: int) -> None:
        """Count one duration, in nanoseconds."""
        self._counts[round(math.log(max(1, ns)) / _STEP)] += 1
        self._total += 1

    def percentiles(self) -> Percentiles | None:
        """The three; None when nothing was counted."""
        if not self._total:
            return None
        return Percentiles(*(self._nearest_rank(percent) for percent in (50, 90, 99)))

    def _nearest_rank(self, percent: int) -> float:
        rank = -(-percent * self._total // 100)
        seen = 0
        for step in sorted(self._counts):
            seen += self._counts[step]
            if seen >= rank:
                return math.exp(step * _STEP) / 1e6
        raise AssertionError("a rank is never above the total")


class LiveStatistics:
    """Counts what the loop does; used from the loop's thread only."""

    def __init__(self) -> None:
        self.classified = 0
        self._correct = self._judged = self._rejected = self._correct_accepted = self._judged_accepted = 0
        self._decisions: int | None = None
        self._notices: deque[Notice] = deque(maxlen=_MOST_NOTICES)
        self._labels: Counter[str] = Counter()
        self._age, self._preprocess = Histogram(), Histogram()
        self._inference, self._postprocess = Histogram(), Histogram()
        self._recent: deque[int] = deque(maxlen=1024)
        self._first_ages: list[int] = []
        self._last_ages: deque[tuple[int, int]] = deque(maxlen=_MOST_IN_WINDOW)
        self._start_ns = self._end_ns = time.monotonic_ns()
        self._first_ns = self._last_ns = 0

    def start(self) -> None:
        """The source starts now."""
        self._start_ns = self._end_ns = time.monotonic_ns()

    def stop(self) -> None:
        """The loop has ended."""
        self._end_ns = time.monotonic_ns()

    def notice(self, notice: Notice) -> None:
        """Keep what a source or a sentinel says; any thread may call it."""
        self._notices.append(notice)

    def note(
        self,
        frame: Frame,
        prediction: Prediction,
        timings: Timings,
        published_ns: int,
        decision: Decision | None = None,
    ) -> float:
        """Count a result; returns results a second over the last second."""
        if not self.classified:
            self._first_ns = published_ns
        self._last_ns = published_ns
        self.classified += 1
        self._labels[prediction.label] += 1
        self._rejected += prediction.rejected
        if decision is not None:
            self._decisions = (self._decisions or 0) + decision.changed
        if frame.truth is not None:
            right = frame.truth == prediction.classes[prediction.index]
            self._judged += 1
            self._correct += right
            if not prediction.rejected:
                self._judged_accepted += 1
                self._correct_accepted += right
        age_ns = published_ns - frame.captured_ns
        self._age.add(age_ns)
        self._preprocess.add(timings.preprocess_ns)
        self._inference.add(timings.inference_ns)
        self._postprocess.add(timings.postprocess_ns)
        if published_ns - self._first_ns <= _WINDOW_NS and len(self._first_ages) < _MOST_IN_WINDOW:
            self._first_ages.append(age_ns)
        self._last_ages.append((published_ns, age_ns))
        while published_ns - self._last_ages[0][0] > _WINDOW_NS:
            self._last_ages.popleft()
        self._recent.append(published_ns)
        while published_ns - self._recent[0] > 1_000_000_000 and len(self._recent) > 2:
            self._recent.popleft()
        return _rate(len(self._recent), published_ns - self._recent[0])

    def summary(self, *, captured: int, dropped: int, health: Health, sinks: tuple[SinkSummary, ...]) -> LiveSummary:
        """Everything together, once the loop has ended."""
        return LiveSummary(
            captured=captured,
            classified=self.classified,
            dropped=dropped,
            health=health,
            seconds=(self._end_ns - self._start_ns) / 1e9,
            fps=_rate(self.classified, self._last_ns - self._first_ns),
            age_ms=self._age.percentiles(),
            age_first_5s_ms=_median_ms(self._first_ages),
            age_last_5s_ms=_median_ms([age for _, age in self._last_ages]),
            preprocess_ms=self._preprocess.percentiles(),
            inference_ms=self._inference.percentiles(),
            postprocess_ms=self._postprocess.percentiles(),
            correct=self._correct,
            judged=self._judged,
            rejected=self._rejected,
            correct_accepted=self._correct_accepted,
            judged_accepted=self._judged_accepted,
            labels=dict(self._labels.most_common()),
            decisions=self._decisions,
            notices=tuple(self._notices),
            sinks=sinks,
        )


def _rate(count: int, span_ns: int) -> float:
    return (count - 1) / (span_ns / 1e9) if count > 1 and span_ns > 0 else 0.0


def _median_ms(ages_ns: list[int]) -> float | None:
    return sorted(ages_ns)[(len(ages_ns) - 1) // 2] / 1e6 if ages_ns else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
