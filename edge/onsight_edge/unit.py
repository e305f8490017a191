"""The systemd unit of a live run: its text, as a pure function of what it is to do.

Sources: man 5 systemd.unit, systemd.service, systemd.exec. Every line can be checked with `systemd-analyze verify` and
weighed with `systemd-analyze security`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onsight_edge.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
# What a classifier of camera pictures never needs, whoever runs it. Not ProtectClock: it implies a DeviceAllow, which
# closes all devices that are not named, the cameras among them (man 5 systemd.exec); without capabilities and by the
# system call filter no clock can be set anyway.
_HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0027
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """A live run as a service.

    Attributes:
        name: of the service, without `.service`.
        command: what is executed, program first; absolute.
        folder: the working directory, which relative paths in `command` start from.
        user: who runs it; None for a user that exists only while it runs (DynamicUser).
        groups: that it also belongs to, such as `video` for cameras.
        writes: folders that it writes to; all others are read-only for it.
        watchdog_s: it is started again when no result came for so long; None: never for that reason.
        environment: variables.
        secrets: a file of `NAME=value` lines with what must not stand in a unit, such as passwords; None for none.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    user: str | None
    groups: tuple[str, ...] = ("video",)
    writes: tuple[Path, ...] = ()
    watchdog_s: float | None = 30.0
    environment: tuple[tuple[str, str], ...] = ()
    secrets: Path | None = None

    def __post_init__(self) -> None:
        """Raises UsageError where a value cannot stand in a unit."""
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"a service's name has letters, digits, '_', '.' and '-' (64 at most), not {self.name!r}")
        for text in (
            *self.command,
            str(self.folder),
            *map(str, self.writes),
            *(v for pair in self.environment for v in pair),
        ):
            if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
                raise UsageError(f"{text!r} cannot stand in a systemd unit: it has a line end or a control character")

    @property
    def text(self) -> str:
        """The unit file."""
        lines = [
            "# written by `onsight service install`; installing again replaces it",
            "[Unit]",
            "Description=onsight, live image classification",
            "Wants=network-online.target",
            "After=network-online.target",
            "# a camera may come back after hours: never give up",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "# ready with the first result; see WatchdogSec",
            "Type=notify",
            "NotifyAccess=main",
            f"ExecStart={' '.join(map(quoted, self.command))}",
            "ExecReload=/bin/kill -HUP $MAINPID",
            f"WorkingDirectory={_plain(self.folder)}",
            "Restart=on-failure",
            "RestartSec=5",
            "TimeoutStartSec=180",
            "TimeoutStopSec=30",
            *self._watching(),
            *(f"Environment={quoted(f'{key}={value}')}" for key, value in self.environment),
            *([] if self.secrets is None else [f"EnvironmentFile={_plain(self.secrets)}"]),
            "",
            *(["DynamicUser=yes"] if self.user is None else [f"User={self.user}"]),
            *([f"SupplementaryGroups={' '.join(self.groups)}"] if self.groups else []),
            f"StateDirectory={self.name}",
            "StateDirectoryMode=0750",
            *([f"ReadWritePaths={' '.join(_listed(path) for path in self.writes)}"] if self.writes else []),
            *_HARDENING.splitlines(),
            "",
            "[Install]",
            "WantedBy=multi-user.target",
        ]
        return "\n".join(lines) + "\n"

    def _watching(self) -> list[str]:
        if self.watchdog_s is None:
            return []
        # SIGTERM lets it finish its files; systemd sends SIGKILL after TimeoutStopSec where it does not end
        return [f"WatchdogSec={self.watchdog_s:g}", "WatchdogSignal=SIGTERM"]


def quoted(word: str) -> str:
    r"""One word of a command line in a unit: `%`, `$`, quotes and backslashes lose their meaning.

    Source: man 5 systemd.service, "Command lines"; man 5 systemd.syntax, "Quoting".
    """
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@%+=:,./$-]+", escaped, re.ASCII) else f'"{escaped}"'


def _plain(path: Path) -> str:
    """A path that takes the rest of a line: specifiers are expanded there, quotes are not."""
    return str(path).replace("%", "%%")


def _listed(path: Path) -> str:
    """A path in a list; one that is not there yet is no fault."""
    return quoted(f"-{path}").replace("$$", "$")  # no variables are expanded here


def unreadable_for_others(path: Path) -> Path | None:
    """The first of `path` and the folders above it that strangers may not enter or read; None where they may all."""
    path = path.absolute()
    for at, wanted in (*((folder, 0o001) for folder in reversed(path.parents)), (path, 0o004)):
        try:
            mode = at.stat().st_mode
        except OSError:
            return at
        if not mode & wanted:
            return at
    return None


def without_nested(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Folders, each once, without those that lie in another of them."""
    all_of_them = sorted(set(folders))
    return tuple(one for one in all_of_them if not any(other in one.parents for other in all_of_them))
