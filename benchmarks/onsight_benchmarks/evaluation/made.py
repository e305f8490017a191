"""Who measured, with what: stands in every evaluation, so that a figure can be traced and taken again."""

from __future__ import annotations

from typing import Any

from onsight_benchmarks.provenance import now_utc, provenance
from onsight_edge.device import describe_device


def made(command: str) -> dict[str, Any]:
    """The command, the date, the machine and the versions as JSON values.

    Args:
        command: as it was typed.
    """
    device, source = describe_device(), provenance()
    return {
        "command": command,
        "date": now_utc(),
        "machine": device.to_json(),
        "versions": {
            "onsight": source.version,
            "commit": source.commit,
            "python": device.python,
            "numpy": device.numpy,
            "opencv": device.opencv,
        },
    }
