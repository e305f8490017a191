from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from onsight_benchmarks.conditions import Watch, busy_seconds

TICK = os.sysconf("SC_CLK_TCK")
POLICY = "sys/devices/system/cpu/cpufreq/policy0"


def machine(
    root: Path,
    *,
    governor: str = "ondemand",
    busy_s: float = 0.0,
    celsius: float = 50.0,
    mhz: int = 2400,
    limit: int = 2400,
    raw: str | None = None,
    cooling: int | None = None,
) -> Path:
    """A device's files, as a Raspberry Pi has them; each is replaced whole, for the sampler reads them meanwhile."""
    files = {
        "proc/stat": f"cpu  {round(busy_s * TICK)} 0 0 999 5 0 0 0 0 0\ncpu0 1 2 3\n",
        "proc/loadavg": "0.25 0.1 0.1 1/100 1234\n",
        f"{POLICY}/affected_cpus": "0 1 2 3\n",
        f"{POLICY}/scaling_governor": f"{governor}\n",
        f"{POLICY}/scaling_cur_freq": f"{mhz}000\n",
        f"{POLICY}/scaling_max_freq": f"{limit}000\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": f"{round(celsius * 1000)}\n",
    }
    if raw is not None:
        files["usr/bin/vcgencmd"] = f'#!/bin/sh\n[ "$*" = get_throttled ] && echo throttled={raw}\n'
    if cooling is not None:
        files["sys/class/thermal/cooling_device0/type"] = "cpufreq-cpu0\n"
        files["sys/class/thermal/cooling_device0/cur_state"] = f"{cooling}\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        new = root / f"{name}.new"
        new.write_text(text)
        new.chmod(0o755)
        new.replace(root / name)
    return root


def seen_through(root: Path, *changes: Callable[[], object], **how: bool) -> tuple[str, ...]:
    """What speaks against a measurement during which the device changed so, step by step."""
    watch = Watch(root, hz=0.01, **how)  # only the looks that are asked for
    for change in changes:
        change()
        watch._sampler.mark()
    return watch.stop(4)[1]


def test_a_quiet_machine_has_nothing_against_it(tmp_path: Path) -> None:
    watch = Watch(machine(tmp_path, raw="0x0", cooling=0))
    watch._started -= 10  # as if so long had passed
    machine(tmp_path, celsius=55, raw="0x0", cooling=0)
    seen, against = watch.stop(4)
    assert against == ()
    assert (seen.governor_before, seen.load1_before, seen.others_cores) == ("ondemand", 0.25, 0.0)
    assert (seen.temperature_c_before, seen.temperature_c_after) == (50.0, 55.0)
    assert seen.seconds >= 10
    assert seen.throttled_before == {"raw": "0x0", "now": [], "since_boot": [], "events": {}}


def test_a_changed_governor_is_an_objection_also_when_it_changed_back(tmp_path: Path) -> None:
    machine(tmp_path)
    there = seen_through(tmp_path, lambda: machine(tmp_path, governor="powersave"))
    assert there == ("the governor changed from ondemand to powersave meanwhile",)
    machine(tmp_path)
    back = seen_through(
        tmp_path, lambda: machine(tmp_path, governor="powersave"), lambda: machine(tmp_path, governor="ondemand")
    )
    assert back == ("the governor changed from ondemand to powersave, then ondemand meanwhile",)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (("0x0", "0x40000"), "throttled"),  # it happened between two looks
        (("0x4", "0x40004"), "throttled"),
        (("0x0", "0x10001"), "under-voltage"),
        (("0x0", "0x8", "0x80000"), "soft temperature limit"),  # at one look only
        (("0x50000", "0x50000"), None),  # long before
        (("0x0", "0x0"), None),
    ],
)
def test_throttling_meanwhile_is_an_objection(tmp_path: Path, raw: tuple[str, ...], says: str | None) -> None:
    first, *later = raw
    machine(tmp_path, raw=first)
    against = seen_through(tmp_path, *(lambda raw=one: machine(tmp_path, raw=raw) for one in later))  # type: ignore[misc]
    assert against == (() if says is None else (f"the board was held back: {says}",))


def test_a_cooling_device_that_steps_in_for_a_moment_is_an_objection(tmp_path: Path) -> None:
    machine(tmp_path, cooling=0)
    against = seen_through(
        tmp_path, lambda: machine(tmp_path, cooling=2, limit=1500), lambda: machine(tmp_path, cooling=0)
    )
    assert against == (
        "the board was held back: cooling by cpufreq-cpu0",
        "the highest clock allowed changed meanwhile, between 1500 and 2400 MHz",
    )


def test_a_low_limit_that_stays_is_a_setting(tmp_path: Path) -> None:
    machine(tmp_path, limit=1500, mhz=1500)
    assert seen_through(tmp_path, lambda: machine(tmp_path, limit=1500, mhz=1500)) == ()


def test_a_clock_that_falls_under_load_is_an_objection(tmp_path: Path) -> None:
    machine(tmp_path)
    falls = [lambda: machine(tmp_path, mhz=1500)] * 2
    assert seen_through(tmp_path, *falls, busy=True) == (
        "the clock fell to 1500 MHz: in 3 of 4 looks it was below 80% of the 2400 MHz reached here",
    )
    machine(tmp_path)
    assert seen_through(tmp_path, *falls) == ()  # idle in between: a clock that falls is as it should be


def test_in_a_sustained_run_heat_is_what_is_shown_and_the_supply_still_counts(tmp_path: Path) -> None:
    machine(tmp_path, raw="0x0")
    hot = seen_through(
        tmp_path, lambda: machine(tmp_path, raw="0xe000e", limit=1500, mhz=1500), sustained=True, busy=True
    )
    assert hot == ()
    machine(tmp_path, raw="0x0")
    weak = seen_through(tmp_path, lambda: machine(tmp_path, raw="0x50005"), sustained=True)
    assert weak == ("the board was held back: under-voltage",)


def test_busy_neighbours_are_an_objection(tmp_path: Path) -> None:
    watch = Watch(machine(tmp_path, busy_s=100))
    watch._started -= 10
    machine(tmp_path, busy_s=107)
    seen, against = watch.stop(2)
    assert seen.others_cores == pytest.approx(0.7, abs=0.05)
    assert len(against) == 1 and "of 2 cores busy" in against[0]


def test_too_short_a_time_tells_nothing_of_neighbours(tmp_path: Path) -> None:
    watch = Watch(machine(tmp_path))
    machine(tmp_path, busy_s=107)
    watch._started = time.monotonic()
    assert watch.stop(2)[0].others_cores is None


def test_what_the_machine_does_not_tell_is_none(tmp_path: Path) -> None:
    seen, against = Watch(tmp_path).stop(2)
    assert against == ()
    assert (seen.load1_before, seen.others_cores, seen.governor_after, seen.throttled_after) == (None,) * 4
    assert seen.series is None


def test_a_sampler_that_dies_is_an_objection(tmp_path: Path) -> None:
    watch = Watch(machine(tmp_path))
    assert watch._sampler._process is not None
    watch._sampler._process.kill()
    seen, against = watch.stop(2)
    assert against == ("nobody looked at the device meanwhile: exit status -9",)
    assert (seen.series, seen.governor_before) == (None, "ondemand")


def test_the_looks_become_a_series(tmp_path: Path) -> None:
    watch = Watch(machine(tmp_path, raw="0x0"), hz=0.01)
    machine(tmp_path, raw="0x80008", celsius=81.2, mhz=1500)
    watch._sampler.mark()
    seen, _ = watch.stop(4)
    series = seen.series
    assert series is not None and len(series.t_s) == 3 and 0 <= series.t_s[0] <= series.t_s[1] <= series.t_s[2]
    assert series.temperature_c == (50.0, 81.2, 81.2)
    assert series.mhz == (2400, 1500, 1500)
    assert series.governor == ("ondemand",) * 3
    assert series.throttled == ("", "soft temperature limit", "soft temperature limit")
    assert series.power_w is None
    assert watch.energy is None


def test_energy_is_what_the_counter_grew_by_while_it_was_watched(tmp_path: Path) -> None:
    def counter(microjoules: int) -> None:
        folder = machine(tmp_path) / "sys/class/powercap/intel-rapl:0"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "name").write_text("package-0\n")
        (folder / "max_energy_range_uj").write_text("10000000\n")
        (folder / "new").write_text(f"{microjoules}\n")
        (folder / "new").replace(folder / "energy_uj")

    counter(9_000_000)
    watch = Watch(tmp_path, hz=0.01, idle_s=0.2)
    counter(500_000)  # over the end of its range
    seen, _ = watch.stop(4)
    assert watch.energy is not None
    assert (watch.energy.sensor, watch.energy.joules) == ("rapl package-0", pytest.approx(1.5))
    assert watch.energy.idle_watts == 0.0
    assert seen.series is not None and seen.series.power_w is not None


def test_stolen_time_counts_as_busy_and_waiting_does_not(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    ticks = [TICK, 0, TICK, 50 * TICK, 60 * TICK, 0, TICK, 4 * TICK, 9 * TICK, 0]
    (tmp_path / "proc/stat").write_text(f"cpu  {' '.join(map(str, ticks))}\n")
    assert busy_seconds(tmp_path) == 7.0
    (tmp_path / "proc/stat").write_text("nonsense\n")
    assert busy_seconds(tmp_path) is None
