"""The run that is watched: `onsight run` with every output at once, and what each may take on the disk."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FPS = 30.0
SOURCE = f"synthetic://?fps={FPS:g}&scene=colours&size=640x480"
_ROTATE_BYTES, _KEEP = 400_000, 3
_CLIPS_BYTES, _SNAPSHOTS_BYTES, _WEB_MIB = 20_000_000, 4_000_000, 8
# with another `roi` the model is opened anew, with another threshold it is not
CONFIGS = ("threshold = 0.0\n", 'threshold = 0.0\nroi = "0,0,0.95,1"\n', "threshold = 0.01\n")


@dataclass(frozen=True, slots=True)
class Places:
    """Files, folders and ports of one run.

    Attributes:
        root: everything lies in it.
        web_port, prometheus_port: of loopback, free when this was made.
    """

    root: Path
    web_port: int
    prometheus_port: int

    @classmethod
    def under(cls, root: Path) -> Places:
        """Make the folders in `root`, and find free ports."""
        for name in ("logs", "clips", "outbox"):
            (root / name).mkdir()
        web, prometheus = _free_ports(2)
        return cls(root, web, prometheus)

    @property
    def config(self) -> Path:
        """The file that is written anew before each SIGHUP."""
        return self.root / "onsight.toml"

    def log(self, name: str) -> Path:
        """`results.jsonl`, `results.csv` or `events.jsonl`."""
        return self.root / "logs" / name

    @property
    def folders(self) -> dict[str, Path]:
        """Name -> every folder that the run writes to."""
        return {
            "logs": self.root / "logs",
            "clips": self.root / "clips",
            "snapshots": self.root / "snapshots",
            "recordings": self.root / "web" / "recordings",
            "collected": self.root / "web" / "collected",
            "outbox": self.root / "outbox",
        }

    def budgets(self) -> dict[str, int]:
        """Name -> bytes that the folder may take: of the logs three files and those put aside of each."""
        return {
            "logs": 3 * (1 + _KEEP) * _ROTATE_BYTES,
            "clips": _CLIPS_BYTES,
            "snapshots": _SNAPSHOTS_BYTES,
            "recordings": _WEB_MIB * 2**20,
            "collected": _WEB_MIB * 2**20,
        }


def flags(places: Places, *, cycle_s: float, webhook: str, mqtt: str | None) -> list[str]:
    """All flags of the run but its model.

    Args:
        places: where.
        cycle_s: a video's segment lasts a third of it.
        webhook: URL of the receiver.
        mqtt: URL of the broker; None: without.
    """
    pairs = {
        "--source": SOURCE,
        "--config": places.config,
        "--jsonl": places.log("results.jsonl"),
        "--csv": places.log("results.csv"),
        "--events": places.log("events.jsonl"),
        "--rotate-size": _ROTATE_BYTES,
        "--rotate-keep": _KEEP,
        "--fsync": "10s",
        "--mp4": places.root / "clips" / "clip-{time}.mp4",
        "--segment": f"{cycle_s / 3:g}s",
        "--mp4-budget": _CLIPS_BYTES,
        "--snapshots": places.root / "snapshots",
        "--snapshot-below": 1,
        "--snapshot-every": "1s",
        "--snapshot-budget": _SNAPSHOTS_BYTES,
        "--webhook": webhook,
        "--prometheus": places.prometheus_port,
        "--web": f"127.0.0.1:{places.web_port}",
        "--web-folder": places.root / "web",
        "--web-budget": _WEB_MIB,
        "--outbox": places.root / "outbox",
        "--device-name": "endurance",
        **({} if mqtt is None else {"--mqtt": mqtt, "--mqtt-results": 5, "--mqtt-every": "5s"}),
    }
    return [*(str(part) for pair in pairs.items() for part in pair), "--rotate-gzip", "--no-profile", "--json"]


def shown(given: Sequence[str], places: Places) -> list[str]:
    """Flags as a record keeps them: without this machine's folders."""
    return [part.replace(str(places.root), "FOLDER") for part in given]


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()
