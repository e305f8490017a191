"""Refuses, before anything starts, outputs that would destroy what the command reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from onsight_edge.errors import UsageError


def check_outputs(outputs: Mapping[str, str | Path | None], inputs: Sequence[str | Path]) -> None:
    """Check the files a command is about to write against each other and against what it reads.

    Args:
        outputs: flag -> file; None and `-` are left alone.
        inputs: sources, models and data sets as they were typed; those that are no paths are left alone.

    Raises:
        UsageError: an output is an input, lies in an input's folder, or two outputs are one file.
    """
    targets = {flag: _resolved(path) for flag, path in outputs.items() if path is not None and str(path) != "-"}
    for flag, target in targets.items():
        for other, same in targets.items():
            if other < flag and same == target:
                raise UsageError(f"{other} and {flag} name the same file, {outputs[flag]}")
        for given in inputs:
            source = _resolved(given)
            if source == target:
                raise UsageError(f"{flag} would overwrite {given}, which is read here: name another file")
            if source in target.parents and source.is_dir():
                raise UsageError(f"{flag} {outputs[flag]} lies in {given}, which is read here: name a file elsewhere")


def _resolved(path: str | Path) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # no path of this machine: a URL, a name that is too long
        return Path(path)
