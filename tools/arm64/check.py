#!/usr/bin/env python3
"""`make test-arm64`: the wheel with its real dependencies on arm64, as Raspberry Pi 4 and 5, bookworm and trixie.

Every step is the command that a person would type there. Ends at the first step that does not do what it should.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from guest import BOARDS, HERE, RELEASES, WORK, Guest, UnavailableError, build_wheel, install_qemu

FRAMES = 100
PICTURES = 500
LEAST_AGREEMENT = (
    0.99  # rounding differs between processors: a picture on the edge between two classes may go either way
)
STEP_SECONDS = 300
UNAVAILABLE = 90  # exit status: this machine cannot have the userlands
_STARTED = time.monotonic()


def main() -> None:
    """Run all of it."""
    WORK.mkdir(parents=True, exist_ok=True)
    wheel = build_wheel()
    say(f"built {wheel.name}")
    video, picture, pictures = make_video(), make_picture(), find_pictures()
    expected = None if pictures is None else answers_here(pictures)
    if pictures is None:
        say("SKIPPED agreement with this machine: no CIFAR-10 in the cache (onsight data cifar10 fetches it)")
    files = Files(wheel, video, picture, pictures, expected)
    install_qemu()
    with ThreadPoolExecutor(len(RELEASES)) as pool:  # their userlands lie apart
        for release in [pool.submit(check_release, name, files) for name in RELEASES]:
            release.result()
    say("arm64: all passed")


@dataclass(frozen=True)
class Files:
    """What the userlands are given; `expected` are the scores of `pictures` on this machine."""

    wheel: Path
    video: Path
    picture: Path
    pictures: Path | None
    expected: Any


def check_release(release: str, files: Files) -> None:
    """Everything on one release."""
    for cpu in BOARDS:
        guest = Guest(release, cpu)
        if cpu == next(iter(BOARDS)):
            guest.prepare(files.wheel)
            say(f"{release}: installed {', '.join(installed(guest))}")
        check_doctor(guest, "litert")
        check_predict(guest, files.picture, "litert")
        check_run(guest, files.video, "litert")
        if files.pictures is not None:
            check_agreement(guest, files.pictures, files.expected)
    check_bare_file(Guest(release, "cortex-a76"), files.picture)
    if release != "bookworm":
        return
    legacy = Guest(release, "cortex-a72", "tflite-runtime")  # its last wheel is for bookworm's Python 3.11
    legacy.prepare(files.wheel)
    say(f"{release}, NumPy 1: installed {', '.join(installed(legacy))}")
    check_doctor(legacy, "tflite-runtime")
    check_predict(legacy, files.picture, "tflite-runtime")
    check_run(legacy, files.video, "tflite-runtime")


def check_doctor(guest: Guest, runtime: str) -> None:
    """The doctor constructs the runtime, replays the golden samples, and finds no problem."""
    report = onsight(guest, "doctor", "--json", allowed=(0, 1))
    device, findings = report["device"], report["findings"]
    expect(device["machine"] == "aarch64" and device["model"] == BOARDS[guest.cpu].model, f"another board: {device}")
    runs = [one["what"] for one in findings if one["area"] == "runtime" and one["level"] == "ok"]
    expect(any(what.startswith(f"{runtime} ") for what in runs), f"{runtime} was not constructed: {findings}")
    expect(any(one["area"] == "self-test" and one["level"] == "ok" for one in findings), f"no self-test: {findings}")
    ours = [one for one in findings if one["level"] == "problem" and one["area"] not in ("disk", "memory", "heat")]
    expect(not ours, f"problems: {ours}")  # the rest is this machine's own
    done(guest, f"doctor: {runtime} constructed, golden samples answered")


def check_predict(guest: Guest, picture: Path, backend: str) -> None:
    """A picture is classified."""
    found = onsight(guest, "predict", str(picture), "--backend", backend, "--json")
    expect(len(found) > 0, f"nothing predicted: {found}")
    done(guest, f"predict with {backend}")


def check_run(guest: Guest, video: Path, backend: str) -> None:
    """A video is classified to its end, after the golden samples were replayed."""
    summary = onsight(guest, "run", "--source", str(video), "--frames", str(FRAMES), "--backend", backend, "--json")
    seen = (summary["captured"], summary["classified"], summary["dropped"])
    expect(seen[1:] == (FRAMES, 0) and sum(summary["labels"].values()) == FRAMES, f"not {FRAMES} frames: {summary}")
    done(guest, f"run: {FRAMES} frames of a video with {backend}")


def check_agreement(guest: Guest, pictures: Path, expected: Any) -> None:
    """The best class is this machine's, picture by picture."""
    out = WORK / f"answers-{guest.release}.npz"
    python(guest, str(HERE / "answers.py"), str(pictures), str(out))
    found = np.load(out)["scores"]
    same = float((found.argmax(1) == expected.argmax(1)).mean())
    away = float(np.abs(found - expected).max())
    expect(same >= LEAST_AGREEMENT, f"top-1 agrees on {same:.1%} of {len(found)} pictures only")
    done(
        guest,
        f"top-1 as on this machine on {same:.2%} of {len(found)} CIFAR-10 pictures, scores {away:.2g} away at most",
    )


def check_bare_file(guest: Guest, picture: Path) -> None:
    """Where no child process can be started, as here, a bare file is loaded with a warning."""
    model = next(iter((guest.site / "onsight_edge/models/default.bundle").glob("*.tflite")))
    errors = python(guest, "-m", "onsight", "predict", str(model), str(picture), "--json").stderr
    expect("without a trial in a child process" in errors, f"no warning: {errors}")
    done(guest, "a bare model file: warned that no child process tried it, and classified")


def onsight(guest: Guest, *arguments: str, allowed: tuple[int, ...] = (0,)) -> Any:
    """What an onsight command prints, as JSON."""
    return json.loads(python(guest, "-m", "onsight", *arguments, allowed=allowed).stdout)


def python(guest: Guest, *arguments: str, allowed: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    """Run the guest's Python; end everything where it fails."""
    ended = guest.run(*arguments, capture_output=True, timeout=STEP_SECONDS, cwd=WORK)
    expect(
        ended.returncode in allowed,
        f"{guest.release} {guest.cpu}: {' '.join(arguments)}: status {ended.returncode}\n{ended.stderr[-2000:]}",
    )
    return ended


def make_video() -> Path:
    """A clip of FRAMES frames, 640x480, in which something moves."""
    path = WORK / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (640, 480))
    ground = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (480, 640, 3), dtype=np.uint8), (0, 0), 8)
    for n in range(FRAMES):
        frame = ground.copy()
        cv2.circle(frame, (40 + 5 * n, 240), 60, (40, 200, 250), -1)
        writer.write(frame)
    writer.release()
    expect(path.stat().st_size > 0, "OpenCV wrote no video")
    return path


def make_picture() -> Path:
    """A picture file."""
    path = WORK / "picture.png"
    cv2.imwrite(str(path), np.random.default_rng(7).integers(0, 256, (480, 640, 3), dtype=np.uint8))
    return path


def find_pictures() -> Path | None:
    """The first PICTURES CIFAR-10 test pictures, or None where the data set has not been fetched."""
    from onsight_edge.files import cache_folder

    cached = cache_folder() / "datasets" / "cifar10.npz"
    if not cached.is_file():
        return None
    path = WORK / "pictures.npz"
    np.savez(path, pixels=np.load(cached)["x_test"][:PICTURES])
    return path


def answers_here(pictures: Path) -> Any:
    """This machine's scores for them."""
    out = WORK / "answers-here.npz"
    subprocess.run([sys.executable, str(HERE / "answers.py"), str(pictures), str(out)], check=True)
    return np.load(out)["scores"]


def installed(guest: Guest) -> list[str]:
    """The distributions that runtimes and pictures depend on, with versions."""
    wanted = ("numpy", "opencv", "ai_edge_litert", "tflite_runtime", "onsight")
    names = sorted(path.name.removesuffix(".dist-info") for path in guest.site.glob("*.dist-info"))
    return [name for name in names if name.startswith(wanted)]


def expect(truth: bool, message: str) -> None:
    """End with the message unless it is true."""
    if not truth:
        sys.exit(f"arm64: FAILED: {message}")


def done(guest: Guest, what: str) -> None:
    """Tell of a step that passed."""
    say(f"{guest.release} {guest.cpu} {what}")


def say(what: str) -> None:
    """Print with the seconds since the start."""
    print(f"{time.monotonic() - _STARTED:5.0f} s  {what}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        main()
    except UnavailableError as error:
        print(f"arm64: NOT RUN: {error}", file=sys.stderr)
        sys.exit(UNAVAILABLE)
