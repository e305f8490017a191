from __future__ import annotations

import os
from pathlib import Path

import pytest

from onsight_benchmarks.conditions import Watch, busy_seconds
from onsight_edge.device import ThrottleState, throttle_state

TICK = os.sysconf("SC_CLK_TCK")


def machine(root: Path, *, governor: str = "ondemand", busy_s: float = 0.0, celsius: float = 50.0) -> Path:
    files = {
        "proc/stat": f"cpu  {round(busy_s * TICK)} 0 0 999 5 0 0 0 0 0\ncpu0 1 2 3\n",
        "proc/loadavg": "0.25 0.1 0.1 1/100 1234\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": f"{governor}\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": f"{round(celsius * 1000)}\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


class Firmware:
    """Answers like `vcgencmd get_throttled`, one state after the other."""

    def __init__(self, *raw: int) -> None:
        self._raw = iter(raw)

    def __call__(self) -> ThrottleState | None:
        return throttle_state(next(self._raw))


def nothing() -> None:
    return None


def watched(seconds: float, watch: Watch) -> Watch:
    watch._started -= seconds  # as if that had passed
    return watch


def test_a_quiet_machine_has_nothing_against_it(tmp_path: Path) -> None:
    watch = watched(10, Watch(machine(tmp_path), Firmware(0, 0)))
    machine(tmp_path, celsius=55)
    seen, against = watch.stop(4)
    assert against == ()
    assert (seen.governor_before, seen.load1_before, seen.others_cores) == ("ondemand", 0.25, 0.0)
    assert (seen.temperature_c_before, seen.temperature_c_after) == (50.0, 55.0)
    assert seen.seconds >= 10


def test_a_changed_governor_is_an_objection(tmp_path: Path) -> None:
    watch = Watch(machine(tmp_path), nothing)
    machine(tmp_path, governor="powersave")
    assert watch.stop(4)[1] == ("the governor changed from ondemand to powersave meanwhile",)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ((0x0, 0x40000), "throttled"),  # it happened meanwhile
        ((0x4, 0x40004), "throttled"),
        ((0x0, 0x10001), "under-voltage"),
        ((0x50000, 0x50000), None),  # long before
        ((0x0, 0x0), None),
    ],
)
def test_throttling_meanwhile_is_an_objection(tmp_path: Path, raw: tuple[int, int], says: str | None) -> None:
    _, against = Watch(machine(tmp_path), Firmware(*raw)).stop(4)
    assert against == (() if says is None else (f"the board was held back: {says}",))


def test_busy_neighbours_are_an_objection(tmp_path: Path) -> None:
    watch = watched(10, Watch(machine(tmp_path, busy_s=100), nothing))
    machine(tmp_path, busy_s=107)
    seen, against = watch.stop(2)
    assert seen.others_cores == pytest.approx(0.7, abs=0.05)
    assert len(against) == 1 and "of 2 cores busy" in against[0]


def test_too_short_a_time_tells_nothing_of_neighbours(tmp_path: Path) -> None:
    watch = Watch(machine(tmp_path), nothing)
    machine(tmp_path, busy_s=107)
    assert watch.stop(2)[0].others_cores is None


def test_what_the_machine_does_not_tell_is_none(tmp_path: Path) -> None:
    seen, against = watched(10, Watch(tmp_path, nothing)).stop(2)
    assert against == ()
    assert (seen.load1_before, seen.others_cores, seen.governor_after, seen.throttled_after) == (None,) * 4


def test_stolen_time_counts_as_busy_and_waiting_does_not(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    ticks = [TICK, 0, TICK, 50 * TICK, 60 * TICK, 0, TICK, 4 * TICK, 9 * TICK, 0]
    (tmp_path / "proc/stat").write_text(f"cpu  {' '.join(map(str, ticks))}\n")
    assert busy_seconds(tmp_path) == 7.0
    (tmp_path / "proc/stat").write_text("nonsense\n")
    assert busy_seconds(tmp_path) is None
