"""`onsight run` as a user starts it: a process, real files, real signals."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import cv2
import numpy as np
import pytest


def onsight(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    script = "import sys; from onsight.main import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120, cwd=cwd
    )


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    script = "import sys; from onsight.main import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )


def wait_until_full(pipe: IO[str]) -> None:
    """Wait until a pipe nobody reads holds more than 40 kB of its 64, and no more comes."""
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    before, deadline = -1, time.monotonic() + 60
    while time.monotonic() < deadline:
        held = struct.unpack("i", fcntl.ioctl(pipe.fileno(), termios.FIONREAD, b"\0\0\0\0"))[0]
        if held == before and held > 40_000:
            return
        before = held
        time.sleep(0.2)
    pytest.fail(f"the pipe holds {before} bytes only")


def frames_in(path: Path) -> int:
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count


def errors(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("onsight:")]


def test_a_video_goes_in_and_whole_files_and_a_summary_come_out(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (320, 240))
    for level in range(0, 240, 12):
        writer.write(np.full((240, 320, 3), level, np.uint8))
    writer.release()
    done = onsight("run", "--source", "clip.mp4", "--jsonl", "out.jsonl", "--mp4", "out.mp4", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["classified"] == 20 and summary["dropped"] == 0 and summary["accuracy"] is None
    assert [sink["written"] for sink in summary["sinks"][:2]] == [20, 20]
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(20))
    assert frames_in(tmp_path / "out.mp4") == 20


def test_the_summary_is_a_table_for_people(tmp_path: Path) -> None:
    done = onsight("run", "default", "--source", "synthetic://?fps=0&frames=5", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == ""
    assert "5 classified, 0 dropped of 5" in done.stderr and "frame age" in done.stderr


def test_quiet_says_nothing_and_a_dash_streams_lines(tmp_path: Path) -> None:
    done = onsight("run", "--source", "synthetic://?fps=0", "--frames", "3", "--jsonl", "-", "--quiet", cwd=tmp_path)
    assert done.returncode == 0
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == [0, 1, 2]
    assert "classified" not in done.stderr and "fps" not in done.stderr


def test_threshold_rejects(tmp_path: Path) -> None:
    done = onsight(
        "run", "--source", "synthetic://?fps=0&frames=4", "--threshold", "1", "--json", "--quiet", cwd=tmp_path
    )
    assert json.loads(done.stdout)["labels"] == {"unknown": 4}


def test_seconds_size_fps_and_policy_reach_the_loop(tmp_path: Path) -> None:
    done = onsight(
        *("run", "--source", "synthetic://", "--fps", "50", "--size", "64x48", "--seconds", "0.5"),
        *("--policy", "every", "--mp4", "small.mp4", "--json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert 1 <= summary["classified"] <= 26 and summary["dropped"] == 0
    capture = cv2.VideoCapture(str(tmp_path / "small.mp4"))
    assert (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FPS)) == (64, 50)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_whole_files_and_a_summary(tmp_path: Path, number: signal.Signals) -> None:
    log, video = tmp_path / "out.jsonl", tmp_path / "out.mp4"
    process = start(
        *("run", "--source", "synthetic://?size=320x240", "--jsonl", str(log), "--mp4", str(video), "--json"),
        cwd=tmp_path,
    )
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_bytes().count(b"\n") >= 10) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    output, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    summary = json.loads(output)
    lines = log.read_text().splitlines()
    assert len(lines) == summary["classified"] >= 10
    assert all(json.loads(line)["label"] for line in lines)
    assert frames_in(video) > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "out.mp4"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--source", "missing.mp4"), 1, "there is no 'missing.mp4'"),
        (("--source", "x" * 300), 1, "xxx...'"),
        (("--source", "http://[::1"), 2, "is no valid URL"),
        (("--source", "synthetic://", "--jsonl", "x" * 300), 1, "File name too long"),
        (("--source", "synthetic://", "--mp4", "x" * 300 + ".mp4"), 1, "File name too long"),
        (("--source", "text.jpg"), 1, "not a JPEG, PNG, BMP or WebP"),
        (("--source", "text.mp4"), 1, "is not a video"),
        (("--source", "/dev/video99"), 1, "there is no camera /dev/video99"),
        (("--source", "http://127.0.0.1:9/"), 1, "cannot reach http://127.0.0.1:9/"),
        (("--source", "synthetic://", "--mp4", "no/out.mp4"), 1, "its folder is not there"),
        (("--source", "synthetic://", "--jsonl", "no/out.jsonl"), 1, "cannot write no/out.jsonl"),
        (("--source", "synthetic://", "--size", "big"), 2, "WIDTHxHEIGHT"),
        (("--source", "synthetic://", "--json", "--jsonl", "-"), 2, "both write to standard output"),
        (("nothing.bundle", "--source", "synthetic://"), 1, "nothing.bundle"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "text.mp4").write_text("no video" * 200)
    before = sorted(path.name for path in tmp_path.iterdir())
    extra = [] if "--jsonl" in arguments else ["--jsonl", "log.jsonl"]
    done = onsight("run", *arguments, *extra, "--quiet", cwd=tmp_path)
    assert done.returncode == status, done.stderr
    (line,) = errors(done.stderr)
    assert message in line
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named_at_the_end_and_the_run_goes_on(tmp_path: Path) -> None:
    done = onsight(
        "run", "--source", "synthetic://?fps=0&frames=9", "--jsonl", "/dev/full", "--json", "--quiet", cwd=tmp_path
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["classified"] == 9
    assert errors(done.stderr) == ["onsight: jsonl: cannot write /dev/full: No space left on device"]


@pytest.mark.skipif(bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")), reason="has a display")
def test_a_window_without_a_display_is_one_line(tmp_path: Path) -> None:
    done = onsight("run", "--source", "synthetic://", "--window", "--quiet", cwd=tmp_path)
    assert done.returncode == 1
    (line,) = errors(done.stderr)
    assert "a window needs a display" in line


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_run_started_without_a_standard_stream_has_no_traceback(tmp_path: Path, closed: str) -> None:
    script = "import sys; from onsight.main import main; main(sys.argv[1:])"
    arguments = ["run", "--source", "synthetic://?fps=0&frames=3", "--jsonl", "-" if closed == ">&-" else "out.jsonl"]
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    assert "Traceback" not in done.stderr
    if closed == "2>&-":
        assert done.returncode == 0
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3


def test_a_reader_that_goes_away_ends_the_run(tmp_path: Path) -> None:
    process = start("run", "--source", "synthetic://", "--jsonl", "-", "--quiet", cwd=tmp_path)
    assert process.stdout is not None
    assert (
        json.loads(process.stdout.readline())["frame"] >= 0
    )  # a camera's first frame may be overwritten by its second
    process.stdout.close()
    assert process.wait(60) == 1
    process.stderr.close() if process.stderr else None


@pytest.mark.parametrize("policy", ["latest", "every"])
def test_a_second_ctrl_c_ends_a_run_whose_output_hangs(tmp_path: Path, policy: str) -> None:
    process = start(
        *("run", "--source", "synthetic://?fps=0&size=64x48", "--policy", policy, "--jsonl", "-", "--quiet"),
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    wait_until_full(process.stdout)  # nobody reads on: the pipe fills, and the sink hangs in its write
    process.send_signal(signal.SIGINT)
    time.sleep(2)  # two at once would count as one; the first alone takes 13 s, and ends with status 1
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.wait(60)
    assert process.returncode == 130
    process.stdout.close()
    if process.stderr is not None:
        process.stderr.close()


@pytest.mark.slow
@pytest.mark.parametrize("frames", ["", "&frames=500"])  # 500 lines fill the pipe, and the source has ended
def test_one_sigterm_ends_a_run_whose_output_hangs(tmp_path: Path, frames: str) -> None:
    process = start(
        *("run", "--source", f"synthetic://?fps=0&size=64x48{frames}", "--policy", "every", "--jsonl", "-", "--quiet"),
        cwd=tmp_path,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    wait_until_full(process.stdout)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 1
    assert "jsonl: did not finish within" in process.stderr.read()
    process.stdout.close()
    process.stderr.close()
