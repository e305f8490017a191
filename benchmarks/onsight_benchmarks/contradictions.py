"""Whether a record's summaries are those of the single values that it keeps: one edited by hand, or damaged, is not."""

from __future__ import annotations

import numpy as np

from onsight_benchmarks.measurement import Measurement

_WITHIN_MS = 1e-4  # values are kept to 0.1 us, of which half may have been rounded off


def contradiction(one: Measurement) -> str | None:
    """The first figure of a measurement that its single values do not give, in words; None where all agree.

    A percentile may be LoadGen's or, in records older than scenarios, the nearest rank: one value less.
    """
    for stage, kept in (one.values_us or {}).items():
        summary = one.age_ms if stage == "age" else one.latency_ms.get(stage)
        if summary is None:
            return f"values_us.{stage} has no summary"
        if len(kept) != summary.count:
            return f"{stage}: count is {summary.count}, values_us holds {len(kept)}"
        ordered = np.sort(np.asarray(kept, np.float64)) / 1e3
        for name, percent in (("min", 0), ("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99), ("max", 100)):
            at = min(len(ordered) * percent // 100, len(ordered) - 1)
            told, low, high = getattr(summary, name), ordered[max(at - 1, 0)], ordered[at]
            if not low - _WITHIN_MS <= told <= high + _WITHIN_MS:
                return f"{stage}: {name} is {told:g} ms, of values_us it is {high:g} ms"
    return None
