"""Pictures in .npz files: what is taken, and the one line about what is not."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_edge.datasets import load_dataset
from onsight_edge.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (30, 6, 8, 3), dtype=np.uint8)
Y = np.arange(30) % 3
GOOD: dict[str, Any] = {"x_train": X, "y_train": Y, "x_test": 255 - X[:9], "y_test": Y[:9]}


def save(folder: Path, **arrays: Any) -> str:
    path = folder / "set.npz"
    np.savez(path, **arrays)
    return str(path)


def test_train_and_test(tmp_path: Path) -> None:
    uri = save(tmp_path, **GOOD)
    data = load_dataset(uri, validation=0.2)
    assert (data.name, data.uri, data.classes, data.size_wh) == ("set", uri, ("0", "1", "2"), (8, 6))
    assert [len(data.train), len(data.validation), len(data.test)] == [24, 6, 9]
    assert np.array_equal(data.test.images, 255 - X[:9]) and data.test.labels.dtype == np.int64
    both = np.concatenate([data.train.images, data.validation.images]).reshape(30, -1)
    assert sorted(map(bytes, both)) == sorted(map(bytes, X.reshape(30, -1)))


def test_all_keys_and_names(tmp_path: Path) -> None:
    uri = save(tmp_path, **GOOD, x_val=X[:3], y_val=Y[:3].reshape(-1, 1), classes=np.array(["ä", "b", "c"]), more=[1])
    data = load_dataset(uri, validation=0.5)
    assert data.classes == ("ä", "b", "c") and [len(data.train), len(data.validation)] == [30, 3]
    assert data.duplicates[0] == ("train[0]", "validation[0]") and len(data.duplicates) == 3


def test_images_and_labels_are_split(tmp_path: Path) -> None:
    data = load_dataset(save(tmp_path, images=X, labels=Y), validation=0.25)
    assert [len(data.train), len(data.validation), len(data.test)] == [18, 6, 6]


@pytest.mark.parametrize("shape", [(30, 6, 8), (30, 6, 8, 1)])
def test_grey(tmp_path: Path, shape: tuple[int, ...]) -> None:
    grey = X[..., 0].reshape(shape)
    uri = save(tmp_path, images=grey, labels=Y)
    assert load_dataset(uri, colour="grey").train.images.shape[1:] == (6, 8, 1)
    rgb = load_dataset(uri).train.images
    assert rgb.shape[1:] == (6, 8, 3) and (rgb[..., 0] == rgb[..., 2]).all()


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.float32])
def test_whole_numbers_of_any_type(tmp_path: Path, dtype: type) -> None:
    data = load_dataset(save(tmp_path, **{**GOOD, "x_train": X.astype(dtype)}), validation=0.0)
    assert np.array_equal(data.train.images, X)


def test_alpha_is_dropped_and_compressed_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    np.savez_compressed(path, images=np.concatenate([X, X[..., :1]], axis=3), labels=Y)
    assert load_dataset(str(path)).train.images.shape[1:] == (6, 8, 3)


BAD = {
    "size": (
        {"x_test": X[:9, :5]},
        r"x_test has pictures of shape \(5, 8, 3\), but .*\(6, 8, 3\): all must have one size",
    ),
    "flat": ({"x_train": X.reshape(30, -1)}, r"must be \(N, height, width, channels\)"),
    "channels first": ({"x_train": X.transpose(0, 3, 1, 2)}, "channels come last"),
    "five channels": ({"x_train": np.zeros((30, 6, 8, 5), np.uint8)}, "1, 3 or 4 channels"),
    "none": ({"x_test": X[:0], "y_test": Y[:0]}, r"not \(0, 6, 8, 3\)"),
    "huge": ({"x_train": np.zeros((30, 1, 5000), np.uint8)}, "at most 4096"),
    "floats": ({"x_train": X / 255}, r"float64 with values 0\.\.1, expected uint8"),
    "zeros and ones": ({"x_train": (X > 9).astype(np.float32)}, "expected uint8"),
    "nan": ({"x_train": np.full(X.shape, np.nan)}, "expected uint8"),
    "negative": ({"x_train": X.astype(int) - 128}, r"-128\.\.127"),
    "text": ({"x_train": X.astype(str)}, "uint8"),
    "objects": ({"x_train": np.array([{}], object)}, "Python objects"),
    "too few labels": ({"y_train": Y[:29]}, r"holds 30 pictures, so y_train must be \(30,\), not \(29,\)"),
    "one-hot": ({"y_train": np.eye(3)[Y]}, "one-hot"),
    "float labels": ({"y_train": Y / 2}, "whole numbers"),
    "negative label": ({"y_train": Y - 1}, r"labels -1\.\.1"),
    "absurd label": ({"y_train": Y + 10**9}, "labels 1000000000"),
    "missing class": ({"y_train": Y * 2}, "no training picture of 1, 3"),
    "one class": ({"y_train": Y * 0, "y_test": Y[:9] * 0}, "at least two classes"),
    "few names": ({"classes": np.array(["a", "b"])}, "a label is 2, but classes has 2 names"),
    "same names": ({"classes": np.array(["a", "b", "a"])}, "differ"),
    "empty name": ({"classes": np.array(["a", " ", "c"])}, "' ' cannot be a class name"),
    "name of two lines": ({"classes": np.array(["a", "b\nc", "d"])}, r"'b\\nc' cannot be a class name"),
    "escape in a name": ({"classes": np.array(["a", "b\x1b[2J", "d"])}, "cannot be a class name"),
    "names too long": ({"classes": np.array(["a", "b", "c" * 6_000_000])}, "classes has 3 names in 72000000 bytes"),
    "names of numbers": ({"classes": np.array([1, 2, 3])}, "list of names"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays(tmp_path: Path, case: str) -> None:
    change, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(save(tmp_path, **{**GOOD, **change}))
    assert "set.npz" in str(caught.value) and "\n" not in str(caught.value)


def test_missing_keys(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds a, b: expected x_train, y_train"):
        load_dataset(save(tmp_path, a=X, b=Y))
    with pytest.raises(DataError, match="holds x_test without y_test"):
        load_dataset(save(tmp_path, x_train=X, y_train=Y, x_test=X))


def test_damaged_files(tmp_path: Path) -> None:
    whole = Path(save(tmp_path, **GOOD)).read_bytes()
    path = tmp_path / "bad.npz"
    for broken in (b"", b"PK\x03\x04", b"text", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"bad\.npz is not a \.npz file or is damaged") as caught:
            load_dataset(str(path))
        assert "\n" not in str(caught.value)
    flipped = bytearray(whole)
    flipped[2000] ^= 1  # inside x_train's pixels: the zip's checksum must catch it
    path.write_bytes(flipped)
    with pytest.raises(DataError, match="damaged"):
        load_dataset(str(path))
    with pytest.raises(DataError, match="is not there"):
        load_dataset(str(tmp_path / "none.npz"))


def test_every_cut_is_one_clear_line(tmp_path: Path) -> None:
    whole = Path(save(tmp_path, x_train=X[:4, :2, :2], y_train=Y[:4] % 2)).read_bytes()
    path = tmp_path / "cut.npz"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            load_dataset(str(path))


def test_a_header_that_lies_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "lie.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("images", "labels"):
            with archive.open(f"{name}.npy", "w") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 4000, 4000, 3)}
                np.lib.format.write_array_header_1_0(file, header)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="but the file holds"):
        load_dataset(str(path))


def test_memory_is_reckoned_in_the_type_that_the_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"SC_PHYS_PAGES": 1, "SC_PAGE_SIZE": 2 * X.nbytes}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    load_dataset(save(tmp_path, images=X, labels=Y))
    with pytest.raises(DataError, match="30 pictures of 8x6 need"):
        load_dataset(save(tmp_path, images=X.astype(np.float64), labels=Y))
