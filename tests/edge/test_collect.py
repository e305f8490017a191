"""Pictures into class folders: names, budget, what is left out as nothing new."""

from __future__ import annotations

import threading
import time
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from onsight_edge.collect import Collector, check_class_name
from onsight_edge.collecting import Collected, Known, collect_frames, newest_files
from onsight_edge.errors import DataError, SinkError
from onsight_edge.frame import Frame
from onsight_edge.sources.source import Health
from onsight_edge.sources.synthetic import SyntheticSource


def picture(seed: int, size: tuple[int, int] = (160, 200)) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 255, (10, 12, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


@given(st.text(max_size=120))
def test_a_name_that_passes_is_one_folder_below_the_set(name: str) -> None:
    try:
        passed = check_class_name(name)
    except DataError:
        return
    assert Path(passed).name == passed and not passed.startswith(".") and passed == passed.strip()
    assert unicodedata.normalize("NFC", passed) == passed and len(passed.encode()) <= 100


@pytest.mark.parametrize("name", ["cat", "Katze groß", "हिन्दी", "猫", "no. 1-a_b+c", "2"])
def test_names_of_all_scripts_pass(name: str) -> None:
    assert check_class_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-a", " ", "Train", "val", "a\0", "a\n.", "x" * 101])
def test_names_that_mean_something_else_do_not(name: str) -> None:
    with pytest.raises(DataError):
        check_class_name(name)


def test_pictures_of_the_same_moment_do_not_overwrite_each_other(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    threads = [threading.Thread(target=collector.save, args=(picture(0), "cat", 7)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert collector.counts() == {"cat": 8}
    assert collector.used_bytes() == sum(file.stat().st_size for file in (tmp_path / "cat").iterdir())


def test_small_pictures_are_kept_without_loss(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 255, (32, 32, 3), np.uint8)
    saved = Collector(tmp_path).save(image, "cat", 0)
    assert saved.path.suffix == ".png" and np.array_equal(cv2.imread(str(saved.path)), image)


def test_what_the_folder_holds_counts_and_nothing_half_is_left(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "old.jpg").write_bytes(bytes(9_000))
    collector = Collector(tmp_path, budget_bytes=10_000)
    with pytest.raises(SinkError, match="has reached its"):
        collector.save(picture(0), "dog", 0)
    assert collector.counts() == {"cat": 1}


def test_a_class_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "set" / "cat").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SinkError, match="leads elsewhere"):
        Collector(tmp_path / "set").save(picture(0), "cat", 0)
    assert not list((tmp_path / "elsewhere").iterdir())


class Frames:
    """A camera whose pictures are given, one every 100 ms by their time stamps."""

    uri, live, fps, size_wh = "given", True, 10.0, None

    def __init__(self, images: list[NDArray[np.uint8]]) -> None:
        self.health = Health()
        self._images = images
        self._at = 0

    def read(self) -> Frame | None:
        if self._at >= len(self._images):
            return None
        self._at += 1
        return Frame(self._images[self._at - 1], self._at - 1, self._at * 100_000_000)

    def close(self) -> None: ...


def test_one_picture_every_so_often_until_there_are_enough(tmp_path: Path) -> None:
    source = Frames([picture(seed) for seed in range(40)])
    done = collect_frames(source, Collector(tmp_path), "cat", count=4, every_s=0.45, known=None)
    assert done == Collected(frames=16, saved=4, alike=0, damaged=0)
    names = sorted(file.stem.rpartition("-")[2] for file in (tmp_path / "cat").iterdir())
    assert names == ["0", "10", "15", "5"]


def test_what_shows_nothing_new_is_left_out_also_of_an_earlier_collecting(tmp_path: Path) -> None:
    brighter = np.clip(picture(1).astype(int) + 12, 0, 255).astype(np.uint8)
    images = [picture(1), brighter, picture(2), picture(1)[:, ::-1], picture(3)]
    collector = Collector(tmp_path)
    done = collect_frames(Frames(images), collector, "cat", count=9, every_s=0, known=Known())
    assert (done.saved, done.alike) == (3, 2)
    again = Known.of(newest_files(tmp_path / "cat"))
    done = collect_frames(Frames([picture(2), picture(4)]), collector, "cat", count=9, every_s=0, known=again)
    assert (done.saved, done.alike) == (1, 1)


def test_closing_the_source_ends_it(tmp_path: Path) -> None:
    source = SyntheticSource(30, (64, 64))
    done: list[Collected] = []
    thread = threading.Thread(
        target=lambda: done.append(
            collect_frames(source, Collector(tmp_path), "cat", count=10**6, every_s=0.1, known=None)
        )
    )
    thread.start()
    time.sleep(0.3)
    source.close()
    thread.join(20)
    assert done and done[0].saved >= 1
