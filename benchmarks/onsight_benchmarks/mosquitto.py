"""Mosquitto, a real MQTT broker, on loopback for as long as something is measured with it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from onsight_edge.errors import BenchmarkError

_WAIT_S = 20.0


def find_mosquitto() -> str | None:
    """The broker's program, which Debian puts where only root looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """A broker on loopback."""

    def __init__(self, program: str, folder: Path, *, persistent: bool) -> None:
        """Start it.

        Args:
            program: see `find_mosquitto`.
            folder: made for it; not there yet.
            persistent: keep sessions on the disk, so that they outlive restarts.

        Raises:
            BenchmarkError: it does not answer.
        """
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        config = folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "log_dest none",
            *(("persistence true", f"persistence_location {folder}/", "autosave_interval 1") if persistent else ()),
            *(("user root",) if os.getuid() == 0 else ()),
        ]
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._command = [program, "-c", str(config)]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it again."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + _WAIT_S
        while not self._listens():
            if time.monotonic() > limit or self._process.poll() is not None:
                self.stop()
                raise BenchmarkError("mosquitto does not answer")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; sessions that are kept stay on the disk."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(_WAIT_S)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True
