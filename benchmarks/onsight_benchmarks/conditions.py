"""Under what conditions a measurement was taken, and whether they let it count."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onsight_edge.device import ThrottleState, governor, temperature_c, throttled

# A neighbour that takes a tenth of the machine shifts medians on two cores by more than the ratios we quote
MOST_OTHERS_SHARE = 0.10
_LEAST_SECONDS = 0.2  # the kernel counts in ticks of 10 ms
_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the machine did while it was measured; None where it does not tell.

    Attributes:
        seconds: how long the measuring took.
        load1_before: the load average of the minute before.
        others_cores: processor cores that other processes, the kernel and the hypervisor kept busy meanwhile.
        governor_before, governor_after: what decided the clock.
        temperature_c_before, temperature_c_after: of the processor.
        throttled_before, throttled_after: what a Raspberry Pi's firmware says (`ThrottleState.to_json()`).
    """

    seconds: float
    load1_before: float | None = None
    others_cores: float | None = None
    governor_before: str | None = None
    governor_after: str | None = None
    temperature_c_before: float | None = None
    temperature_c_after: float | None = None
    throttled_before: dict[str, object] | None = None
    throttled_after: dict[str, object] | None = None


class Watch:
    """Watches the machine from its construction until `stop`."""

    def __init__(self, root: Path = _ROOT, read_throttled: Callable[[], ThrottleState | None] = throttled) -> None:
        self._root = root
        self._read_throttled = read_throttled
        self._governor = governor(root)
        self._temperature = temperature_c(root)
        self._throttled = read_throttled()
        self._load = _load1(root)
        self._started = time.monotonic()
        self._busy, self._own, self._children = busy_seconds(root), time.process_time(), _children_seconds()

    def stop(self, cores: int, *, children: bool = False) -> tuple[Conditions, tuple[str, ...]]:
        """What it saw, and every reason why the measurement should not count.

        Args:
            cores: that this machine has.
            children: count what ended child processes did as our own work.
        """
        seconds = time.monotonic() - self._started
        busy, own = busy_seconds(self._root), time.process_time() - self._own
        if children:
            own += _children_seconds() - self._children
        others: float | None = None
        if busy is not None and self._busy is not None and seconds >= _LEAST_SECONDS:
            others = round(min(max(0.0, busy - self._busy - own) / seconds, cores), 3)
        state = self._read_throttled()
        seen = Conditions(
            seconds=round(seconds, 3),
            load1_before=self._load,
            others_cores=others,
            governor_before=self._governor,
            governor_after=governor(self._root),
            temperature_c_before=self._temperature,
            temperature_c_after=temperature_c(self._root),
            throttled_before=None if self._throttled is None else self._throttled.to_json(),
            throttled_after=None if state is None else state.to_json(),
        )
        return seen, _objections(seen, cores, self._throttled, state)


def busy_seconds(root: Path = _ROOT) -> float | None:
    """Core-seconds that all of the machine's cores have been busy since boot, time stolen by a hypervisor included.

    Source: man 5 proc, /proc/stat. None where there is none.
    """
    try:
        first = (root / "proc/stat").read_text().split("\n", 1)[0].split()
        user, nice, system, _idle, _iowait, irq, softirq, steal = (int(ticks) for ticks in first[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _load1(root: Path) -> float | None:
    try:
        return float((root / "proc/loadavg").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _objections(
    seen: Conditions, cores: int, before: ThrottleState | None, after: ThrottleState | None
) -> tuple[str, ...]:
    reasons = []
    if seen.governor_before != seen.governor_after:
        reasons.append(f"the governor changed from {seen.governor_before} to {seen.governor_after} meanwhile")
    if before is not None and after is not None:
        fresh = [what for what in after.since_boot if what not in before.since_boot]
        held = dict.fromkeys((*before.now, *after.now, *fresh))
        if held:
            reasons.append(f"the board was held back: {', '.join(held)}")
    if seen.others_cores is not None and seen.others_cores > MOST_OTHERS_SHARE * cores:
        reasons.append(
            f"other processes kept {seen.others_cores:.2f} of {cores} cores busy "
            f"(at most {MOST_OTHERS_SHARE * cores:.2f} may be)"
        )
    return tuple(reasons)
