from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from onsight_edge.device import (
    describe_device,
    governor,
    temperature_c,
    throttle_state,
    throttled,
)


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


PI5 = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nprocessor\t: 1\nCPU part\t: 0xd0b\n",
    "proc/meminfo": "MemTotal:        8245276 kB\nMemFree:         1 kB\n",
    "proc/sys/kernel/osrelease": "6.12.25+rpt-rpi-2712\n",
    "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48750\n",
}


def test_a_raspberry_pi_is_described(tmp_path: Path) -> None:
    info = describe_device(plant(tmp_path, PI5))
    assert info.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert info.cpu == "Cortex-A76"
    assert info.memory_mib == 8052
    assert info.os == "Debian GNU/Linux 12 (bookworm)"
    assert info.kernel == "6.12.25+rpt-rpi-2712"
    assert (info.governor, info.max_mhz) == ("ondemand", 2400)
    assert temperature_c(tmp_path) == 48.75


def test_what_a_device_does_not_tell_is_none(tmp_path: Path) -> None:
    info = describe_device(tmp_path)
    assert (info.model, info.cpu, info.memory_mib, info.governor, info.max_mhz) == (None,) * 5
    assert temperature_c(tmp_path) is None
    assert governor(tmp_path) is None
    assert info.numpy and info.opencv and info.python


def test_two_kinds_of_cores_and_unknown_parts(tmp_path: Path) -> None:
    cores = "".join(f"CPU part\t: {part}\n" for part in ("0xd05", "0xd0b", "0xd0b", "0xfff"))
    plant(tmp_path, {"proc/cpuinfo": cores})
    assert describe_device(tmp_path).cpu == "Cortex-A55 + Cortex-A76 + ARM part 0xfff"


def test_a_pc_names_its_processor(tmp_path: Path) -> None:
    plant(tmp_path, {"proc/cpuinfo": "model name\t: Some CPU @ 2.0GHz\n", "sys/class/dmi/id/product_name": "Box\n"})
    info = describe_device(tmp_path)
    assert (info.cpu, info.model) == ("Some CPU @ 2.0GHz", "Box")


def test_the_processors_zone_counts_and_broken_ones_are_passed_over(tmp_path: Path) -> None:
    zones = {"GPU-therm": "70000", "CPU-therm": "51000", "CV0-therm": "", "odd": "not a number"}
    for number, (kind, value) in enumerate(zones.items()):
        zone = f"sys/class/thermal/thermal_zone{number}"
        plant(tmp_path, {f"{zone}/type": kind, f"{zone}/temp": value})
    assert temperature_c(tmp_path) == 51.0


def test_without_a_named_zone_the_hottest_counts(tmp_path: Path) -> None:
    for number, value in enumerate(("41000", "43500")):
        plant(tmp_path, {f"sys/class/thermal/thermal_zone{number}/temp": value})
    assert temperature_c(tmp_path) == 43.5


def test_throttle_bits() -> None:
    state = throttle_state(0x50004)
    assert state.now == ("throttled",)
    assert state.since_boot == ("under-voltage", "throttled")
    assert state.to_json() == {
        "raw": "0x50004",
        "now": ["throttled"],
        "since_boot": ["under-voltage", "throttled"],
    }
    assert throttle_state(0) == throttle_state(0x0)
    assert throttle_state(0).now == ()


@pytest.mark.parametrize(
    ("script", "raw"),
    [
        ("echo throttled=0x50000", 0x50000),
        ("echo throttled=0x0", 0),
        ("echo 'VCHI initialization failed'", None),
        ("exit 1", None),
    ],
)
def test_vcgencmd_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, raw: int | None) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    state = throttled()
    assert (None if state is None else state.raw) == raw


def test_without_vcgencmd_throttling_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert throttled() is None


def test_this_device_holds_no_host_name_and_is_json() -> None:
    text = json.dumps(describe_device().to_json(), allow_nan=False)
    assert socket.gethostname() not in describe_device().to_json().values()
    assert str(Path.home()) + "/" not in text
    assert describe_device().cores >= 1
