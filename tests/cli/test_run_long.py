"""All outputs at once for ten minutes, the broker killed meanwhile: neither memory, threads nor open files grow."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psutil
import pytest
from tests.edge.broker_process import Mosquitto, Subscriber, free_port, needs_mosquitto, until

SECONDS = 600
MOST_GROWTH_MIB = 6.0


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@needs_mosquitto
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
def test_all_outputs_at_once_run_for_ten_minutes_without_growth(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    listening = Subscriber(broker.port, "long/event")
    hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=hook.serve_forever, daemon=True).start()
    port, web = free_port(), free_port()
    script = "import sys; from onsight.main import main; main(sys.argv[1:])"
    flags = {
        "--source": "synthetic://?scene=colours",
        "--seconds": str(SECONDS),
        "--threshold": "0",
        "--jsonl": "r.jsonl",
        "--csv": "r.csv",
        "--events": "e.jsonl",
        "--rotate-size": "300kB",
        "--rotate-keep": "3",
        "--fsync": "5s",
        "--mp4": "clips/{time}.mp4",
        "--segment": "15",
        "--mp4-budget": "30MB",
        "--snapshots": "snapshots",
        "--snapshot-below": "1",
        "--snapshot-every": "1s",
        "--snapshot-budget": "2MB",
        "--mqtt": f"mqtt://127.0.0.1:{broker.port}/long",
        "--mqtt-results": "10",
        "--webhook": f"http://127.0.0.1:{hook.server_port}/",
        "--outbox": "outbox",
        "--prometheus": str(port),
        "--web": f"127.0.0.1:{web}",
    }
    arguments = [part for flag in flags.items() for part in flag]
    process = subprocess.Popen(
        [sys.executable, "-c", script, "run", *arguments, "--rotate-gzip", "--quiet", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    seen: list[tuple[float, float, int, int]] = []
    started = time.monotonic()
    killed = back = False
    try:
        watched = psutil.Process(process.pid)
        while (age := time.monotonic() - started) < SECONDS - 10:
            time.sleep(5)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                page.read()
            seen.append((age, watched.memory_info().rss / 2**20, watched.num_threads(), watched.num_fds()))
            if not killed and age > SECONDS / 3:
                broker.end(signal.SIGKILL)
                killed = True
            elif killed and not back and age > SECONDS / 3 + 30:
                broker.start()
                back = True
        summary = json.loads(process.communicate(timeout=120)[0])
        delivered = {sink["name"]: sink["counts"].get("delivered") for sink in summary["sinks"]}["mqtt"]
        until(lambda: len({event["id"] for event in listening.json_of("long/event")}) == delivered)
    finally:
        process.kill()
        process.wait(20)
        listening.close()
        broker.end()
        hook.shutdown()
        hook.server_close()
    early = [one for one in seen if 0.2 * SECONDS < one[0] < 0.33 * SECONDS]
    late = [one for one in seen if one[0] > 0.8 * SECONDS]
    grown = [
        statistics.median(one[place] for one in late) - statistics.median(one[place] for one in early)
        for place in (1, 2, 3)
    ]
    assert grown[0] < MOST_GROWTH_MIB and grown[1] <= 1 and grown[2] <= 2, (grown, seen)
    assert process.returncode == 0 and all(sink["error"] is None for sink in summary["sinks"])
    assert sum(file.stat().st_size for file in (tmp_path / "clips").iterdir()) <= 30e6
    assert sum(file.stat().st_size for file in (tmp_path / "snapshots").rglob("*.jpg")) <= 2e6
