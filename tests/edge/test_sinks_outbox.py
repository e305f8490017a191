"""The queue on the disk: in order, bounded, one process at a time, and readable after whatever happened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.errors import SinkError
from onsight_edge.sinks.outbox import Outbox


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here: needs root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def bodies(box: Outbox) -> list[bytes]:
    return [parcel.body for parcel in box.after(0, 1000)]


def test_what_is_done_is_gone_and_an_empty_file_is_removed(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "in" / "box")
    for number in range(3):
        box.put(str(number), b"%d" % number)
    box.put("1", b"again")  # a result that is written twice is one event
    assert bodies(box) == [b"0", b"1", b"2"] and box.waiting == 3
    first = box.after()[0]
    assert [parcel.id for parcel in box.after(first.n, 1)] == ["1"]
    for parcel in box.after(0, 10):
        box.done(parcel.n)
    box.done(first.n)
    assert box.waiting == 0
    box.close()
    assert list((tmp_path / "in").iterdir()) == []


def test_a_killed_process_leaves_all_of_it(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from onsight_edge.sinks.outbox import Outbox\n"
        "box = Outbox(Path(sys.argv[1]))\n"
        "for number in range(20): box.put(str(number), b'%d' % number)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "box")], check=False)
    assert done.returncode == -9
    box = Outbox(tmp_path / "box")
    assert bodies(box) == [b"%d" % number for number in range(20)]
    box.close()


def test_a_second_run_is_refused_while_the_first_has_it(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "box")
    with pytest.raises(SinkError, match="another run sends there"):
        Outbox(tmp_path / "box")
    first.put("a", b"a")
    first.close()
    second = Outbox(tmp_path / "box")
    assert bodies(second) == [b"a"]
    second.close()


@pytest.mark.parametrize("spoil", ["text", "torn", "zeros"])
def test_a_file_that_cannot_be_read_is_put_aside(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "box"
    box = Outbox(path)
    for number in range(200):
        box.put(str(number), b"x" * 500)
    box.close()
    whole = path.read_bytes()
    path.write_bytes(
        {
            "text": b"no database " * 500,
            "torn": whole[: len(whole) // 2],
            "zeros": whole[:4096] + bytes(len(whole) - 4096),
        }[spoil]
    )
    box = Outbox(path)
    assert box.damaged == tmp_path / "box.damaged" and box.damaged.exists() and box.waiting == 0
    box.put("new", b"new")
    assert bodies(box) == [b"new"]
    box.close()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "box", tmp_path / "folder", tmp_path / ("x" * 300)):
        with pytest.raises(SinkError, match="cannot write") as caught:
            Outbox(path)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="needs a small disk")
def test_a_full_disk_is_an_error_and_what_was_there_stays(small_disk: Path) -> None:
    box = Outbox(small_disk / "box")
    stored = 0
    with pytest.raises(SinkError, match="cannot write"):
        for number in range(1000):
            box.put(str(number), b"x" * 2000)
            stored += 1
    assert 0 < stored < 1000 and box.waiting == stored
    box.close()
    box = Outbox(small_disk / "box")
    assert box.waiting == stored
    box.close()


@pytest.mark.skipif(os.name != "posix", reason="needs a small disk")
def test_what_was_taken_while_the_disk_was_full_is_not_given_out_again(small_disk: Path) -> None:
    box = Outbox(small_disk / "box")
    for number in range(5):
        box.put(str(number), b"%d" % number)
    full = small_disk / "full"
    with pytest.raises(OSError), full.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    for parcel in box.after(0, 3):
        box.done(parcel.n)
        box.done(parcel.n)
    assert bodies(box) == [b"3", b"4"] and box.waiting == 2
    assert [parcel.body for parcel in box.after(0, 1)] == [b"3"]
    full.unlink()
    box.put("5", b"5")
    box.close()
    box = Outbox(small_disk / "box")
    assert bodies(box) == [b"3", b"4", b"5"] and box.waiting == 3
    box.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 9), st.just("done")), max_size=30), st.integers(1, 5))
def test_it_is_a_bounded_queue(tmp_path_factory: pytest.TempPathFactory, steps: list[int | str], most: int) -> None:
    box = Outbox(tmp_path_factory.mktemp("box") / "box", most)
    waiting: list[str] = []
    lost = 0
    for step in steps:
        if step == "done":
            if waiting:
                box.done(box.after()[0].n)
                waiting.pop(0)
        elif str(step) not in waiting:
            waiting.append(str(step))
            box.put(str(step), str(step).encode())
            lost += len(waiting) > most
            waiting = waiting[-most:]
        else:
            box.put(str(step), b"again")
        assert bodies(box) == [one.encode() for one in waiting] and box.waiting == len(waiting)
    assert box.lost == lost
    box.close()
