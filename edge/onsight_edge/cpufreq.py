"""The processor's clocks: which cores share one, what it runs at now, how far it may go, and what decides it.

Source: https://docs.kernel.org/admin-guide/pm/cpufreq.html (the policy interface in sysfs).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from onsight_edge.device import read_text, vcgencmd

_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Clock:
    """One cpufreq policy: cores that share a clock. None where the kernel does not say.

    Attributes:
        cores: their numbers.
        governor: what decides it, such as `ondemand` or `performance`.
        mhz: now.
        limit_mhz: the highest that is allowed at this moment: by the user, by the power mode, or against heat.
        max_mhz: the highest that the hardware can do.
    """

    cores: tuple[int, ...]
    governor: str | None
    mhz: float | None
    limit_mhz: float | None
    max_mhz: float | None


def clocks(root: Path = _ROOT) -> tuple[Clock, ...]:
    """Every clock of the processor; empty where the kernel tells nothing, as in most virtual machines.

    A Raspberry Pi without cpufreq (its driver can be left out) is asked for the clock of its cores by `vcgencmd`.

    Args:
        root: where `sys` stands; another one in tests.
    """
    system = root / "sys/devices/system/cpu"
    policies = sorted((system / "cpufreq").glob("policy[0-9]*"), key=lambda one: int(one.name.removeprefix("policy")))
    if not policies:  # kernels before 4.3
        policies = sorted(system.glob("cpu[0-9]*/cpufreq"), key=lambda one: (len(str(one)), one))
    found = tuple(_clock(policy) for policy in policies)
    return found or _firmware_clock(root)


def _clock(policy: Path) -> Clock:
    cores = read_text(policy, "affected_cpus") or (re.findall(r"\d+", str(policy)) or [""])[-1]
    return Clock(
        tuple(int(core) for core in cores.split() if core.isdigit()),
        read_text(policy, "scaling_governor"),
        _mhz(policy, "scaling_cur_freq"),
        _mhz(policy, "scaling_max_freq"),
        _mhz(policy, "cpuinfo_max_freq"),
    )


def _firmware_clock(root: Path) -> tuple[Clock, ...]:
    # "frequency(48)=1500345728", in Hz
    found = re.search(r"=(\d+)", vcgencmd("measure_clock", "arm", root=root) or "")
    return () if found is None else (Clock((), None, round(int(found[1]) / 1e6, 1), None, None),)


def _mhz(policy: Path, name: str) -> float | None:
    khz = read_text(policy, name)  # scaling_cur_freq may say "<unknown>"
    return int(khz) / 1000 if khz is not None and khz.isdigit() else None
