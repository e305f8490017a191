"""watch://: pictures that are put into a real folder, at once, bit by bit, by renaming, damaged, and not at all."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.errors import SourceError, UsageError
from onsight_edge.frame import Frame, Notice
from onsight_edge.sources import open_source, watch
from onsight_edge.sources.watch import WatchSource, is_complete


def encoded(value: int, suffix: str = ".jpg") -> bytes:
    noise = np.random.default_rng(0).integers(0, 40, (48, 64, 3), np.uint8)
    return cv2.imencode(suffix, noise + np.uint8(value))[1].tobytes()


class Watcher:
    """A source that is read on a thread, and what it gave."""

    def __init__(self, folder: Path) -> None:
        source = open_source(f"watch://{folder}")
        assert isinstance(source, WatchSource) and not source.live
        self.source = source
        self.frames: list[Frame] = []
        self.notices: list[Notice] = []
        source.on_notice = self.notices.append
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (frame := self.source.read()) is not None:
            self.frames.append(frame)

    @property
    def names(self) -> list[str | None]:
        return [frame.name for frame in self.frames]

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not done() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert done(), (self.names, self.source.health)

    def close(self) -> None:
        self.source.close()
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Watcher]]:
    monkeypatch.setattr(watch, "LOOK_S", 0.02)
    monkeypatch.setattr(watch, "SETTLED_S", 0.4)
    watchers = []

    def begin(folder: Path) -> Watcher:
        watchers.append(Watcher(folder))
        return watchers[-1]

    yield begin
    for each in watchers:
        each.close()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_a_new_picture_comes_once_and_old_ones_and_other_files_do_not(
    suffix: str, tmp_path: Path, start: Callable[[Path], Watcher]
) -> None:
    (tmp_path / f"old{suffix}").write_bytes(encoded(1, suffix))
    (tmp_path / "folder.jpg").mkdir()
    watcher = start(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / f"new{suffix}").write_bytes(encoded(100, suffix))
    watcher.until(lambda: len(watcher.frames) == 1)
    (tmp_path / f"old{suffix}").rename(tmp_path / f"renamed{suffix}")
    (tmp_path / f"new{suffix}").rename(tmp_path / f"again{suffix}")
    (tmp_path / f"last{suffix}").write_bytes(encoded(200, suffix))
    watcher.until(lambda: len(watcher.frames) == 2)
    assert watcher.names == [f"new{suffix}", f"last{suffix}"]
    assert [frame.index for frame in watcher.frames] == [0, 1]
    assert watcher.frames[0].image_bgr.shape == (48, 64, 3)
    assert [round(float(frame.image_bgr.mean()), -1) for frame in watcher.frames] == [120, 220]
    assert watcher.source.health.skipped == 0


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_a_picture_that_is_written_bit_by_bit_is_taken_when_it_is_whole(
    suffix: str, tmp_path: Path, start: Callable[[Path], Watcher]
) -> None:
    watcher = start(tmp_path)
    data = encoded(100, suffix)
    with (tmp_path / f"slow{suffix}").open("wb") as file:
        for at in range(0, len(data), len(data) // 5 + 1):
            file.write(data[at : at + len(data) // 5 + 1])
            file.flush()
            time.sleep(0.05)
            if file.tell() < len(data):
                assert watcher.frames == []
    watcher.until(lambda: len(watcher.frames) == 1)
    np.testing.assert_array_equal(
        watcher.frames[0].image_bgr, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    )
    assert watcher.source.health.skipped == 0


def test_a_picture_of_which_the_whole_length_is_there_before_its_bytes_is_waited_for(
    tmp_path: Path, start: Callable[[Path], Watcher]
) -> None:
    watcher = start(tmp_path)
    data = encoded(100)
    with (tmp_path / "filled.jpg").open("wb") as file:
        file.truncate(len(data))
        file.write(data[:1000])
        file.flush()
        time.sleep(0.1)
        assert watcher.frames == []
        file.write(data[1000:])
    watcher.until(lambda: len(watcher.frames) == 1)
    assert round(float(watcher.frames[0].image_bgr.mean()), -1) == 120


def test_renaming_into_place_and_writing_anew_bring_a_picture_each(
    tmp_path: Path, start: Callable[[Path], Watcher]
) -> None:
    watcher = start(tmp_path)
    for round_, value in enumerate((10, 60, 110, 160), 1):
        (tmp_path / "next.part").write_bytes(encoded(value))
        (tmp_path / "next.part").replace(tmp_path / "latest.jpg")
        watcher.until(lambda count=round_: len(watcher.frames) == count)  # type: ignore[misc]
    assert [round(float(frame.image_bgr.mean()), -1) for frame in watcher.frames] == [30, 80, 130, 180]
    (tmp_path / "latest.jpg").write_bytes(encoded(200))
    watcher.until(lambda: len(watcher.frames) == 5)
    assert set(watcher.names) == {"latest.jpg"}


def test_many_at_once_come_in_the_order_in_which_they_were_written(
    tmp_path: Path, start: Callable[[Path], Watcher]
) -> None:
    watcher = start(tmp_path)
    names = [f"{(7 * number) % 30:02}.jpg" for number in range(30)]
    for at, name in enumerate(names):
        (tmp_path / f"{name}.part").write_bytes(encoded(100))
        os.utime(tmp_path / f"{name}.part", ns=(10**18, 10**18 + at))
    aside = tmp_path.with_name("aside")
    tmp_path.rename(aside)
    for name in names:
        (aside / f"{name}.part").rename(aside / name)
    aside.rename(tmp_path)
    watcher.until(lambda: len(watcher.frames) == 30)
    assert watcher.names == names


def test_what_is_never_whole_is_counted_once_and_never_shown(
    tmp_path: Path, start: Callable[[Path], Watcher], capfd: pytest.CaptureFixture[str]
) -> None:
    watcher = start(tmp_path)
    (tmp_path / "torn.jpg").write_bytes(encoded(100)[:900])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.bmp").write_text("not a picture")
    damaged = bytearray(encoded(100, ".png"))
    damaged[20:24] = b"zzzz"
    (tmp_path / "damaged.png").write_bytes(damaged)
    (tmp_path / "nothing.jpg").symlink_to(tmp_path / "missing")
    watcher.until(lambda: watcher.source.health.skipped == 4)
    (tmp_path / "good.jpg").write_bytes(encoded(100))
    watcher.until(lambda: watcher.names == ["good.jpg"])
    assert watcher.source.health.skipped == 4
    assert capfd.readouterr().err == ""


def test_a_folder_that_is_deleted_is_told_and_found_again(tmp_path: Path, start: Callable[[Path], Watcher]) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    watcher = start(folder)
    shutil.rmtree(folder)
    watcher.until(lambda: len(watcher.notices) == 1)
    folder.mkdir()
    watcher.until(lambda: len(watcher.notices) == 2)
    (folder / "a.jpg").write_bytes(encoded(100))
    watcher.until(lambda: watcher.names == ["a.jpg"])
    lost, back = watcher.notices
    assert (lost.kind, lost.over, back.kind, back.over) == ("source-lost", False, "source-back", True)
    assert "No such file or directory; waiting until it is back" in lost.text
    assert watcher.source.health.reopened == 1


def test_a_share_that_is_unmounted_for_a_while_brings_no_old_pictures(
    tmp_path: Path, start: Callable[[Path], Watcher]
) -> None:
    folder, elsewhere = tmp_path / "share", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "old.jpg").write_bytes(encoded(1))
    watcher = start(folder)
    (folder / "old.jpg").rename(elsewhere / "old.jpg")  # an empty mount point
    time.sleep(0.2)  # some looks
    (elsewhere / "old.jpg").rename(folder / "old.jpg")
    (folder / "new.jpg").write_bytes(encoded(100))
    watcher.until(lambda: len(watcher.frames) >= 1)
    time.sleep(0.1)
    assert watcher.names == ["new.jpg"]


def test_what_cannot_be_watched_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot watch .*missing: No such file or directory; expected a folder"):
        open_source(f"watch://{tmp_path / 'missing'}")
    (tmp_path / "file.jpg").write_bytes(encoded(1))
    with pytest.raises(SourceError, match="Not a directory"):
        open_source(f"watch://{tmp_path / 'file.jpg'}")
    with pytest.raises(SourceError, match="name a folder"):
        open_source("watch://")
    with pytest.raises(UsageError, match="--fps does nothing"):
        open_source(f"watch://{tmp_path}", fps=5)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from([".jpg", ".png", ".bmp", ".webp"]), st.data())
def test_no_beginning_of_a_picture_is_taken_for_the_whole(suffix: str, data: st.DataObject) -> None:
    whole = encoded(100, suffix)
    assert is_complete(whole)
    assert not is_complete(whole[: data.draw(st.integers(0, len(whole) - 1))])
    thumbnail = encoded(3)
    with_thumbnail = whole[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + whole[2:]
    if suffix == ".jpg":
        assert is_complete(with_thumbnail)
        assert not is_complete(with_thumbnail[: 6 + len(thumbnail)])
