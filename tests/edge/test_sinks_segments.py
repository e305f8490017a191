"""Videos one after the other: whole, in real time, within their budget, also after kill -9."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight_edge.errors import SinkError
from onsight_edge.frame import SOURCE_LOST, Frame, Notice, Prediction, Result, Timings
from onsight_edge.sinks import RunInfo
from onsight_edge.sinks.segments import SegmentsSink
from onsight_edge.sources.synthetic import SyntheticSource, read_number

CLASSES = ("cat", "dog")
FILE = RunInfo("clip.mp4", False, 10.0, (320, 240), "m", CLASSES)
LIVE = RunInfo("0", True, 10.0, (320, 240), "m", CLASSES)


def results(count: int, gap_s: float = 0.1) -> list[Result]:
    source = SyntheticSource(None, (320, 240), count)
    made = []
    for index in range(count):
        frame = source.read()
        assert frame is not None
        one = Frame(frame.image_bgr, index, 10**12 + round(index * gap_s * 1e9))
        scores = np.array([0.8, 0.2], np.float32)
        made.append(Result(one, Prediction(0, 0.8, scores, CLASSES), Timings(1, 2, 3), one.captured_ns, 0, 10.0))
    return made


def numbers_in(path: Path) -> list[int]:
    capture = cv2.VideoCapture(str(path))
    numbers = []
    while True:
        taken, image = capture.read()
        if not taken:
            return numbers
        numbers.append(read_number(image))


def feed(sink: SegmentsSink, given: list[Result]) -> None:
    for result in given:
        sink.write(result)
        time.sleep(0.002)  # names are of milliseconds


@pytest.mark.parametrize("info", [FILE, LIVE])
def test_every_frame_is_in_one_of_the_videos(tmp_path: Path, info: RunInfo) -> None:
    sink = SegmentsSink(tmp_path / "porch-{time}.mp4", 0.5)
    sink.open(info)
    feed(sink, results(12))
    sink.close()
    files = sorted(tmp_path.iterdir())
    assert [numbers_in(path) for path in files] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]
    assert all(re.fullmatch(r"porch-\d{8}-\d{6}\.\d{3}\.mp4", path.name) for path in files)


def test_a_name_with_the_time_and_no_length_is_one_video(tmp_path: Path) -> None:
    sink = SegmentsSink(tmp_path / "{time}.mp4")
    sink.open(LIVE)
    feed(sink, results(4))
    sink.close()
    (path,) = tmp_path.iterdir()
    assert numbers_in(path) == [0, 1, 2, 3]


def test_a_lost_source_ends_the_video(tmp_path: Path) -> None:
    sink = SegmentsSink(tmp_path / "{time}.mp4", 60.0)
    sink.open(LIVE)
    first, *others = results(3)
    feed(sink, [first])
    sink.notice(Notice(SOURCE_LOST, "gone", 0))
    feed(sink, others)
    sink.close()
    assert [numbers_in(path) for path in sorted(tmp_path.iterdir())] == [[0], [1, 2]]


def test_the_oldest_go_when_the_budget_is_used_up(tmp_path: Path) -> None:
    foreign = tmp_path / "holiday.mp4"
    foreign.write_bytes(b"x" * 100_000)
    sink = SegmentsSink(tmp_path / "{time}.mp4", 0.5)
    sink.open(FILE)
    feed(sink, results(25))
    sink.close()
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir()) if path != foreign]
    assert len(sizes) == 5
    kept = [path for path in sorted(tmp_path.iterdir()) if path != foreign]
    sink = SegmentsSink(tmp_path / "{time}.mp4", 0.5, budget_bytes=3 * max(sizes) + 1000)
    sink.open(FILE)
    feed(sink, results(10))
    sink.close()
    left = [path for path in sorted(tmp_path.iterdir()) if path != foreign]
    assert len(left) == 3 and left[0] == kept[-1] and foreign.exists()
    assert sum(path.stat().st_size for path in left) <= 3 * max(sizes) + 1000


def test_a_killed_run_leaves_whole_videos_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    script = (
        "import os, sys; sys.path[:0] = [sys.argv[1]]; from pathlib import Path\n"
        "from tests.edge.test_sinks_segments import *\n"
        "sink = SegmentsSink(Path(sys.argv[2]) / 'a-{time}.mp4', 0.5)\n"
        "sink.open(FILE); feed(sink, results(12)); sink._await_finished()\n"
        "os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, str(root), str(tmp_path)], check=False)
    assert done.returncode == -9
    whole = sorted(tmp_path.glob("a-*.mp4"))
    assert [numbers_in(path) for path in whole] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert len(list(tmp_path.iterdir())) == 3  # and the one it was writing
    (half,) = tmp_path.glob(".*")
    for age_s, stays in ((0, True), (700, False)):  # another run might be writing it
        os.utime(half, (time.time() - age_s,) * 2)
        sink = SegmentsSink(tmp_path / "a-{time}.mp4", 0.5)
        sink.open(FILE)
        sink.close()
        assert half.exists() is stays
    assert sorted(tmp_path.iterdir()) == whole


def test_it_goes_on_when_a_full_disk_has_room_again(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(disk)], capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here: needs root")
    try:
        sink = SegmentsSink(disk / "{time}.mp4", 60.0)
        sink.open(FILE)
        given = results(80)
        feed(sink, given[:5])
        (disk / "ballast").write_bytes(bytes(15 * 2**20))
        with pytest.raises(SinkError, match="the disk is full"):
            feed(sink, given[5:40])
        with pytest.raises(SinkError, match="the disk is full"):
            sink.recover()
        (disk / "ballast").unlink()
        sink.recover()
        feed(sink, given[40:45])
        sink.close()
        first, second = (numbers_in(path) for path in sorted(disk.glob("*.mp4")))
        assert first[:5] == [0, 1, 2, 3, 4] and second == [40, 41, 42, 43, 44]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot write"):
        SegmentsSink(tmp_path / "no" / "{time}.mp4", 1.0).open(FILE)
