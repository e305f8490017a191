"""What `onsight bench --against` found, as it stands in the new record. docs/records.md describes every key."""

from __future__ import annotations

from dataclasses import dataclass

from onsight_benchmarks.stats import Ratio


@dataclass(frozen=True, slots=True)
class Change:
    """One measurement beside its earlier self.

    Attributes:
        label: variant, backend, threads, and the batch where it is not 1.
        answer: `slower`, `faster` or `no difference`, by `verdict_apart`; `too busy to tell` where other processes
            interrupted every call.
        ratio: now by then, of the rounds' fastest calls, end to end.
        then_p50_ms, now_p50_ms: end to end, disturbances included; they decide nothing.
    """

    label: str
    answer: str
    ratio: Ratio
    then_p50_ms: float
    now_p50_ms: float


@dataclass(frozen=True, slots=True)
class Against:
    """A record held against an earlier one.

    Attributes:
        taken: when the earlier one was, in UTC.
        rule: that decided, in words.
        times_measured: 2 where something seemed slower, or could not be told, and was measured once more.
        fail_above: a ratio above which `slower` fails.
        changes: each measurement of the earlier record.
        differences: why the two should not be compared, where they were all the same (`--force`).
        told: what else changed: versions.
    """

    taken: str
    rule: str
    times_measured: int
    fail_above: float
    changes: tuple[Change, ...]
    differences: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def grown(self) -> tuple[Change, ...]:
        """The changes that are slower beyond doubt and above `fail_above`."""
        return tuple(one for one in self.changes if one.answer == "slower" and one.ratio.median > self.fail_above)
