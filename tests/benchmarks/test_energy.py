from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from onsight_benchmarks.energy import measure_energy

RAPL = "sys/class/powercap/intel-rapl:0"


class Package:
    """A processor package whose energy counter grows with what subjects do."""

    def __init__(self, root: Path) -> None:
        self.folder = root / RAPL
        self.folder.mkdir(parents=True)
        (self.folder / "name").write_text("package-0\n")
        (self.folder / "max_energy_range_uj").write_text("262143328850\n")
        self.used_uj = 1_000_000
        self.use(0)

    def use(self, microjoules: int) -> None:
        self.used_uj += microjoules
        (self.folder / "new").write_text(f"{self.used_uj}\n")
        (self.folder / "new").replace(self.folder / "energy_uj")

    def subject(self, each_uj: int):  # type: ignore[no-untyped-def]
        def measure(calls: int) -> np.ndarray:
            time.sleep(0.005)
            self.use(calls * each_uj)
            return np.ones((calls, 1), np.int64)

        return measure


def test_each_subjects_energy_is_its_own(tmp_path: Path) -> None:
    package = Package(tmp_path)
    told: list[float] = []
    one, two = measure_energy(
        [(package.subject(1000), 1), (package.subject(3000), 8)],
        seconds=0.1,
        idle_s=0.05,
        root=tmp_path,
        progress=told.append,
    )
    assert one is not None and two is not None
    assert one.sensor == "rapl package-0"
    assert one.mj_per_picture == pytest.approx(1.0)
    assert two.mj_per_picture == pytest.approx(3.0 / 8)
    assert one.joules > 0 and one.idle_watts == two.idle_watts == 0.0
    assert told == [0.0, 0.5]


def test_without_a_sensor_nothing_is_measured_nor_waited_for(tmp_path: Path) -> None:
    def never(calls: int) -> np.ndarray:
        raise AssertionError("must not be called")

    assert measure_energy([(never, 1)], root=tmp_path) == [None]
    Package(tmp_path)
    assert measure_energy([(never, 1)], seconds=0, root=tmp_path) == [None]


def test_a_sensor_that_fails_meanwhile_gives_no_figure(tmp_path: Path) -> None:
    package = Package(tmp_path)

    def measure(calls: int) -> np.ndarray:
        (package.folder / "energy_uj").unlink(missing_ok=True)
        return np.ones((calls, 1), np.int64)

    assert measure_energy([(measure, 1)], seconds=0.05, idle_s=0.0, root=tmp_path) == [None]
