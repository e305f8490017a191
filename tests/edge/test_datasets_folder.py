"""Class folders, with every kind of picture and every kind of rubbish in them."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from onsight_edge.datasets import load_dataset
from onsight_edge.datasets.summary import describe
from onsight_edge.errors import DataError
from onsight_edge.geometry import WHOLE, View


def picture(number: int, size_wh: tuple[int, int] = (12, 10)) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (size_wh[1], size_wh[0], 3), dtype=np.uint8)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three classes of ten, eight and five PNG files of one size, not split."""
    for offset, (name, count) in enumerate({"cat": 10, "dog": 8, "ant": 5}.items()):
        for number in range(count):
            write(tmp_path / "pets" / name / f"{number}.png", picture(100 * offset + number))
    return tmp_path / "pets"


def test_unsplit_folder(root: Path) -> None:
    data = load_dataset(str(root), validation=0.25)
    assert (data.name, data.uri, data.classes) == ("pets", str(root), ("ant", "cat", "dog"))
    assert data.size_wh == (12, 10) and data.source_sizes == ((12, 10, 23),)
    assert np.bincount(data.test.labels).tolist() == [1, 2, 2]  # a fifth of 5, 10, 8
    assert np.bincount(data.validation.labels).tolist() == [1, 2, 2]  # a quarter of 4, 8, 6, rounded half up
    assert np.bincount(data.train.labels).tolist() == [3, 6, 4]
    names = [*data.train.names, *data.validation.names, *data.test.names]
    assert len(set(names)) == 23
    for part in (data.train, data.validation, data.test):
        for image, label, name in zip(part.images, part.labels, part.names, strict=True):
            assert np.array_equal(image[..., ::-1], cv2.imread(str(root / name))), "RGB, unchanged"
            assert name.startswith(data.classes[label] + "/")


def test_digest_follows_content_split_and_size(root: Path) -> None:
    first = load_dataset(str(root))
    assert load_dataset(str(root)).sha256 == first.sha256
    others = [
        load_dataset(str(root), seed=1).sha256,
        load_dataset(str(root), validation=0.4).sha256,
        load_dataset(str(root), size_wh=(8, 8)).sha256,
        load_dataset(str(root), colour="grey").sha256,
    ]
    write(root / "cat" / "0.png", picture(999))
    others.append(load_dataset(str(root)).sha256)
    assert len({first.sha256, *others}) == 6


def test_all_kinds_of_pictures(tmp_path: Path) -> None:
    colour = np.zeros((16, 24, 3), np.uint8)
    colour[:, :12] = (200, 100, 50)
    alpha = cv2.cvtColor(colour, cv2.COLOR_BGR2BGRA)
    alpha[..., 3] = 128
    kinds = {
        "rgb.png": colour,
        "alpha.png": alpha,
        "deep.png": colour.astype(np.uint16) * 257,
        "plain.bmp": colour,
        "small.webp": colour,
        "photo.jpg": colour,
        "PHOTO.JPEG": colour,
    }
    for name, image in kinds.items():
        write(tmp_path / "a" / name, image)
    write(tmp_path / "b" / "grey.png", colour[..., 0])
    turned = _with_orientation(cv2.imencode(".jpg", np.rot90(colour))[1].tobytes(), 6)
    (tmp_path / "b" / "turned.jpg").write_bytes(turned)
    data = load_dataset(str(tmp_path), validation=0.0)
    assert data.left_out == () and data.source_sizes == ((24, 16, 9),)
    images = dict(zip([*data.train.names, *data.test.names], [*data.train.images, *data.test.images], strict=True))
    for name in kinds:
        assert np.abs(images[f"a/{name}"][:, :10].astype(int) - (50, 100, 200)).max() < 8, name
    assert (images["b/grey.png"][:, :12] == 200).all()
    assert np.abs(images["b/turned.jpg"][:, :10].astype(int) - (50, 100, 200)).max() < 16, "EXIF rotation"


def _with_orientation(jpeg: bytes, orientation: int) -> bytes:
    tiff = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, orientation, 0)
    segment = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def test_bad_files_are_left_out_and_named(root: Path) -> None:
    whole = (root / "cat" / "1.png").read_bytes()
    (root / "cat" / "empty.png").write_bytes(b"")
    (root / "cat" / "text.jpg").write_text("not a picture")
    (root / "dog" / "cut.png").write_bytes(whole[:20])
    (root / "dog" / "notes.txt").write_text("hello")
    (root / "dog" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "labels.csv").write_text("x")
    (root / ".hidden").mkdir()
    (root / "ant" / ".DS_Store").write_bytes(b"x")
    data = load_dataset(str(root))
    reasons = {item.name: item.reason for item in data.left_out}
    assert list(reasons) == sorted(reasons)
    assert set(reasons) == {
        "cat/empty.png",
        "cat/text.jpg",
        "dog/cut.png",
        "dog/notes.txt",
        "dog/gone.png",
        "labels.csv",
    }
    assert "0 bytes" in reasons["cat/empty.png"] and "outside" in reasons["labels.csv"]
    assert len(data.train) + len(data.validation) + len(data.test) == 23


def test_class_that_ends_empty(root: Path) -> None:
    for path in (root / "ant").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"the class ant has no usable training picture: ant/0\.png .*0 bytes"):
        load_dataset(str(root))
    shutil.rmtree(root / "ant")
    (root / "ant").mkdir()
    with pytest.raises(DataError, match=r"ant .*its folder is empty"):
        load_dataset(str(root))


def test_one_class_and_none(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / "ant")
    shutil.rmtree(root / "dog")
    with pytest.raises(DataError, match=r"has 1 class folder \(cat\): .*at least two"):
        load_dataset(str(root))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="has 0 class folders"):
        load_dataset(str(tmp_path / "nothing"))


@pytest.mark.parametrize("validation_name", ["val", "valid", "Validation"])
def test_folder_that_is_split_already(tmp_path: Path, validation_name: str) -> None:
    for offset, split in enumerate(("train", validation_name, "test")):
        for number, name in enumerate(("cat", "dog")):
            for item in range(3):
                write(tmp_path / split / name / f"{item}.png", picture(100 * offset + 10 * number + item))
    data = load_dataset(str(tmp_path), validation=0.5)
    assert [len(data.train), len(data.validation), len(data.test)] == [6, 6, 6]
    assert all(name.startswith(f"{validation_name}/") for name in data.validation.names)
    write(tmp_path / "test" / "emu" / "0.png", picture(5))
    with pytest.raises(DataError, match="emu is a class that the training folder lacks: its classes are cat, dog"):
        load_dataset(str(tmp_path))


def test_train_folder_alone_is_split(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        for item in range(10):
            write(tmp_path / "train" / name / f"{item}.png", picture(100 * number + item))
    (tmp_path / "unlabelled").mkdir()
    data = load_dataset(str(tmp_path), validation=0.25)
    assert [len(data.train), len(data.validation), len(data.test)] == [12, 4, 4]
    assert [item.name for item in data.left_out] == ["unlabelled"]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for number, name in enumerate(("bus", "train")):
        for item in range(3):
            write(tmp_path / name / f"{item}.png", picture(100 * number + item))
    assert load_dataset(str(tmp_path)).classes == ("bus", "train")


def test_copies_across_splits_are_reported(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number, name in enumerate(("cat", "dog")):
            for item in range(3):
                write(tmp_path / split / name / f"{item}.png", picture(len(split) * 100 + number * 10 + item))
    shutil.copy(tmp_path / "train" / "cat" / "1.png", tmp_path / "test" / "cat" / "again.png")
    write(tmp_path / "test" / "dog" / "same.bmp", cv2.imread(str(tmp_path / "train" / "cat" / "2.png")))
    data = load_dataset(str(tmp_path), validation=0.0)
    assert data.duplicates == (("train/cat/1.png", "test/cat/again.png"), ("train/cat/2.png", "test/dog/same.bmp"))
    summary = describe(data)
    assert summary.repeated == 2 and summary.conflicts == (("train/cat/2.png", "test/dog/same.bmp"),)


def test_copies_in_one_pool_are_kept_together(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        for item in range(20):
            for copy in range(3):
                write(tmp_path / name / f"{item}-{copy}.png", picture(100 * number + item))
    data = load_dataset(str(tmp_path), validation=0.25)
    assert data.duplicates == () and len(data.test) == 24 and len(data.validation) == 24
    assert describe(data).repeated == 80


def test_mixed_sizes_come_out_96(root: Path) -> None:
    write(root / "dog" / "large.png", picture(5, (300, 200)))
    data = load_dataset(str(root))
    assert data.size_wh == (96, 96) and data.source_sizes == ((12, 10, 23), (300, 200, 1))
    assert "2 sizes" in data.notes[0]
    assert load_dataset(str(root), size_wh=(20, 14)).size_wh == (20, 14)
    summary = describe(data)
    assert (summary.smallest_wh, summary.median_wh, summary.largest_wh) == ((12, 10), (12, 10), (300, 200))
    assert summary.common_wh == (12, 10, 23)


def test_large_pictures_of_one_size_come_out_96(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        for item in range(2):
            write(tmp_path / name / f"{item}.jpg", picture(10 * number + item, (320, 240)))
    data = load_dataset(str(tmp_path))
    assert data.size_wh == (96, 96) and "320x240" in data.notes[0]


@pytest.mark.parametrize("colour", ["rgb", "bgr", "grey"])
@pytest.mark.parametrize("resize", ["squash", "fit-shortest", "fit-longest"])
@pytest.mark.parametrize("view", [WHOLE, View((0.25, 0.0, 0.5, 0.75), 90, "vertical")])
def test_same_pixels_as_live_frames(root: Path, colour: Any, resize: Any, view: View) -> None:
    from onsight_edge.preprocess import Preprocessor
    from onsight_edge.spec import ModelSpec

    data = load_dataset(str(root), size_wh=(8, 8), colour=colour, resize=resize, view=view)
    live = Preprocessor(ModelSpec("x", ("a", "b"), (8, 8), colour=colour, resize=resize, **view._asdict()))
    for image, name in zip(data.test.images, data.test.names, strict=True):
        assert np.array_equal(image, live.pixels(cv2.imread(str(root / name))))


def test_turned_pictures_keep_their_proportions_and_are_other_data(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        for item in range(2):
            write(tmp_path / name / f"{item}.png", picture(10 * number + item, (30, 20)))
    upright, turned = load_dataset(str(tmp_path)), load_dataset(str(tmp_path), view=View(rotate=90))
    assert upright.size_wh == (30, 20) and turned.size_wh == (20, 30)
    np.testing.assert_array_equal(turned.train.images, np.rot90(upright.train.images, -1, (1, 2)))
    assert turned.sha256 != upright.sha256


def test_links_are_followed_once(root: Path) -> None:
    (root / "cat" / "loop").symlink_to(root / "cat")
    (root / "eel").symlink_to(root / "dog")
    data = load_dataset(str(root))
    assert data.classes == ("ant", "cat", "dog", "eel")
    assert len(data.train) + len(data.validation) + len(data.test) == 31


def test_limit_and_progress(root: Path) -> None:
    told: list[tuple[int, int]] = []
    data = load_dataset(str(root), limit=4, on_progress=lambda done, total: told.append((done, total)))
    assert [len(data.train), len(data.validation), len(data.test)] == [4, 3, 4]
    assert told[-1] == (23, 23) and len(told) == 23


def test_memory_is_asked_for_first(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setattr(os, "sysconf", lambda name: 1 << 10)
    with pytest.raises(DataError, match="GiB of memory"):
        load_dataset(str(root), size_wh=(512, 512))


def test_not_a_data_set(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not there: expected cifar10, fashion_mnist, a folder"):
        load_dataset(str(tmp_path / "nowhere"))
    (tmp_path / "x.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is not a data set"):
        load_dataset(str(tmp_path / "x.zip"))
    with pytest.raises(DataError, match="size must be"):
        load_dataset(str(root), size_wh=(0, 4))
