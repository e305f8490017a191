"""Looks at the device a few times a second while something is measured, from a process of its own.

A thread would do it more simply, and would hold the interpreter's lock while the measured thread wants it:
`python -m onsight_benchmarks.sampling` measures what either costs (see benchmarks/README.md). The child imports the
standard library and onsight_edge's telemetry only, keeps what it saw in memory and hands it over when it is told to
stop, so that the measuring process has nothing to do in between. It ends when its standard input does: also when the
measuring process is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import onsight_edge
from onsight_edge.power import Meter, find_sensors
from onsight_edge.telemetry import telemetry
from onsight_edge.throttling import Throttling

HZ = 2.0
_ROOT = Path("/")
_PATIENCE_S = 20.0  # vcgencmd may take 5 s to give up, several times
_PACKAGES = tuple(dict.fromkeys(str(Path(str(one)).resolve().parents[1]) for one in (__file__, onsight_edge.__file__)))
_CHILD = f"import sys; sys.path[:0] = {_PACKAGES!r}; from onsight_benchmarks.sampler import main; main()"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the device; None where it does not tell.

    Attributes:
        t: when, seconds of `time.monotonic()`, which all processes share.
        temperature_c: of the processor.
        mhz, limit_mhz: the fastest core's clock, and the highest that any core was allowed.
        governor: what decided the clocks.
        throttled: what held the device back since the look before, in words.
        power_w: what the sensor said; of a counter the mean since the look before.
        joules: that the sensor has seen since the first look.
    """

    t: float
    temperature_c: float | None = None
    mhz: float | None = None
    limit_mhz: float | None = None
    governor: str | None = None
    throttled: tuple[str, ...] = ()
    power_w: float | None = None
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class Samples:
    """What was seen.

    Attributes:
        rows: in the order of time; the first one at the start.
        tells_throttling: whether the device tells of throttling at all.
        sensor: the power sensor's name; None where there is none.
        failure: why looking ended early; None where it did not.
    """

    rows: tuple[Sample, ...] = ()
    tells_throttling: bool = False
    sensor: str | None = None
    failure: str | None = None


class Looker:
    """Looks at the device when asked; knows what it saw before."""

    def __init__(self, root: Path = _ROOT) -> None:
        self._root = root
        sensors = find_sensors(root).readable
        self._meter = Meter(sensors[0]) if sensors else None
        self._before: Throttling | None = None
        self.sensor = sensors[0].name if sensors else None
        self.tells_throttling = False

    def look(self) -> Sample:
        """One look now."""
        now = telemetry(self._root)
        held: tuple[str, ...] = ()
        if now.throttling is not None:
            self.tells_throttling = True
            held = now.throttling.since(self._before or now.throttling)
            self._before = now.throttling
        power = self._meter.sample() if self._meter else None
        return Sample(
            time.monotonic(),
            now.temperature_c,
            now.mhz,
            now.limit_mhz,
            now.governor,
            held,
            power,
            self._meter.joules if self._meter else None,
        )


class Sampler:
    """A process that looks at the device from the construction, which returns after the first look, until `stop`."""

    def __init__(self, root: Path = _ROOT, hz: float = HZ) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._failure: str | None = None
        self.sensor: str | None = None
        command = [sys.executable, "-I", "-S", "-c", _CHILD, str(root.resolve()), str(hz)]
        pipe = subprocess.PIPE
        try:
            # a session of its own: Ctrl-C is for the measuring process
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        except OSError as error:
            self._failure = f"{sys.executable}: {error.strerror or error}"
            return
        self._process = process
        self._finalizer = weakref.finalize(self, _end, process)
        assert process.stdout is not None
        first = process.stdout.readline()
        if first:
            self.sensor = json.loads(first)["sensor"]

    def mark(self) -> None:
        """Have it look now, beside its turns; returns when it has."""
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            return
        with contextlib.suppress(OSError, ValueError):  # it has ended: `stop` tells
            self._process.stdin.write(".")
            self._process.stdin.flush()
            self._process.stdout.readline()

    def stop(self) -> Samples:
        """Have it look once more and end; what it saw."""
        if self._process is None:
            return Samples(failure=self._failure)
        self._finalizer.detach()
        try:
            text, errors = self._process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            _end(self._process)
            return Samples(failure=f"it did not end within {_PATIENCE_S:.0f} s")
        try:
            answer = json.loads(text)
            rows = tuple(Sample(**{**row, "throttled": tuple(row["throttled"])}) for row in answer["rows"])
        except (ValueError, KeyError, TypeError):
            last = (errors.strip().splitlines() or [f"exit status {self._process.returncode}"])[-1]
            return Samples(failure=last)
        return Samples(rows, answer["tells_throttling"], answer["sensor"])


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError, ValueError):
        process.kill()
        process.communicate(timeout=1)


def run(root: Path, hz: float, stdin: int, out: IO[str]) -> None:
    """The child: look every 1/`hz` seconds, and whenever a byte comes, until `stdin` ends; then tell.

    Args:
        root: see `telemetry`.
        hz: looks a second.
        stdin: a file descriptor.
        out: gets one line after the first look, an empty one after each that was asked for, and one at the end.
    """
    looker = Looker(root)
    rows = [looker.look()]
    print(json.dumps({"sensor": looker.sensor}), file=out, flush=True)
    due = rows[0].t
    due += 1 / hz
    while True:
        asked = bool(select.select([stdin], [], [], max(0.0, due - time.monotonic()))[0])
        ended = asked and not os.read(stdin, 1)
        rows.append(looker.look())
        if ended:
            break
        if asked:
            print(file=out, flush=True)
        else:
            due = max(due + 1 / hz, rows[-1].t)  # turns that were missed are not made up for
    answer = {
        "sensor": looker.sensor,
        "tells_throttling": looker.tells_throttling,
        "rows": [asdict(row) for row in rows],
    }
    print(json.dumps(answer), file=out, flush=True)


def main() -> None:
    """The child's entry: ROOT HZ on the command line."""
    with contextlib.suppress(OSError):
        os.nice(5)
    run(Path(sys.argv[1]), float(sys.argv[2]), sys.stdin.fileno(), sys.stdout)
