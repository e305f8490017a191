"""What the doctor found: one fact, how bad it is, and the command that mends it."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about this machine.

    Attributes:
        area: what it is about, such as `runtime` or `camera`.
        level: `ok`; `warning`: something will not work, or slowly; `problem`: onsight will fail here.
        what: the fact, in one line.
        command: what to type to mend it; None where nothing needs mending or no command can.
    """

    area: str
    level: Level
    what: str
    command: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def pip(arguments: str) -> str:
    """A command for pip of the Python that runs now, which a bare `pip` need not be."""
    return f"{sys.executable or 'python3'} -m pip {arguments}"
