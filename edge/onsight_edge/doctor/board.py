"""The board: clock, heat, power supply, memory, disk. Pure functions of what the kernel and the firmware say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from onsight_edge.cpufreq import Clock
from onsight_edge.doctor.finding import Finding, pip
from onsight_edge.power import Sensors
from onsight_edge.throttling import Throttling, supply_at_fault

WARM_C, HOT_C = 70.0, 80.0  # a Raspberry Pi lowers its clock from 80 degrees on
_LIMITED = 0.9
_LEAST_MIB, _LITTLE_MIB = 150, 400  # a live run takes about 120 MiB with the video decoder
_SMALL_BOARD_MIB = 1536
_LEAST_FREE, _LITTLE_FREE = 100 << 20, 1 << 30
_SWAPPED_MIB = 256


def check_governor(governor: str | None) -> tuple[Finding, ...]:
    """What decides the clock; nothing where the kernel does not tell."""
    if governor is None:
        return ()
    if governor in ("powersave", "conservative"):
        what = f"the governor {governor} keeps the clock low: every frame takes longer than it must"
        mend = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        return (Finding("clock", "warning", what, mend),)
    return (Finding("clock", "ok", f"governor {governor}"),)


def check_temperature(celsius: float | None) -> tuple[Finding, ...]:
    """How hot the processor is; nothing where it does not tell."""
    if celsius is None:
        return ()
    if celsius >= HOT_C:
        what = f"{celsius:.0f} °C: boards lower their clock from {HOT_C:.0f} °C on; give it a heat sink or a fan"
        return (Finding("heat", "problem", what),)
    if celsius >= WARM_C:
        what = f"{celsius:.0f} °C: warm; at {HOT_C:.0f} °C the clock goes down; a heat sink or a fan helps"
        return (Finding("heat", "warning", what),)
    return (Finding("heat", "ok", f"{celsius:.0f} °C"),)


def check_clock_limit(clocks: Sequence[Clock], power_mode: str | None) -> tuple[Finding, ...]:
    """Whether cores may reach what they could.

    Args:
        clocks: of the processor.
        power_mode: a Jetson's, None on others.
    """
    mode = "" if power_mode is None else f"; the power mode is {power_mode}"
    for one in clocks:
        if one.limit_mhz is not None and one.max_mhz is not None and one.limit_mhz < _LIMITED * one.max_mhz:
            what = f"the clock is limited to {one.limit_mhz:.0f} of {one.max_mhz:.0f} MHz: by heat or a setting{mode}"
            return (Finding("clock", "warning", what),)
    return () if power_mode is None else (Finding("clock", "ok", f"power mode {power_mode}"),)


def check_throttling(state: Throttling | None) -> tuple[Finding, ...]:
    """What the device says of its clock and supply; nothing where it says nothing."""
    if state is None:
        return ()
    bits = "" if state.raw is None else f" ({state.raw:#x})"
    if state.now:
        return (Finding("throttling", "problem", f"held back now: {', '.join(state.now)}{bits}{_supply(state.now)}"),)
    counted = [f"{what} ({count} times)" for what, count in state.events if count]
    held = (*state.since_boot, *counted)
    if held:
        return (Finding("throttling", "warning", f"held back since boot: {', '.join(held)}{bits}{_supply(held)}"),)
    return (Finding("throttling", "ok", "nothing has held the clock back since boot"),)


def check_firmware(closed: bool) -> tuple[Finding, ...]:
    """Whether a Raspberry Pi's firmware may be asked; nothing where it may, or on other boards."""
    if not closed:
        return ()
    what = "vcgencmd gets no answer, so throttling and power stay unknown: only the group video may ask the firmware"
    return (Finding("throttling", "warning", what, "sudo usermod -aG video $USER"),)


def check_power_sensor(sensors: Sensors) -> tuple[Finding, ...]:
    """Whether records can say what a picture costs in energy; nothing on the many boards without a sensor."""
    if sensors.readable:
        return (Finding("energy", "ok", f"measured by {sensors.readable[0].name}"),)
    return tuple(
        Finding("energy", "ok", f"{reason}: records have no energy", command) for reason, command in sensors.closed
    )


def check_memory(meminfo: str) -> tuple[Finding, ...]:
    """Memory and swap, from the text of /proc/meminfo (man 5 proc)."""
    values = {name: int(kib) // 1024 for name, kib in re.findall(r"^(\w+):\s*(\d+) kB", meminfo, re.MULTILINE)}
    if not {"MemTotal", "MemAvailable"} <= values.keys():
        return ()
    found = [_available(values)]
    swap, used = values.get("SwapTotal", 0), values.get("SwapTotal", 0) - values.get("SwapFree", 0)
    if used > _SWAPPED_MIB and values["MemAvailable"] < _LITTLE_MIB:
        what = f"{used} MiB are swapped out: frames will come in fits and starts"
        found.append(Finding("swap", "warning", what, "ps -eo rss,pid,args --sort=-rss | head"))
    elif swap == 0 and values["MemTotal"] < _SMALL_BOARD_MIB:
        what = f"no swap on a board of {values['MemTotal']} MiB: what needs more is killed"
        found.append(Finding("swap", "warning", what, _MAKE_SWAP))
    else:
        found.append(Finding("swap", "ok", f"{swap} MiB of swap, {used} MiB in use" if swap else "no swap"))
    return tuple(found)


def check_disk(free: Mapping[Path, int]) -> tuple[Finding, ...]:
    """Room for results and fetched data.

    Args:
        free: folder -> bytes that may be written below it.
    """
    found = []
    for folder, bytes_free in free.items():
        what = f"{bytes_free / (1 << 30):.1f} GiB free at {folder}"
        if bytes_free < _LEAST_FREE:
            mend = f"sudo apt-get clean && {pip('cache purge')}"
            found.append(Finding("disk", "problem", f"{what}: videos and records will not be written", mend))
        elif bytes_free < _LITTLE_FREE:
            mend = f"du -xh --max-depth=2 {shlex.quote(str(folder))} | sort -h | tail"
            found.append(Finding("disk", "warning", what, mend))
        else:
            found.append(Finding("disk", "ok", what))
    return tuple(found)


_MAKE_SWAP = (
    "sudo fallocate -l 1G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile"
)


def _available(values: Mapping[str, int]) -> Finding:
    what = f"{values['MemAvailable']} of {values['MemTotal']} MiB of memory available"
    if values["MemAvailable"] >= _LITTLE_MIB:
        return Finding("memory", "ok", what)
    mend = "ps -eo rss,pid,args --sort=-rss | head"
    if values["MemAvailable"] >= _LEAST_MIB:
        return Finding("memory", "warning", f"{what}: end what is not needed", mend)
    return Finding("memory", "problem", f"{what}: a live run needs more; end what is not needed", mend)


def _supply(states: tuple[str, ...]) -> str:
    return "; use the board's own power supply" if any(map(supply_at_fault, states)) else ""
