from __future__ import annotations

import json
from pathlib import Path

import pytest

from onsight_edge.cpufreq import clocks
from onsight_edge.device import describe_device, power_mode, temperature_c, thermal_zones
from onsight_edge.telemetry import telemetry
from onsight_edge.throttling import Throttling, supply_at_fault, throttling

CPU = "sys/devices/system/cpu"
THERMAL = "sys/class/thermal"


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def plant_vcgencmd(root: Path, **answers: str) -> Path:
    cases = "".join(f"'{question.replace('_ARM', ' arm')}') echo '{text}';;\n" for question, text in answers.items())
    plant(root, {"usr/bin/vcgencmd": f'#!/bin/sh\ncase "$*" in\n{cases}*) exit 1;;\nesac\n'})
    (root / "usr/bin/vcgencmd").chmod(0o755)
    return root


def policy(number: int, cores: str, mhz: int, limit: int, most: int, governor: str = "schedutil") -> dict[str, str]:
    folder = f"{CPU}/cpufreq/policy{number}"
    return {
        f"{folder}/affected_cpus": f"{cores}\n",
        f"{folder}/scaling_governor": f"{governor}\n",
        f"{folder}/scaling_cur_freq": f"{mhz}000\n",
        f"{folder}/scaling_max_freq": f"{limit}000\n",
        f"{folder}/cpuinfo_max_freq": f"{most}000\n",
    }


def test_a_board_with_two_kinds_of_cores(tmp_path: Path) -> None:
    plant(tmp_path, policy(4, "4 5", 2208, 2208, 2400) | policy(0, "0 1 2 3", 1200, 1800, 1800, "ondemand"))
    small, big = clocks(tmp_path)
    assert (small.cores, small.governor, small.mhz) == ((0, 1, 2, 3), "ondemand", 1200)
    assert (big.cores, big.limit_mhz, big.max_mhz) == ((4, 5), 2208, 2400)
    now = telemetry(tmp_path)
    assert (now.mhz, now.limit_mhz, now.governor) == (2208, 2208, "ondemand+schedutil")
    assert now.throttling is None and now.held_back == ()


def test_a_kernel_that_knows_clocks_of_cores_only(tmp_path: Path) -> None:
    for core in (0, 1, 10):
        plant(tmp_path, {f"{CPU}/cpu{core}/cpufreq/scaling_cur_freq": f"{1000 + core}000\n"})
    plant(tmp_path, {f"{CPU}/cpu1/cpufreq/scaling_cur_freq": "<unknown>\n"})
    assert [(one.cores, one.mhz) for one in clocks(tmp_path)] == [((0,), 1000), ((1,), None), ((10,), 1010)]


def test_the_firmware_is_asked_for_the_clock_where_the_kernel_does_not_tell(tmp_path: Path) -> None:
    plant_vcgencmd(tmp_path, measure_clock_ARM="frequency(48)=1500345728")
    assert telemetry(tmp_path).mhz == 1500.3


def test_what_a_device_does_not_tell_is_none(tmp_path: Path) -> None:
    now = telemetry(tmp_path)
    assert (now.temperature_c, now.zones, now.clocks, now.throttling) == (None, (), (), None)
    assert (now.mhz, now.limit_mhz, now.governor, now.held_back) == (None, None, None, ())
    assert json.loads(json.dumps(now.to_json()))["throttling"] is None


def test_zones_are_named_and_the_processors_counts(tmp_path: Path) -> None:
    for number, (kind, value) in enumerate({"gpu-thermal": "70500", "cpu-thermal": "51000", "cv0-thermal": ""}.items()):
        plant(tmp_path, {f"{THERMAL}/thermal_zone{number}/type": kind, f"{THERMAL}/thermal_zone{number}/temp": value})
    plant(tmp_path, {f"{THERMAL}/thermal_zone10/temp": "20000"})
    assert thermal_zones(tmp_path) == (("gpu-thermal", 70.5), ("cpu-thermal", 51.0), ("thermal_zone10", 20.0))
    assert telemetry(tmp_path).temperature_c == temperature_c(tmp_path) == 51.0


@pytest.mark.parametrize(
    ("raw", "now", "since_boot"),
    [
        ("0x0", (), ()),
        ("0xf", ("under-voltage", "frequency capped", "throttled", "soft temperature limit"), ()),
        ("0x80008", ("soft temperature limit",), ("soft temperature limit",)),
        ("0x50000", (), ("under-voltage", "throttled")),
    ],
)
def test_a_raspberry_pis_bits(tmp_path: Path, raw: str, now: tuple[str, ...], since_boot: tuple[str, ...]) -> None:
    state = throttling(plant_vcgencmd(tmp_path, get_throttled=f"throttled={raw}"))
    assert state is not None
    assert (state.now, state.since_boot, state.raw) == (now, since_boot, int(raw, 16))
    assert state.to_json()["raw"] == raw


@pytest.mark.parametrize(("alarm", "now"), [("0", ()), ("1", ("under-voltage",))])
def test_under_voltage_is_known_without_vcgencmd_too(tmp_path: Path, alarm: str, now: tuple[str, ...]) -> None:
    plant(
        tmp_path, {"sys/class/hwmon/hwmon3/name": "rpi_volt\n", "sys/class/hwmon/hwmon3/in0_lcrit_alarm": f"{alarm}\n"}
    )
    state = throttling(tmp_path)
    assert state is not None and state.now == now and state.raw is None


def test_cooling_devices_that_limit_a_clock_hold_it_back_and_fans_do_not(tmp_path: Path) -> None:
    devices = {
        "cpufreq-cpu0": "3",
        "pwm-fan": "4",
        "cpu-throttle-alert": "1",
        "gpu-throttle-alert": "0",
        "thermal-cpufreq-0": "0",
        "intel_powerclamp": "-1",
        "devfreq-17000000.gpu": "18",
        "TCC Offset": "10",
    }
    for number, (kind, state) in enumerate(devices.items()):
        folder = f"{THERMAL}/cooling_device{number}"
        plant(tmp_path, {f"{folder}/type": f"{kind}\n", f"{folder}/cur_state": f"{state}\n"})
    found = throttling(tmp_path)
    assert found is not None
    assert found.now == ("cooling by cpufreq-cpu0", "cooling by cpu-throttle-alert", "cooling by devfreq-17000000.gpu")


def test_a_fan_alone_tells_nothing_of_throttling(tmp_path: Path) -> None:
    plant(tmp_path, {f"{THERMAL}/cooling_device0/type": "pwm-fan", f"{THERMAL}/cooling_device0/cur_state": "4"})
    assert throttling(tmp_path) is None


def test_events_are_counted_and_compared(tmp_path: Path) -> None:
    for core in (0, 1):
        folder = f"{CPU}/cpu{core}/thermal_throttle"
        plant(tmp_path, {f"{folder}/core_throttle_count": "2\n", f"{folder}/package_throttle_count": "7\n"})
    oc = "sys/class/hwmon/hwmon1"
    plant(tmp_path, {f"{oc}/name": "soctherm_oc\n", f"{oc}/oc1_event_cnt": "0\n", f"{oc}/oc3_event_cnt": "27390\n"})
    before = throttling(tmp_path)
    assert before is not None
    assert dict(before.events) == {
        "core thermal limit": 4,
        "package thermal limit": 14,
        "under-voltage": 0,
        "instantaneous over-current": 27390,
    }
    assert before.since(before) == ()  # long before
    plant(tmp_path, {f"{CPU}/cpu1/thermal_throttle/core_throttle_count": "3\n", f"{oc}/oc1_event_cnt": "1\n"})
    after = throttling(tmp_path)
    assert after is not None and after.since(before) == ("core thermal limit", "under-voltage")


def test_what_held_at_either_end_or_latched_in_between_counts() -> None:
    before = Throttling(now=("throttled",), since_boot=("throttled",))
    after = Throttling(now=("frequency capped",), since_boot=("throttled", "frequency capped", "under-voltage"))
    assert after.since(before) == ("throttled", "frequency capped", "under-voltage")
    assert supply_at_fault("under-voltage") and supply_at_fault("average over-current")
    assert not supply_at_fault("soft temperature limit")


NVPMODEL = "< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n"


@pytest.mark.parametrize(("status", "name"), [("pmode:0002 fmode:quiet", "MAXN_SUPER"), ("pmode:0007", None)])
def test_a_jetsons_power_mode_is_named(tmp_path: Path, status: str, name: str | None) -> None:
    plant(tmp_path, {"var/lib/nvpmodel/status": f"{status}\n", "etc/nvpmodel.conf": NVPMODEL})
    assert power_mode(tmp_path) == describe_device(tmp_path).power_mode == name


def test_the_highest_clock_of_every_core_is_described(tmp_path: Path) -> None:
    for core, khz in ((0, 1800000), (1, 1800000), (10, 2400000)):
        plant(tmp_path, {f"{CPU}/cpu{core}/cpufreq/cpuinfo_max_freq": f"{khz}\n"})
    assert describe_device(tmp_path).cores_max_mhz == (1800, 1800, 2400)
    assert describe_device(plant(tmp_path, {f"{CPU}/cpu2/online": "1"})).cores_max_mhz is None  # one of them unknown
