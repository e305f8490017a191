"""Whether one thing is really faster than another: the one rule that every comparison here goes by.

`verdict(of, to)` takes what two subjects took, one value a round, measured round by round beside each other (the
blocks' medians of `onsight_benchmarks.rounds`), and answers `faster`, `slower` or `no difference`: what `of` is beside
`to`.

The rule: the 99 % interval of the median of the paired ratios (`stats.paired_ratio`: block bootstrap) must lie beyond
1 % on one side, all of it, and rest on at least 10 rounds. 99 and not 95 %, because a user looks at many ratios at a
time, and because on few rounds a bootstrap's interval is narrower than it says. 1 %, because a smaller difference is
worth nobody's while, and because two copies of the same thing may really differ: where their memory happens to lie
decides what the caches hold, and no number of rounds makes that go away.

`verdict_apart(of, to)` compares measurements of different times, which no pairing makes comparable. What disturbs a
call only ever adds to it, so there each round counts with its fastest call (`floors`): of two sessions on a busy
machine the p50 may differ by a tenth while these agree within 1 %. The interval is that of the ratio of the two
medians, each resampled by itself, and must lie beyond 3 % on one side, which is what sessions of the same file may
differ by. What slows some of the calls only, and never all of a round, it does not see.

`python -m onsight_benchmarks.aa` counts how often either rule calls the same file different; benchmarks/README.md has
what it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.stats import Ratio, paired_ratio, unpaired_ratio

SMALLEST = 0.01  # a ratio within 1 % of 1 does not count, however sure it is
SMALLEST_APART = 0.03
LEAST_ROUNDS = 10
RULE_APART = (
    f"99 % interval of the ratio of the medians of the rounds' fastest calls wholly beyond {SMALLEST_APART:.0%}, "
    f"on at least {LEAST_ROUNDS} rounds each"
)
RULE = f"99 % interval of the median paired ratio wholly beyond {SMALLEST:.0%}, on at least {LEAST_ROUNDS} rounds"

Answer = Literal["faster", "slower", "no difference"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one subject is beside another.

    Attributes:
        answer: `faster`, `slower` or `no difference`.
        ratio: how many times of the other's time it takes, with its interval.
    """

    answer: Answer
    ratio: Ratio

    def __str__(self) -> str:
        return f"{self.answer}: {self.ratio}"


def verdict(
    of: Sequence[float] | NDArray[np.floating], to: Sequence[float] | NDArray[np.floating], seed: int = 0
) -> Verdict:
    """Compare two subjects that were measured round by round beside each other.

    Args:
        of, to: one time a round each, in the order of the rounds, above 0.
        seed: of the bootstrap.

    Raises:
        BenchmarkError: lengths differ, nothing there, or a value is not above 0.
    """
    return judge(paired_ratio(of, to, seed))


def floors(values: Sequence[float] | NDArray[np.floating], block: int) -> NDArray[np.float64]:
    """The fastest of each so many calls in a row; fewer at the end are left out, unless there are no others.

    Args:
        values: what calls took, in the order of measuring.
        block: calls of a round.
    """
    taken = np.asarray(values, np.float64)
    whole = len(taken) // block * block
    return np.asarray(taken[:whole].reshape(-1, block).min(axis=1)) if whole else taken[taken.argmin() :][:1]


def verdict_apart(
    of: Sequence[float] | NDArray[np.floating], to: Sequence[float] | NDArray[np.floating], seed: int = 0
) -> Verdict:
    """Compare two measurements that were not taken beside each other.

    Args:
        of, to: the fastest call of each round, see `floors`; each in the order of its rounds, above 0.
        seed: of the bootstrap.

    Raises:
        BenchmarkError: nothing there, or a value is not above 0.
    """
    return judge(unpaired_ratio(of, to, seed), SMALLEST_APART)


def judge(ratio: Ratio, smallest: float = SMALLEST) -> Verdict:
    """The rule itself, for a ratio of times with its interval.

    Args:
        ratio: of a record (`comparisons`), or `stats.paired_ratio`'s.
        smallest: what does not count as a difference, as a share.
    """
    if ratio.rounds >= LEAST_ROUNDS:
        if ratio.high < 1 - smallest:
            return Verdict("faster", ratio)
        if ratio.low > 1 + smallest:
            return Verdict("slower", ratio)
    return Verdict("no difference", ratio)
