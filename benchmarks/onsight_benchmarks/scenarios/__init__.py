"""How queries come to a model: one file each, with MLPerf LoadGen's names and meanings; `live` is our own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from onsight_benchmarks.plan import Combination
from onsight_benchmarks.rounds import ITERATIONS
from onsight_benchmarks.scenarios.outcome import Outcome, Setup

Prepare = Callable[[Sequence[Combination], Setup], Callable[[], list[Outcome]]]
"""Opens and warms up what the scenario needs; what it returns measures it all."""

# scenario -> (module, queries of each combination where the user says neither how many nor how long)
_SCENARIOS = {
    "single-stream": ("single_stream", ITERATIONS),
    "multi-stream": ("multi_stream", 670),  # 662 are LoadGen's least for a p99; blocks are of 10
    "offline": ("offline", 100),
    "live": ("live", 300),
}
SCENARIOS = tuple(_SCENARIOS)
WITH_LOADGEN = ("single-stream", "multi-stream", "offline")


def default_queries(scenario: str) -> int:
    """Queries of each combination where the user says neither how many nor how long."""
    return _SCENARIOS[scenario][1]


def preparation(scenario: str, *, sustained: bool = False) -> Prepare:
    """The function that prepares a scenario of that name, its module imported only now.

    Args:
        scenario: its name.
        sustained: for minutes, from cold on; single-stream only.
    """
    module = "sustained" if sustained else _SCENARIOS[scenario][0]
    prepare: Prepare = importlib.import_module(f"{__name__}.{module}").prepare
    return prepare
