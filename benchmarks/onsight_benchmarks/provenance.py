"""Who measured: onsight's version and, where it runs from a checkout, the commit."""

from __future__ import annotations

import datetime
import subprocess
from dataclasses import dataclass
from pathlib import Path

from onsight_edge import __version__

_CHECKOUT = Path(__file__).resolve().parents[2]  # where benchmarks/onsight_benchmarks/ stands, if it does


@dataclass(frozen=True, slots=True)
class Provenance:
    """The onsight that wrote a record.

    Attributes:
        version: of the package.
        commit: short Git commit, `-dirty` appended where files differ from it; None outside a checkout.
    """

    version: str
    commit: str | None


def provenance(checkout: Path = _CHECKOUT) -> Provenance:
    """This onsight. Git is asked only where the package lies in its own checkout, never for a folder around it."""
    if not ((checkout / ".git").exists() and (checkout / "edge" / "onsight_edge").is_dir()):
        return Provenance(__version__, None)
    command = ["git", "--no-optional-locks", "-C", str(checkout)]
    try:
        commit = subprocess.run(
            [*command, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*command, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return Provenance(__version__, None)
    return Provenance(__version__, commit + ("-dirty" if changed else ""))


def now_utc() -> str:
    """The time in UTC, to the second, such as `2026-11-22T21:30:00Z`."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
