"""The cache of public sets, with small stand-ins for their arrays."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from onsight_edge.datasets import NAMED, cached_path, load_dataset
from onsight_edge.datasets.named import SETS, check, map_member, read_cache, write_cache
from onsight_edge.errors import DataError, OnsightError


def arrays_of(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    made = {}
    for part, count in (("train", 60), ("test", 20)):
        made[f"x_{part}"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        made[f"y_{part}"] = rng.permutation(np.arange(count) % 10).astype(np.uint8)
    return made


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Both named sets shrunk to 60 + 20 pictures, an empty cache; the arrays of the stand-in for cifar10."""
    monkeypatch.setenv("ONSIGHT_CACHE", str(tmp_path / "cache"))
    arrays = arrays_of((32, 32, 3))
    digests = {key: hashlib.sha256(array.tobytes()).hexdigest() for key, array in arrays.items()}
    for name, known in (("cifar10", digests), ("fashion_mnist", dict.fromkeys(digests))):
        monkeypatch.setitem(SETS, name, dataclasses.replace(SETS[name], train=60, test=20, sha256=known))
    return arrays


def test_what_is_known_of_the_sets() -> None:
    assert NAMED == ("cifar10", "fashion_mnist")
    assert SETS["cifar10"].classes[0] == "airplane" and SETS["cifar10"].classes[9] == "truck"
    assert SETS["fashion_mnist"].classes[9] == "Ankle boot"
    for named in SETS.values():
        assert len(set(named.classes)) == 10 and set(named.sha256) == {"x_train", "y_train", "x_test", "y_test"}


def test_write_and_load(small: dict[str, np.ndarray]) -> None:
    path = write_cache("cifar10", small, "here")
    assert path == cached_path("cifar10") and [p.name for p in path.parent.iterdir()] == ["cifar10.npz"]
    data = load_dataset("cifar10", validation=0.5, seed=3)
    assert (data.name, data.uri, data.size_wh) == ("cifar10", "cifar10", (32, 32))
    assert [len(data.train), len(data.validation), len(data.test)] == [30, 30, 20]
    assert np.array_equal(data.test.images, small["x_test"]) and np.array_equal(data.test.labels, small["y_test"])
    assert np.bincount(data.validation.labels).tolist() == [3] * 10
    assert isinstance(load_dataset("cifar10", validation=0.0).train.images.base, np.memmap), "not copied"


def test_grey_set(small: dict[str, np.ndarray]) -> None:
    arrays = arrays_of((28, 28))
    write_cache("fashion_mnist", arrays, "here")
    assert load_dataset("fashion_mnist").train.images.shape[1:] == (28, 28, 3)
    grey = load_dataset("fashion_mnist", colour="grey")
    assert np.array_equal(grey.test.images[..., 0], arrays["x_test"])


def test_not_cached(small: dict[str, np.ndarray]) -> None:
    with pytest.raises(DataError, match=r"cifar10 is not in the cache at .*: run: onsight data cifar10"):
        load_dataset("cifar10")


def test_other_content_is_refused(small: dict[str, np.ndarray]) -> None:
    for key in small:
        other = {**small, key: small[key].copy()}
        other[key].flat[0] ^= 1
        with pytest.raises(DataError, match=f"somewhere: {key} is not the published cifar10: SHA-256 .* expected"):
            write_cache("cifar10", other, "somewhere")
    with pytest.raises(DataError, match=r"x_train is uint8 \(59, 32, 32, 3\), expected"):
        write_cache("cifar10", {**small, "x_train": small["x_train"][:59]}, "somewhere")
    assert not cached_path("cifar10").exists()


def test_class_counts_without_digests() -> None:
    arrays = arrays_of((28, 28))
    named = dataclasses.replace(SETS["fashion_mnist"], train=60, test=20, sha256=dict.fromkeys(arrays))
    check(named, arrays, "here")
    arrays["y_test"] = np.zeros(20, np.uint8)
    with pytest.raises(DataError, match="y_test must have 2 pictures a class"):
        check(named, arrays, "here")


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist"])
def test_damaged_cache_is_noticed(small: dict[str, np.ndarray], name: str) -> None:
    path = write_cache(name, small if name == "cifar10" else arrays_of((28, 28)), "here")
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[1000] ^= 1  # a pixel; nothing of the zip's structure
    for broken in (b"", whole[:100], whole[:-200], bytes(flipped)):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=rf"is damaged \(.*\): delete it and run: onsight data {name}") as caught:
            load_dataset(name)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    load_dataset(name)


def test_map_member_takes_plain_arrays_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(6).reshape(2, 3), f=np.asfortranarray(np.ones((2, 3))), o=np.array([None]))
    assert map_member(path, "a").tolist() == [[0, 1, 2], [3, 4, 5]]
    for key in "fo":
        with pytest.raises(ValueError, match="not a plain array"):
            map_member(path, key)
    np.savez_compressed(path, a=np.arange(6))
    with pytest.raises(ValueError, match="compressed"):
        map_member(path, "a")
    with pytest.raises(KeyError):
        map_member(path, "b")


def test_unwritable_cache(small: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ONSIGHT_CACHE", str(tmp_path / "file"))
    with pytest.raises(OnsightError, match=r"cannot write .*cifar10\.npz"):
        write_cache("cifar10", small, "here")
    with pytest.raises(DataError, match="not in the cache"):
        read_cache("cifar10")
