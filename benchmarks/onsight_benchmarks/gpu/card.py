"""The graphics card as `nvidia-smi` tells of it while it is measured, and what it says against a measurement.

Fields: `nvidia-smi --help-query-gpu`. Nothing is ever set: the card may be shared.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from statistics import median

from onsight_benchmarks.record import Gpu

_EVERY_MS = 500
_FIELDS = (
    "name",
    "driver_version",
    "memory.total",
    "clocks.sm",
    "clocks.mem",
    "power.draw",
    "clocks_throttle_reasons.active",
)
# Bits of the clocks' reasons that hold a card below what it can do: nvml.h, nvmlClocksThrottleReason*. A power cap is
# no fault: large cards meet it in normal work.
_HELD_BACK = (
    (0x08, "hardware slowdown"),
    (0x20, "software thermal slowdown"),
    (0x40, "hardware thermal slowdown"),
    (0x80, "power brake"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the card; None for what it does not tell."""

    name: str | None
    driver: str | None
    memory_mib: float | None
    sm_mhz: float | None
    memory_mhz: float | None
    power_w: float | None
    reasons: int


class CardWatch:
    """Looks at the card twice a second from its construction until `stop`, from a process of nvidia-smi's own.

    Args:
        name: of the GPU, as the framework calls it, where nvidia-smi is not there.
        command: in place of nvidia-smi; for tests.
    """

    def __init__(self, name: str, command: str | None = None) -> None:
        self._name = name
        self._command = command or shutil.which("nvidia-smi")
        self._process: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (closed on leaving)
        if self._command is not None:
            query = ["--query-gpu=" + ",".join(_FIELDS), "--format=csv,noheader,nounits", "-lms", str(_EVERY_MS)]
            with contextlib.suppress(OSError):
                self._process = subprocess.Popen(
                    [self._command, "-i", visible_card(), *query], stdout=self._output, stderr=subprocess.DEVNULL
                )

    def __enter__(self) -> CardWatch:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        self._output.close()

    def stop(self) -> tuple[Gpu, tuple[str, ...]]:
        """The card, and every reason why what was measured on it should not count."""
        self._end()
        self._output.seek(0)
        readings = read_lines(self._output.read().decode(errors="replace"))
        return summarise_card(readings, self._name, None if self._command is None else _cuda_version(self._command))

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


def visible_card() -> str:
    """What `nvidia-smi -i` calls the first card that this process may use: an index, or a UUID."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"


def read_lines(text: str) -> list[Reading]:
    """Every whole line of nvidia-smi's comma-separated answers; others are left out."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(_FIELDS):
            name, driver, *numbers, reasons = cells
            bits = int(reasons, 16) if re.fullmatch(r"0x[0-9a-fA-F]+", reasons) else 0
            memory, sm, memory_clock, power = map(_number, numbers)
            found.append(Reading(name or None, driver or None, memory, sm, memory_clock, power, bits))
    return found


def summarise_card(readings: list[Reading], name: str, cuda: str | None) -> tuple[Gpu, tuple[str, ...]]:
    """The card of some readings: medians of what changes."""

    def middle(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return round(median(known), 1) if known else None

    first = readings[0] if readings else None
    gpu = Gpu(
        name=(first.name if first else None) or name,
        driver=first.driver if first else None,
        cuda=cuda,
        memory_mib=None if first is None or first.memory_mib is None else round(first.memory_mib),
        sm_mhz=middle([one.sm_mhz for one in readings]),
        memory_mhz=middle([one.memory_mhz for one in readings]),
        power_w=middle([one.power_w for one in readings]),
    )
    held = [word for bit, word in _HELD_BACK if any(one.reasons & bit for one in readings)]
    return gpu, ((f"the GPU was held back: {', '.join(held)}",) if held else ())


def _number(cell: str) -> float | None:
    return float(cell) if re.fullmatch(r"\d+(\.\d+)?", cell) else None  # else [N/A], [Not Supported]


def _cuda_version(command: str) -> str | None:
    """The newest CUDA that the driver takes, from the head of nvidia-smi's page."""
    try:
        page = subprocess.run([command], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"CUDA Version:\s*([\d.]+)", page)
    return found[1] if found else None
