"""Asking systemd: check, install, look at and remove a unit."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onsight_edge.errors import OnsightError, UsageError
from onsight_edge.files import write_text
from onsight_edge.unit import Unit

UNITS = Path("/etc/systemd/system")
MARK = "# written by `onsight service install`"
_RUNNING = Path("/run/systemd/system")  # sd_booted(3)
_TIMEOUT_S = 60.0
_SHOWN = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "sub",
    "UnitFileState": "enabled",
    "Result": "result",
    "StatusText": "status",
    "NRestarts": "restarts",
    "ActiveEnterTimestamp": "since",
}

Call = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What systemd says of a service, in its own words; None where it says nothing.

    Attributes:
        loaded: `loaded`, or `not-found` where there is no such unit.
        active: `active` once results come, `activating` until then, `failed`, `inactive`.
        sub: finer, such as `running` or `auto-restart`.
        enabled: whether it starts with the machine.
        result: why it ended the last time, such as `success` or `watchdog`.
        status: the run's own line.
        restarts: how often systemd started it again.
        since: when it became active.
    """

    loaded: str | None
    active: str | None
    sub: str | None
    enabled: str | None
    result: str | None
    status: str | None
    restarts: int | None
    since: str | None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


class Systemd:
    """The service manager of this machine."""

    def __init__(self, units: Path = UNITS, running: Path = _RUNNING, call: Call | None = None) -> None:
        """Of this machine, unless a test names other places and another way to call programs."""
        self._units, self._running = units, running
        self._call = call or _call

    def path(self, name: str) -> Path:
        """Where a service's unit file stands."""
        return self._units / f"{name}.service"

    def verify(self, unit: Unit) -> tuple[str, ...]:
        """What `systemd-analyze verify` objects to; empty also where that program is missing.

        Raises:
            OnsightError: it cannot be executed.
        """
        if shutil.which("systemd-analyze") is None:
            return ()
        with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
            file = Path(folder) / f"{unit.name}.service"
            file.write_text(unit.text, encoding="utf-8")
            done = self._call(["systemd-analyze", "verify", "--man=no", str(file)])
            # it speaks of every unit that ours refers to; only what it says of this one counts
            said = [line for line in (done.stderr + done.stdout).splitlines() if f"{unit.name}.service" in line]
            return tuple(line.replace(f"{folder}/", "") for line in said)

    def install(self, unit: Unit, *, start: bool) -> None:
        """Write the unit, make it start with the machine, and start it now.

        Raises:
            UsageError: a unit of that name is somebody else's, or systemd does not run here.
            OnsightError: it cannot be written (it takes root), or systemctl fails.
        """
        self._demand_running()
        file = self.path(unit.name)
        self._demand_ours(file)
        self._demand_root(file)
        write_text(file, unit.text)
        file.chmod(0o644)
        self._systemctl("daemon-reload")
        self._systemctl("enable", file.name)
        if start:
            self._systemctl("restart", "--no-block", file.name)  # with Type=notify it would wait for the first frame

    def uninstall(self, name: str) -> bool:
        """Stop and remove a service; whether there was one.

        Raises:
            UsageError, OnsightError: as `install`.
        """
        file = self.path(name)
        if not file.exists():
            return False
        self._demand_running()
        self._demand_ours(file)
        self._demand_root(file)
        self._systemctl("disable", "--now", file.name)
        try:
            file.unlink()
        except OSError as error:
            raise OnsightError(f"cannot remove {file}: {error.strerror}") from error
        self._systemctl("daemon-reload")
        return True

    def state(self, name: str) -> ServiceState:
        """How a service fares.

        Raises:
            UsageError: systemd does not run here. OnsightError: systemctl fails.
        """
        self._demand_running()
        said = self._systemctl("show", f"{name}.service", f"--property={','.join(_SHOWN)}")
        values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        found: dict[str, Any] = {field: values.get(key) or None for key, field in _SHOWN.items()}
        restarts = found["restarts"]
        found["restarts"] = int(restarts) if restarts is not None and restarts.isdigit() else None
        return ServiceState(**found)

    def _systemctl(self, *words: str) -> str:
        done = self._call(["systemctl", *words])
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
            raise OnsightError(f"systemctl {words[0]} failed: {last}")
        return done.stdout

    def _demand_running(self) -> None:
        if not self._running.is_dir():
            raise UsageError(
                "systemd does not run this machine (a container, or another init system): "
                "`onsight service install --print` shows the unit, to be carried to one where it does"
            )

    def _demand_ours(self, file: Path) -> None:
        try:
            foreign = file.exists() and not file.read_text(encoding="utf-8", errors="replace").startswith(MARK)
        except OSError as error:
            raise OnsightError(f"cannot read {file}: {error.strerror}") from error
        if foreign:
            raise UsageError(f"{file} was not written by onsight: give the service another --name")

    def _demand_root(self, file: Path) -> None:
        if not os.access(file.parent, os.W_OK):
            raise OnsightError(f"cannot write {file}: it takes root; put sudo and the full path of onsight before it")


def _call(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"}
    try:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=_TIMEOUT_S, env=environment, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OnsightError(f"cannot execute {words[0]}: {error}") from error
