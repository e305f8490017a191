"""The public sets onsight knows by name, and their cache: one uncompressed .npz each, mapped instead of read.

Filling the cache needs a network and is training's matter (onsight_train.fetch); reading it needs neither.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError
from onsight_edge.files import atomic_path, cache_folder

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, slots=True)
class NamedSet:
    """What is known of a public set before it is fetched.

    Attributes:
        name: what `load_dataset` calls it.
        classes: in label order.
        shape: of one picture: (height, width, 3) RGB or (height, width) grey.
        train, test: how many pictures; every class has the same share.
        sha256: digest of each array's bytes (uint8, C order); None where it could not be taken from the real
            data when this was written. `check` then relies on shapes and class counts, and the fetcher on the
            digests of the files it downloaded.
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    train: int
    test: int
    sha256: Mapping[str, str | None]


SETS = {
    "cifar10": NamedSet(
        name="cifar10",
        classes=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        shape=(32, 32, 3),
        train=50_000,
        test=10_000,
        sha256={
            "x_train": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
            "y_train": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
            "x_test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
            "y_test": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
        },
    ),
    "fashion_mnist": NamedSet(
        name="fashion_mnist",
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        shape=(28, 28),
        train=60_000,
        test=10_000,
        sha256={
            "x_train": None,
            "y_train": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
            "x_test": None,
            "y_test": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
        },
    ),
}
NAMED = tuple(SETS)


def cached_path(name: str) -> Path:
    """Where the named set is cached, whether or not it is there yet."""
    return cache_folder() / "datasets" / f"{name}.npz"


def check(named: NamedSet, arrays: Mapping[str, NDArray[np.uint8]], where: str) -> dict[str, str]:
    """Hold decoded arrays against all that is known of the set; returns the SHA-256 of each array.

    Raises:
        DataError: a shape, dtype, class count or digest is not the published one; `where` opens the message.
    """
    digests: dict[str, str] = {}
    for part, count in (("train", named.train), ("test", named.test)):
        for key, shape in ((f"x_{part}", (count, *named.shape)), (f"y_{part}", (count,))):
            array = arrays[key]
            if array.shape != shape or array.dtype != np.uint8:
                raise DataError(f"{where}: {key} is {array.dtype} {array.shape}, expected uint8 {shape}")
            digests[key] = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
            known = named.sha256[key]
            if known is not None and digests[key] != known:
                raise DataError(
                    f"{where}: {key} is not the published {named.name}: SHA-256 {digests[key]}, expected {known}"
                )
        share = count // len(named.classes)
        counts = np.bincount(arrays[f"y_{part}"], minlength=len(named.classes))
        if counts.tolist() != [share] * len(named.classes):
            raise DataError(f"{where}: y_{part} must have {share} pictures a class, not {counts.tolist()}")
    return digests


def write_cache(name: str, arrays: Mapping[str, NDArray[np.uint8]], where: str) -> Path:
    """Check the arrays (see `check`) and put them into the cache, whole or not at all.

    Raises:
        DataError: they are not the published set.
        OnsightError: the cache folder cannot be written to, or the disk is full.
    """
    digests = check(SETS[name], arrays, where)
    target = cached_path(name)
    with atomic_path(target) as temporary:
        members: dict[str, Any] = {key: arrays[key] for key in ARRAYS}
        np.savez(temporary, sha256=np.array([digests[key] for key in ARRAYS]), **members)
    return target


def read_cache(name: str) -> tuple[dict[str, NDArray[np.uint8]], dict[str, str]]:
    """The cached arrays, mapped read-only from the file, and the SHA-256 of each.

    Raises:
        DataError: not cached yet, or the file is not what was put there; the message names the command to run.
    """
    path = cached_path(name)
    if not path.is_file():
        raise DataError(f"{name} is not in the cache at {path}: run: onsight data {name}")
    try:
        arrays = {key: map_member(path, key) for key in ARRAYS}
        digests = check(SETS[name], arrays, "its content")
        stored = [str(digest) for digest in map_member(path, "sha256")]
        if stored != [digests[key] for key in ARRAYS]:
            raise DataError("its content is not what was written")
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, DataError) as error:
        raise DataError(f"the cached {path} is damaged ({error}): delete it and run: onsight data {name}") from error
    return arrays, digests


def map_member(path: Path, key: str) -> NDArray[Any]:
    """One array of an uncompressed .npz, mapped read-only: no copy, and only pages that are used are read.

    Raises:
        KeyError, ValueError, zipfile.BadZipFile, OSError: no such array, compressed, or damaged.
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{key}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{key} is compressed")
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(30)
        if len(header) != 30 or header[:4] != b"PK\x03\x04":
            raise ValueError(f"{key} has no zip header")
        # the local header's name and extra field, whose length the central directory does not tell
        file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
        start = file.tell()
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if dtype.hasobject or fortran or file.tell() - start + size != member.file_size:
            raise ValueError(f"{key} is not a plain array")
        return np.memmap(path, dtype=dtype, mode="r", offset=file.tell(), shape=shape)
