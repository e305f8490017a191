"""What was seen of a run, held against what it promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from onsight_benchmarks.endurance.growth import growth
from onsight_benchmarks.endurance.looks import Look
from onsight_benchmarks.endurance.run import Seen
from onsight_benchmarks.report import Target
from onsight_benchmarks.stats import percentile
from onsight_edge.errors import BenchmarkError

MOST_GROWTH = 2.0  # percent of its level, over the last half
MOST_RISE = 0.1  # of a frame period, of the age
LOSSLESS = ("jsonl", "csv", "events", "mqtt", "webhook", "prometheus")  # queues that no result overruns at this rate


def judge(
    seen: Seen, *, cycles: int, cycle_s: float, fps: float, budgets: dict[str, int]
) -> tuple[dict[str, Any], tuple[Target, ...]]:
    """The record's results and targets.

    Args:
        seen: a run of at least 3 cycles; the first is its warm-up.
        cycles, cycle_s: how many, and how long each was.
        fps: of the source.
        budgets: folder -> bytes.

    Raises:
        BenchmarkError: too little was seen.
    """
    half = [one for one in seen.looks if one.t_s >= cycles * cycle_s / 2]
    times = [one.t_s for one in half]
    memory = {
        "rss_mib": growth(times, [one.rss_mib for one in half]),
        "anon_mib": growth(times, [one.anon_mib for one in half]),
    }
    by_cycle = over_time(seen, cycles, cycle_s)
    held = {what: [one[what] for one in by_cycle] for what in ("fds", "threads")}
    largest = {name: max(one.folders[name] for one in seen.looks) for name in seen.looks[0].folders}
    events = deliveries(seen)
    sinks = seen.summary["sinks"]
    troubled = [one["name"] for one in sinks if _in_trouble(one)]
    lost = {one["name"]: one["dropped"] for one in sinks if one["name"] in LOSSLESS}
    classified = seen.summary["classified"]
    missing = {"jsonl": classified - len(seen.results), "csv": classified - seen.rows}
    rise = round(by_cycle[-1]["age_p90_ms"] - by_cycle[1]["age_p90_ms"], 3)
    results = {
        "memory": memory,
        "by_cycle": by_cycle,
        "largest_bytes": largest,
        "budget_bytes": budgets,
        "age_p90_rise_ms": rise,
        "classified": classified,
        "dropped": seen.summary["dropped"],
        "fps": seen.summary["fps"],
        "missing": missing,
        "events": events,
        "sinks": sinks,
        "rotations": seen.rotations,
        "reloads": seen.reloads,
        "reloaded": seen.reloaded,
        "outages": seen.outages,
        "posts_failed": seen.posts_failed,
        "clients": seen.counts,
        "failed": seen.failed,
        "exit_status": seen.status,
        "looks": {
            name: [getattr(one, name) for one in seen.looks]
            for name in ("t_s", "rss_mib", "anon_mib", "fds", "threads")
        },
    }
    undelivered = sum(one["missing"] + one["doubled"] for one in events.values() if one is not None)
    targets = (
        *(
            Target(f"growth of {name} over the last half, % of its level", memory[key].percent, MOST_GROWTH)
            for name, key in (("resident memory", "rss_mib"), ("memory without files", "anon_mib"))
        ),
        *(
            Target(f"{name} without clients, last cycle minus second", float(held[key][-1] - held[key][1]), 0.0)
            for name, key in (("file descriptors", "fds"), ("threads", "threads"))
        ),
        *(
            Target(f"{name}: largest size by its budget", round(largest[name] / budget, 4), 1.0)
            for name, budget in budgets.items()
        ),
        Target("p90 of the frame age, last cycle minus second, ms", rise, round(MOST_RISE * 1000 / fps, 3)),
        Target("outputs that failed", float(len(troubled)), 0.0),
        Target(
            "results that the logs or outputs without pictures lost", float(_sum(missing, lost) + seen.disordered), 0.0
        ),
        Target("events that did not arrive, or twice", float(undelivered), 0.0),
        Target("reloads that were not heeded", float(seen.reloads - seen.reloaded), 0.0),
        Target("requests of clients that failed", float(sum(seen.failed.values())), 0.0),
        Target("exit status", float(seen.status), 0.0),
    )
    return results, targets


def over_time(seen: Seen, cycles: int, cycle_s: float) -> list[dict[str, Any]]:
    """Each cycle: memory, what was held while no client was there, and the age of frames.

    Of descriptors and threads the fewest of the quiet looks count: a connection made at that moment is none that leaks.

    Raises:
        BenchmarkError: a cycle was not looked at, or had no result.
    """
    found = []
    dropped_before = 0
    for number in range(cycles):
        start, end = number * cycle_s, (number + 1) * cycle_s
        looks = [one for one in seen.looks if start <= one.t_s < end]
        quiet = [one for one in looks if one.quiet]
        lines = [one for one in seen.results if start <= one[0] < end]
        if not quiet or not lines:
            raise BenchmarkError(f"cycle {number + 1}: nothing was seen of the run; is the machine overloaded?")
        ages = sorted(age for _, age, _ in lines)
        found.append(
            {
                "rss_mib": _middle(looks, lambda one: one.rss_mib),
                "anon_mib": _middle(looks, lambda one: one.anon_mib),
                "fds": min(one.fds for one in quiet),
                "threads": min(one.threads for one in quiet),
                "most_fds": max(one.fds for one in looks),
                "most_threads": max(one.threads for one in looks),
                "results": len(lines),
                "dropped": lines[-1][2] - dropped_before,
                "age_p50_ms": percentile(ages, 50),
                "age_p90_ms": percentile(ages, 90),
                "age_p99_ms": percentile(ages, 99),
            }
        )
        dropped_before = lines[-1][2]
    return found


def deliveries(seen: Seen) -> dict[str, dict[str, int] | None]:
    """How many decisions arrived where: `events missing doubled waiting`. Those that still wait on the disk are not
    missing. One that a receiver took but did not answer comes again with its id, which is no doubling at a webhook.
    """
    waiting = {one["name"]: one["counts"].get("waiting", 0) for one in seen.summary["sinks"]}
    found: dict[str, dict[str, int] | None] = {"mqtt": None}
    for name, arrived in (("mqtt", seen.published), ("webhook", seen.posted)):
        if arrived is None:
            continue
        missing = sum(1 for one in seen.events if one not in arrived)
        found[name] = {
            "events": len(seen.events),
            "missing": max(0, missing - waiting.get(name, 0)),
            "doubled": sum(arrived[one] - 1 for one in arrived),
            "waiting": waiting.get(name, 0),
        }
    return found


def _in_trouble(sink: dict[str, Any]) -> bool:
    """Whether an output did not work; what goes over a network was cut off on purpose, and has to come back."""
    failures: int = sink["failures"]
    if sink["name"] in ("mqtt", "webhook"):
        failures -= sink["restarts"]
    return sink["error"] is not None or failures != 0


def _middle(looks: Sequence[Look], of: Callable[[Look], float]) -> float:
    return percentile(sorted(of(one) for one in looks), 50)


def _sum(*counted: dict[str, int]) -> int:
    return sum(abs(value) for one in counted for value in one.values())
