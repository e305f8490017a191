"""How many times of one subject's time another takes, with an interval that says how sure that is.

Measurements of one record took turns, round by round: their ratio is the median of the rounds' ratios
(`stats.paired_ratio`), and what disturbed the machine meanwhile hit both. Measurements of different records did not,
nor those that LoadGen or a camera made one after the other:
their ratio is that of the two figures, and its interval comes from resampling either side by itself. Such an interval
says how well each session knows its own figure, and nothing of what changed from one session to the other. So whether
one is faster is decided there by the rounds' fastest calls (`verdict.verdict_apart`), and only where the medians agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.comparison.subjects import Subject
from onsight_benchmarks.stats import LEVEL, block_length, narrowness, paired_ratio
from onsight_benchmarks.verdict import LEAST_ROUNDS, Answer, judge, verdict_apart

Way = Literal["paired", "unpaired", "figures"]
"""Round by round, from two sessions, or of two figures alone where the values behind them were not kept."""
Floats = NDArray[np.float64]

_RESAMPLES = 2000
_MOST_DRAWN = 2e7  # values, all resamples together


class Statistic(Protocol):
    """A figure of many values, along an axis."""

    def __call__(self, values: Floats, /, *, axis: int) -> Floats:
        """The figures of (..., values) along the axis."""


@dataclass(frozen=True, slots=True)
class Relative:
    """How many times of what the other takes (or manages) the one does.

    Attributes:
        ratio: it.
        low, high: its interval (`stats.LEVEL`); None where the records keep no values.
        way: how it came about.
        answer: of medians: `faster`, `slower` or `no difference` (`onsight_benchmarks.verdict`); None without interval,
            on fewer than 10 rounds, and where one is a dry run.
    """

    ratio: float
    low: float | None
    high: float | None
    way: Way
    answer: Answer | None = None

    def __str__(self) -> str:
        known = self.low is not None and self.high is not None
        return f"{times(self.ratio)}x" + (f" ({times(self.low or 0)}-{times(self.high or 0)})" if known else "")


def times(ratio: float) -> str:
    """A ratio in two or three digits: `0.45`, `0.123`, `1.02`, `12.3`, `1,240`, `0.0041`."""
    if ratio >= 999.5:
        return f"{ratio:,.0f}"
    if ratio >= 9.995:
        return f"{ratio:.3g}"
    return f"{ratio:.2f}" if ratio >= 0.1995 else f"{ratio:.3f}" if ratio >= 0.00995 else f"{ratio:.2g}"


def time_ratio(of: Subject, to: Subject, seed: int = 0) -> Relative | None:
    """The ratio of two median calls: from the frame on, or of the network alone (`Subject.time_stage`)."""
    return _ratio_of_medians(of, of.time_stage, to, to.time_stage, seed)


def stage_ratio(of: Subject, to: Subject, stage: str, seed: int = 0) -> Relative | None:
    """The ratio of two medians of a stage; None where one lacks the stage, or takes no time in it."""
    return _ratio_of_medians(of, stage, to, stage, seed)


def throughput_ratio(of: Subject, to: Subject, seed: int = 0) -> Relative | None:
    """How many times of the other's pictures a second the one answers; None where a figure is 0, or a camera's pace."""
    if of.fps <= 0 or to.fps <= 0 or not (of.serial and to.serial):
        return None
    ratio = of.fps / to.fps
    pair = _pair(to, to.time_stage, of, of.time_stage)  # the other way round: many pictures are little time
    if pair is None:
        return Relative(ratio, None, None, "figures")
    return _interval(ratio, pair.of_blocks(np.mean), np.mean, seed)


def headline_ratio(of: Subject, to: Subject, seed: int = 0) -> Relative | None:
    """The ratio of two scenarios' headline figures; None where they are not of the same scenario, metric and span."""
    ours, theirs = of.measured.scenario, to.measured.scenario
    if ours is None or theirs is None or ours.value <= 0 or theirs.value <= 0 or of.from_frame != to.from_frame:
        return None
    if (ours.name, ours.metric, ours.pictures_per_query) != (theirs.name, theirs.metric, theirs.pictures_per_query):
        return None
    percent = {"p90_ms": 90.0, "p99_ms": 99.0, "age_p90_ms": 90.0}.get(ours.metric)
    stage = "age" if ours.metric == "age_p90_ms" else "end_to_end"
    pair = _pair(of, stage, to, stage)
    if percent is None or pair is None:
        return Relative(ours.value / theirs.value, None, None, "figures")

    def percentile(values: Floats, axis: int) -> Floats:
        return np.asarray(np.percentile(values, percent, axis=axis, method="higher"), np.float64)

    return _interval(ours.value / theirs.value, pair, percentile, seed)


def _ratio_of_medians(of: Subject, stage: str, to: Subject, other: str, seed: int) -> Relative | None:
    ours, theirs = of.measured.latency_ms.get(stage), to.measured.latency_ms.get(other)
    if ours is None or theirs is None or ours.p50 <= 0 or theirs.p50 <= 0:
        return None
    ratio = ours.p50 / theirs.p50
    pair = _pair(of, stage, to, other)
    if pair is None:
        return Relative(ratio, None, None, "figures")
    above, below = (np.median(side, axis=1) for side in pair.sides)
    enough = min(len(above), len(below)) >= LEAST_ROUNDS and not (of.entry.dry_run or to.entry.dry_run)
    if pair.together:
        found = paired_ratio(above, below, seed)
        return Relative(found.median, found.low, found.high, "paired", judge(found).answer if enough else None)
    if not enough:
        return _interval(ratio, pair.of_blocks(np.median), np.median, seed)
    between = _interval(ratio, pair.of_blocks(np.median), np.median, seed)
    fastest = verdict_apart(pair.sides[0].min(axis=1), pair.sides[1].min(axis=1), seed).answer
    agreed = (fastest == "faster" and ratio < 1) or (fastest == "slower" and ratio > 1)
    return replace(between, answer=fastest if agreed else "no difference")


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Two subjects' blocks (blocks, calls) of a stage, and whether they are rounds that both were measured in."""

    sides: tuple[Floats, Floats]
    together: bool

    def of_blocks(self, statistic: Statistic) -> _Pair:
        """Each block as its one figure: quicker to resample."""
        above, below = (np.asarray(statistic(side, axis=1))[:, None] for side in self.sides)
        return _Pair((above, below), self.together)


def _pair(of: Subject, stage: str, to: Subject, other: str) -> _Pair | None:
    above, below = of.blocks_ms(stage), to.blocks_ms(other)
    if above is None or below is None or min(float(above.values.min()), float(below.values.min())) <= 0:
        return None
    return _Pair((above.values, below.values), of.entry is to.entry and above.rounds and below.rounds)


def _interval(ratio: float, pair: _Pair, statistic: Statistic, seed: int) -> Relative:
    """A ratio of figures with its interval by the circular block bootstrap, widened as in `stats.paired_ratio`."""
    seeds = (seed, seed if pair.together else seed + 1)  # the same rounds on both sides, or some of either
    drawn = [_resampled(side, statistic, own) for side, own in zip(pair.sides, seeds, strict=True)]
    low, high = np.quantile(drawn[0] / drawn[1], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    fewest = min(len(side) for side in pair.sides)
    wider = narrowness(fewest / block_length(fewest))
    # the figure is of all calls, a resample of whole blocks: the interval holds both
    low, high = min(float(low), ratio), max(float(high), ratio)
    way: Way = "paired" if pair.together else "unpaired"
    return Relative(ratio, ratio * (low / ratio) ** wider, ratio * (high / ratio) ** wider, way)


def _resampled(blocks: Floats, statistic: Statistic, seed: int) -> Floats:
    """(resamples,) of a statistic of all values of as many blocks, drawn by the circular block bootstrap."""
    count, length = len(blocks), block_length(len(blocks))
    resamples = int(min(max(_MOST_DRAWN / blocks.size, 200), _RESAMPLES))
    starts = np.random.default_rng(seed).integers(0, count, (resamples, -(-count // length), 1))
    drawn = ((starts + np.arange(length)) % count).reshape(resamples, -1)[:, :count]
    parts = np.array_split(drawn, 20)  # all at once would take much memory
    return np.concatenate([statistic(blocks[some].reshape(len(some), -1), axis=1) for some in parts if len(some)])
