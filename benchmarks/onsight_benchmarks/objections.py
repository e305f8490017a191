"""What speaks against a measurement: pure functions of what was seen of the device meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from onsight_benchmarks.sampler import Sample
from onsight_edge.throttling import supply_at_fault

# A neighbour that takes a tenth of the machine shifts medians on two cores by more than the ratios we quote
MOST_OTHERS_SHARE = 0.10
LEAST_CLOCK = 0.8  # of the best that was seen; turbo clocks of PCs vary by less under a steady load
MOST_SLOW_LOOKS = 0.10


def governor_changed(seen: Sequence[str | None]) -> list[str]:
    """Whether the governor changed, also where it changed back.

    Args:
        seen: governors in the order of time; None where one could not be read.
    """
    told = [one for one in seen if one is not None]
    steps = [one for i, one in enumerate(told) if i == 0 or one != told[i - 1]]
    if len(steps) < 2:
        return []
    return [f"the governor changed from {steps[0]} to {', then '.join(steps[1:])} meanwhile"]


def held_back(what: Sequence[str], *, sustained: bool = False) -> list[str]:
    """Whether the device was held back.

    Args:
        what: in words.
        sustained: heat is what this measurement is to show: only the power supply counts against it.
    """
    words = dict.fromkeys(word for word in what if not sustained or supply_at_fault(word))
    return [f"the board was held back: {', '.join(words)}"] if words else []


def limit_changed(rows: Sequence[Sample]) -> list[str]:
    """Whether the highest clock that is allowed changed. One that stays low is a setting, and counts as such."""
    limits = [row.limit_mhz for row in rows if row.limit_mhz is not None]
    if not limits or min(limits) == max(limits):
        return []
    return [f"the highest clock allowed changed meanwhile, between {min(limits):.0f} and {max(limits):.0f} MHz"]


def clock_sagged(rows: Sequence[Sample]) -> list[str]:
    """Whether the clock of a processor that had work all the time was well below its own best for a while."""
    clocks = [row.mhz for row in rows if row.mhz is not None]
    if len(clocks) < 3:
        return []
    least = LEAST_CLOCK * max(clocks)
    slow = sum(mhz < least for mhz in clocks)
    if slow < 2 or slow <= MOST_SLOW_LOOKS * len(clocks):
        return []
    return [
        f"the clock fell to {min(clocks):.0f} MHz: in {slow} of {len(clocks)} looks it was below {LEAST_CLOCK:.0%} of "
        f"the {max(clocks):.0f} MHz reached here"
    ]


def others_busy(others_cores: float | None, cores: int) -> list[str]:
    """Whether something else took more of the machine than a measurement bears."""
    if others_cores is None or others_cores <= MOST_OTHERS_SHARE * cores:
        return []
    return [
        f"other processes kept {others_cores:.2f} of {cores} cores busy "
        f"(at most {MOST_OTHERS_SHARE * cores:.2f} may be)"
    ]
