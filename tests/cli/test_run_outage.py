"""onsight run while its camera dies and comes back: a real process, a real HTTP server that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ENVIRONMENT = {**os.environ, "no_proxy": "127.0.0.1"}
SERVER = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import cv2
from onsight_edge.sources.synthetic import SyntheticSource

class Camera(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        source = SyntheticSource(25, (320, 240))
        while True:
            jpeg = cv2.imencode(".jpg", source.read().image_bgr)[1].tobytes()
            self.wfile.write(b"--frame\\r\\nContent-Type: image/jpeg\\r\\n\\r\\n" + jpeg + b"\\r\\n")

    def log_message(self, *arguments):
        return

ThreadingHTTPServer.allow_reuse_address = True
server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Camera)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def camera(port: int = 0) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def live(port: int, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    script = "import sys; from onsight.main import main; main(sys.argv[1:])"
    source = f"http://127.0.0.1:{port}/stream"
    return subprocess.Popen(
        [sys.executable, "-c", script, "run", "--source", source, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=ENVIRONMENT,
    )


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(path: Path, count: int, key: str, run: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while sum(key in line for line in lines(path)) < count:
        assert time.monotonic() < deadline and run.poll() is None, lines(path)[-3:]
        time.sleep(0.05)


def test_a_camera_that_is_killed_and_started_again_is_back_and_nothing_else_ends(tmp_path: Path) -> None:
    log = tmp_path / "out.jsonl"
    server, port = camera()
    run = live(port, "--jsonl", str(log), "--json", cwd=tmp_path)
    try:
        wait_for(log, 5, "frame", run)
        server.kill()
        server.wait()
        wait_for(log, 1, "notice", run)
        server, _ = camera(port)
        wait_for(log, 2, "notice", run)
        seen = sum("frame" in line for line in lines(log))
        wait_for(log, seen + 5, "frame", run)
        run.send_signal(signal.SIGTERM)
        out, error = run.communicate(timeout=60)
    finally:
        run.kill()
        server.kill()
    assert run.returncode == 0, error
    summary = json.loads(out)
    assert summary["reopened"] == 1
    assert [(one["notice"], one["over"]) for one in summary["notices"]] == [
        ("source-lost", False),
        ("source-back", True),
    ]
    numbers = [line["frame"] for line in lines(log) if "frame" in line]
    assert numbers == sorted(set(numbers))  # numbered on
    assert summary["classified"] == len(numbers)
    assert error.count("Traceback") == 0


@pytest.mark.parametrize("ending", ["signal", "give up"])
def test_a_run_whose_camera_stays_away_ends_when_it_is_told_to(tmp_path: Path, ending: str) -> None:
    log = tmp_path / "out.jsonl"
    server, port = camera()
    limit = ["--give-up", "1"] if ending == "give up" else []
    run = live(port, "--jsonl", str(log), "--json", *limit, cwd=tmp_path)
    try:
        wait_for(log, 5, "frame", run)
        server.kill()
        server.wait()
        if ending == "signal":
            wait_for(log, 1, "notice", run)
            run.send_signal(signal.SIGTERM)
        out, error = run.communicate(timeout=60)
    finally:
        run.kill()
        server.kill()
    last = lines(log)
    assert any(line.get("notice") == "source-lost" for line in last) and all(line for line in last)  # whole lines
    if ending == "signal":
        assert run.returncode == 0 and json.loads(out)["reopened"] == 0
    else:
        assert run.returncode == 1 and "did not come back" in error.splitlines()[-1]
        assert error.count("Traceback") == 0
