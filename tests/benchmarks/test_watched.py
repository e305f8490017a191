"""A whole measurement on a device whose files change meanwhile."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from onsight_benchmarks import latency
from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.energy import measure_energy
from onsight_benchmarks.latency import bench
from onsight_benchmarks.record import Record
from onsight_edge.errors import UsageError

POLICY = "sys/devices/system/cpu/cpufreq/policy0"
RAPL = "sys/class/powercap/intel-rapl:0"


def plant(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name("new")
    new.write_text(f"{text}\n")
    new.chmod(0o755)
    new.replace(path)


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A quiet Raspberry Pi; what is measured is watched there."""
    plant(tmp_path, "sys/class/thermal/thermal_zone0/type", "cpu-thermal")
    plant(tmp_path, "sys/class/thermal/thermal_zone0/temp", "50000")
    plant(tmp_path, f"{POLICY}/scaling_governor", "ondemand")
    plant(tmp_path, f"{POLICY}/scaling_cur_freq", "2400000")
    throttle(tmp_path, "0x0")
    monkeypatch.setattr(latency, "Watch", partial(Watch, tmp_path))
    monkeypatch.setattr(latency, "measure_energy", partial(measure_energy, root=tmp_path, idle_s=0.0))
    monkeypatch.setattr(latency, "IDLE_S", 0.01)
    return tmp_path


def throttle(root: Path, raw: str) -> None:
    plant(root, "usr/bin/vcgencmd", f'#!/bin/sh\n[ "$*" = get_throttled ] && echo throttled={raw}')


def counter(root: Path, microjoules: int) -> None:
    plant(root, f"{RAPL}/name", "package-0")
    plant(root, f"{RAPL}/max_energy_range_uj", "262143328850")
    plant(root, f"{RAPL}/energy_uj", str(microjoules))


def measured(device: Path, *, halfway: object = None, **how: object) -> Record:
    """Measure; `halfway` happens while it does."""
    done: list[bool] = []

    def tell(what: str, share: float) -> None:
        if what == "measuring" and not done and callable(halfway):
            done.append(True)
            halfway()

    return bench(fresh=0, progress=tell, **{"iterations": 110, **how})  # type: ignore[arg-type]


def test_nothing_happens(device: Path) -> None:
    found = measured(device)
    assert found.valid and found.invalid_because == ()
    assert found.conditions.series is not None and found.conditions.series.temperature_c is not None
    assert found.measurements[0].energy is None and found.measurements[0].over_time is None
    assert Record.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (f"{POLICY}/scaling_governor", "powersave", "the governor changed from ondemand to powersave meanwhile"),
        ("sys/class/thermal/cooling_device0/type", "cpufreq-cpu0", "the board was held back: cooling by cpufreq-cpu0"),
        (None, "0x80008", "the board was held back: soft temperature limit"),
        (None, "0x50000", "the board was held back: under-voltage, throttled"),
    ],
)
def test_what_happens_meanwhile_makes_the_record_invalid(device: Path, name: str | None, text: str, says: str) -> None:
    plant(device, "sys/class/thermal/cooling_device0/cur_state", "1")

    def halfway() -> None:
        if name is None:
            throttle(device, text)
        else:
            plant(device, name, text)

    found = measured(device, halfway=halfway)
    assert not found.valid and found.invalid_because == (says,)
    assert found.measurements[0].invalid_because == (says,)


def test_minutes_show_throttling_instead_of_being_spoilt_by_it(device: Path) -> None:
    def halfway() -> None:
        throttle(device, "0xe000e")
        plant(device, "sys/class/thermal/thermal_zone0/temp", "85000")

    found = measured(device, halfway=halfway, iterations=None, minutes=0.015)
    assert found.valid, found.invalid_because
    (one,) = found.measurements
    assert one.over_time is not None and one.sustained is not None and one.values_us is None
    assert one.sustained.throttled == ("frequency capped", "throttled", "soft temperature limit")
    assert one.sustained.hottest_c == 85.0 and one.over_time[0].temperature_c == 50.0
    assert one.scenario is not None and one.scenario.queries == sum(moment.count for moment in one.over_time)
    assert found.method.warmup == 0 and found.comparisons == ()
    assert Record.from_json(found.to_json()) == found


def test_energy_of_several_is_measured_one_by_one_afterwards(device: Path, bundle: Path) -> None:
    counter(device, 5_000_000)
    found = measured(device, model=bundle, variants=("tflite-int8", "onnx-float32"), energy_s=0.02)
    assert [one.energy is not None and one.energy.sensor for one in found.measurements] == ["rapl package-0"] * 2
    assert measured(device, energy_s=0).measurements[0].energy is None


def test_energy_of_one_over_minutes_is_that_of_the_run(device: Path) -> None:
    counter(device, 5_000_000)
    found = measured(device, halfway=lambda: counter(device, 9_000_000), iterations=None, minutes=0.01)
    (one,) = found.measurements
    assert one.energy is not None and one.scenario is not None
    assert one.energy.joules == pytest.approx(4.0) and one.energy.idle_watts == 0.0
    assert one.energy.mj_per_picture == pytest.approx(4000 / one.scenario.queries, rel=1e-5)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"minutes": 0}, "above 0"),
        ({"minutes": 1, "seconds": 1.0}, "without --iterations"),
        ({"minutes": 1, "loadgen": True}, "without --iterations"),
        ({"minutes": 1, "scenario": "live"}, "single-stream"),
        ({"energy_s": -1.0}, "--energy-seconds"),
    ],
)
def test_nonsense_is_refused(wanted: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        bench(**wanted)  # type: ignore[arg-type]
