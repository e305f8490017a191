from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from onsight_edge.power import Meter, Sensor, Sensors, find_sensors, pmic_watts

ADC = """ 3V7_WL_SW_A current(0)=0.10000000A
   VDD_CORE_A current(7)=2.00000000A
       HDMI_A current(22)=0.02000000A
  3V7_WL_SW_V volt(8)=3.70000000V
   VDD_CORE_V volt(15)=0.80000000V
       HDMI_V volt(23)=5.00000000V
      EXT5V_V volt(24)=5.09066000V
       BATT_V volt(25)=0.00000000V
"""


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def ina3221(number: int, *rails: tuple[str, int, int]) -> dict[str, str]:
    folder = f"sys/bus/i2c/drivers/ina3221/1-004{number}/hwmon/hwmon{number}"
    files = {f"{folder}/in7_label": "sum of shunt voltages", f"{folder}/in7_input": "0"}
    for channel, (label, millivolts, milliamperes) in enumerate(rails, 1):
        files[f"{folder}/in{channel}_label"] = label
        files[f"{folder}/in{channel}_input"] = str(millivolts)
        files[f"{folder}/curr{channel}_input"] = str(milliamperes)
    return files


def rapl(number: int, microjoules: int, name: str = "package-0", largest: int = 262_143_328_850) -> dict[str, str]:
    folder = f"sys/class/powercap/intel-rapl:{number}"
    return {
        f"{folder}/name": name,
        f"{folder}/energy_uj": str(microjoules),
        f"{folder}/max_energy_range_uj": str(largest),
    }


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def feed(*values: float | None) -> Callable[[], float | None]:
    readings = iter(values)
    return lambda: next(readings)


def test_power_is_integrated_by_trapezoids() -> None:
    clock = Clock()
    meter = Meter(Sensor("one", watts=feed(2.0, 4.0, 4.0)), clock)
    assert meter.joules is None
    assert meter.sample() == 2.0
    assert meter.joules == 0.0
    clock.now += 1.0
    assert meter.sample() == 4.0
    clock.now += 0.5
    meter.sample()
    assert meter.joules == pytest.approx(3.0 + 2.0)


def test_a_counter_gives_mean_power_between_samples() -> None:
    clock = Clock()
    meter = Meter(Sensor("one", joules=feed(1000.0, 1003.0, 1004.0)), clock)
    assert meter.sample() is None  # of one reading no power follows
    clock.now += 2.0
    assert meter.sample() == 1.5
    clock.now += 0.5
    assert meter.sample() == 2.0
    assert meter.joules == 4.0


@pytest.mark.parametrize("kind", ["watts", "joules"])
def test_energy_with_a_gap_is_unknown(kind: str) -> None:
    clock = Clock()
    meter = Meter(Sensor("one", **{kind: feed(2.0, None, 4.0)}), clock)
    for expected in (2.0 if kind == "watts" else None, None):
        assert meter.sample() == expected
        clock.now += 1
    meter.sample()
    assert meter.joules is None


def test_a_raspberry_pi_5_sums_the_rails_it_knows_both_of(tmp_path: Path) -> None:
    assert pmic_watts(ADC) == pytest.approx(0.37 + 1.6 + 0.1)
    assert pmic_watts(" EXT5V_V volt(24)=5.09066000V\n") is None
    assert pmic_watts('error=1 error_msg="Command not registered"') is None
    script = plant(tmp_path, {"usr/bin/vcgencmd": f"#!/bin/sh\n[ $1 = pmic_read_adc ] && echo '{ADC}'"})
    (script / "usr/bin/vcgencmd").chmod(0o755)
    (sensor,) = find_sensors(tmp_path).readable
    assert sensor.name == "pmic" and sensor.watts is not None
    assert sensor.watts() == pytest.approx(2.07)


def test_a_jetsons_module_is_vdd_in(tmp_path: Path) -> None:
    plant(tmp_path, ina3221(0, ("VDD_IN", 5000, 1200), ("VDD_CPU_GPU_CV", 5000, 400), ("VDD_SOC", 5000, 300)))
    (sensor,) = find_sensors(tmp_path).readable
    assert sensor.name == "ina3221 VDD_IN" and sensor.watts is not None and sensor.watts() == 6.0
    plant(tmp_path, ina3221(0, ("VDD_IN", 5000, 1000)))
    assert sensor.watts() == 5.0


def test_an_agx_orins_module_is_three_rails(tmp_path: Path) -> None:
    plant(tmp_path, ina3221(0, ("VDD_GPU_SOC", 20000, 100), ("VDD_CPU_CV", 20000, 50), ("VIN_SYS_5V0", 5000, 800)))
    plant(tmp_path, ina3221(1, ("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 1800, 341), ("NC", 0, 0)))
    (sensor,) = find_sensors(tmp_path).readable
    assert sensor.name == "ina3221 VDD_GPU_SOC+VDD_CPU_CV+VIN_SYS_5V0" and sensor.watts is not None
    assert sensor.watts() == pytest.approx(2 + 1 + 4)
    (tmp_path / "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon0/curr2_input").unlink()
    assert sensor.watts() is None


def test_rails_whose_total_is_unknown_are_no_sensor(tmp_path: Path) -> None:
    assert find_sensors(plant(tmp_path, ina3221(0, ("GPU", 5000, 400), ("CPU", 5000, 300)))).readable == ()


def test_rapl_counts_over_the_end_of_its_range(tmp_path: Path) -> None:
    plant(tmp_path, rapl(0, 9_000_000, largest=10_000_000))
    plant(tmp_path, rapl(1, 5_000_000, "psys"))  # the whole platform, packages included
    plant(tmp_path, {"sys/class/powercap/intel-rapl:0:0/name": "core"})
    (sensor,) = find_sensors(tmp_path).readable
    assert sensor.name == "rapl package-0"
    clock = Clock()
    meter = Meter(sensor, clock)
    meter.sample()
    for after, watts in ((9_500_000, 0.5), (500_000, 1.0), (200_000, 9.7)):
        clock.now += 1
        plant(tmp_path, rapl(0, after, largest=10_000_000))
        assert meter.sample() == pytest.approx(watts)
    assert meter.joules == pytest.approx(11.2)


def test_two_packages_are_one_sensor(tmp_path: Path) -> None:
    plant(tmp_path, rapl(0, 1_000_000) | rapl(1, 2_000_000, "package-1"))
    (sensor,) = find_sensors(tmp_path).readable
    assert sensor.name == "rapl package-0+package-1" and sensor.joules is not None and sensor.joules() == 3.0


def test_a_counter_that_may_not_be_read_is_named_with_what_opens_it(tmp_path: Path) -> None:
    plant(tmp_path, rapl(0, 1))
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()  # root may read what has no permission
    found = find_sensors(tmp_path)
    assert found.readable == ()
    ((reason, command),) = found.closed
    assert "only root may read it" in reason and command == "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"


def test_a_chip_that_the_kernel_knows(tmp_path: Path) -> None:
    plant(tmp_path, {"sys/class/hwmon/hwmon0/name": "nvme", "sys/class/hwmon/hwmon0/power1_input": "1"})
    plant(tmp_path, {"sys/class/hwmon/hwmon2/name": "ina226", "sys/class/hwmon/hwmon2/power1_input": "3250000"})
    plant(tmp_path, {"sys/class/hwmon/hwmon3/name": "power_meter", "sys/class/hwmon/hwmon3/power1_average": "90000000"})
    first, second = find_sensors(tmp_path).readable
    assert (first.name, second.name) == ("hwmon ina226", "hwmon power_meter")
    assert first.watts is not None and first.watts() == 3.25
    assert second.watts is not None and second.watts() == 90.0


def test_no_sensor_is_no_sensor(tmp_path: Path) -> None:
    assert find_sensors(tmp_path) == Sensors((), ())
