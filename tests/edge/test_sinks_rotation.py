"""Files of lines: CSV, rotation, fsync; whole lines only, whatever happens."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.errors import SinkError
from onsight_edge.frame import Decision, Frame, Prediction, Result, Timings
from onsight_edge.sinks import RunInfo
from onsight_edge.sinks.csvfile import COLUMNS, CsvSink
from onsight_edge.sinks.events import EventsSink
from onsight_edge.sinks.jsonl import JsonlSink
from onsight_edge.sinks.rotation import LogPolicy, clear_leftovers, put_aside, put_aside_files

CLASSES = ("cat", "dog, or wolf")
LIVE = RunInfo("0", True, 20.0, (320, 240), "m", CLASSES)


def result(index: int, name: str | None = None, decision: Decision | None = None) -> Result:
    frame = Frame(np.zeros((4, 4, 3), np.uint8), index, time.monotonic_ns(), "cat", name)
    scores = np.array([0.2, 0.8], np.float32)
    return Result(frame, Prediction(1, 0.8, scores, CLASSES), Timings(1, 2, 3), frame.captured_ns, 0, 20.0, decision)


def frames_in(path: Path) -> list[int]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return [json.loads(line)["frame"] for line in text.splitlines()]


def all_frames(path: Path) -> list[int]:
    return [frame for file in (*put_aside_files(path), path) if file.exists() for frame in frames_in(file)]


def test_csv_is_read_by_others_and_a_row_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old\n")
    sink = CsvSink(str(path))
    sink.open(LIVE)
    sink.write(result(0, 'a "b",\nc.jpg', Decision("cat", 0.5, 0)))
    sink.write(result(1))
    sink.close()
    text = path.read_text()
    assert text.count("\n") == 3 and text.startswith("at,frame,label,score,")
    first, second = csv.DictReader(text.splitlines())
    assert tuple(first) == COLUMNS
    assert (first["label"], first["name"], first["decision"], first["truth"]) == (
        CLASSES[1],
        'a "b", c.jpg',
        "cat",
        "cat",
    )
    assert (second["frame"], second["name"], second["decision"]) == ("1", "", "")
    assert float(first["score"]) == pytest.approx(0.8) and first["at"].endswith("Z")


def test_a_rotated_csv_has_its_header_in_each_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    for start in (0, 5):  # a run, and the next one, which goes on in the same file
        sink = CsvSink(str(path), LogPolicy(rotate_bytes=400))
        sink.open(LIVE)
        for index in range(start, start + 5):
            sink.write(result(index))
        sink.close()
    rows = []
    for file in (*put_aside_files(path), path):
        assert file.stat().st_size <= 400
        rows += list(csv.DictReader(file.read_text().splitlines()))
    assert [int(row["frame"]) for row in rows] == list(range(10))
    assert len(put_aside_files(path)) >= 2


@pytest.mark.parametrize("compress", [False, True])
def test_files_are_put_aside_at_their_size_and_the_newest_are_kept(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "log.jsonl"
    (tmp_path / "log.other.jsonl").write_text("not ours")
    sink = JsonlSink(str(path), policy=LogPolicy(rotate_bytes=1000, keep=3, compress=compress))
    sink.open(LIVE)
    for index in range(40):
        sink.write(result(index))
    sink.close()
    aside = put_aside_files(path)
    assert len(aside) == 3 and all((one.suffix == ".gz") == compress for one in aside)
    frames = all_frames(path)
    assert frames == list(range(frames[0], 40)) and frames[0] > 0
    assert (tmp_path / "log.other.jsonl").exists()
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_a_file_is_put_aside_when_its_period_is_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"frame": 1}\n')
    yesterday = time.time() - 86400
    os.utime(path, (yesterday, yesterday))
    sink = EventsSink(str(path), LogPolicy(rotate_every_s=86400))
    sink.open(LIVE)
    sink.write(result(7))
    sink.close()
    (aside,) = put_aside_files(path)
    assert frames_in(aside) == [1] and frames_in(path) == [7]


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**4),
    st.floats(0, 10**10),
    st.floats(0, 10**10),
    st.one_of(st.none(), st.integers(1, 10**6)),
    st.one_of(st.none(), st.floats(1, 10**6)),
)
def test_an_empty_file_is_never_put_aside_and_one_that_fits_only_when_its_time_has_come(
    size: int, more: int, last: float, now: float, most: int | None, every: float | None
) -> None:
    policy = LogPolicy(most, every)
    assert not policy.due(0, more, last, now)
    if size:
        late = every is not None and last // every != now // every
        assert policy.due(size, more, last, now) == (late or (most is not None and size + more > most))


def test_what_is_cleared_away_is_of_this_file_alone(tmp_path: Path) -> None:
    """`log.csv` and `log.x.jsonl` may be compressing beside `log.jsonl`, each in a thread of its own."""
    stamp = "20261129T084107Z"
    others = [tmp_path / f".log.{stamp}.csv.gz.tmp", tmp_path / f".log.x.{stamp}.jsonl.gz.tmp"]
    own = [tmp_path / f".log.{stamp}.jsonl.gz.tmp", tmp_path / f".log.{stamp}-2.jsonl.gz.tmp"]
    for file in (*others, *own):
        file.touch()
    clear_leftovers(tmp_path / "log.jsonl")
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_names_do_not_collide_and_are_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.b.jsonl"
    for number in range(12):
        path.write_text(str(number))
        put_aside(path, LogPolicy(keep=11, compress=number % 2 == 0), now_s=1e9)
    found = put_aside_files(path)
    texts = [gzip.decompress(one.read_bytes()).decode() if one.suffix == ".gz" else one.read_text() for one in found]
    assert texts == [str(number) for number in range(1, 12)]


@pytest.mark.parametrize("number", range(3))
def test_a_run_that_is_killed_while_it_rotates_leaves_whole_lines_and_loses_none(tmp_path: Path, number: int) -> None:
    script = (
        "import sys; sys.path[:0] = [sys.argv[1]]\n"
        "from tests.edge.test_sinks_rotation import *\n"
        "sink = JsonlSink(sys.argv[2], policy=LogPolicy(rotate_bytes=3000, compress=True))\n"
        "sink.open(LIVE); index = 0\n"
        "while True: sink.write(result(index)); print(index, flush=True); index += 1\n"
    )
    path = tmp_path / "log.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(Path(__file__).parents[2]), str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(300 + 7 * number):
        process.stdout.readline()
    process.kill()
    said = [int(line) for line in process.communicate()[0].split("\n") if line.strip()]
    sink = JsonlSink(str(path), policy=LogPolicy(rotate_bytes=3000, compress=True))
    sink.open(LIVE)
    sink.close()
    frames = all_frames(path)
    assert frames == list(range(len(frames))) and len(frames) >= (said[-1] if said else 300)
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_full_disk_keeps_what_it_could_not_compress(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here: needs root")
    try:
        path = disk / "log.jsonl"
        sink = JsonlSink(str(path), policy=LogPolicy(rotate_bytes=20_000, compress=True))
        sink.open(LIVE)
        (disk / "ballast").write_bytes(os.urandom(20_000))
        written = 0
        with pytest.raises(SinkError, match="No space left"):
            for index in range(5000):
                sink.write(result(index))
                written += 1
        (disk / "ballast").unlink()
        sink.recover()
        sink.write(result(written))
        sink.close()
        assert all_frames(path) == list(range(written + 1))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize(("every_s", "expected"), [(None, 0), (0.0, 5), (3600.0, 2)])
def test_fsync_is_called_as_often_as_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_s: float | None, expected: int
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    sink = JsonlSink(str(tmp_path / "log.jsonl"), policy=LogPolicy(fsync_s=every_s))
    sink.open(LIVE)
    for index in range(4):
        sink.write(result(index))
    sink.close()  # once more at the end
    assert len(synced) == expected or (every_s == 3600.0 and len(synced) == 1)


def test_a_neighbour_of_the_same_stem_may_be_compressing(tmp_path: Path) -> None:
    busy = tmp_path / ".r.20260101T000000Z.csv.gz.tmp"
    left = tmp_path / ".r.20260101T000000Z.jsonl.gz.tmp"
    for file in (busy, left):
        file.touch()
    clear_leftovers(tmp_path / "r.jsonl")
    assert busy.exists() and not left.exists()
