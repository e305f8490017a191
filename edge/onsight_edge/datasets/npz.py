"""Pictures in a .npz file."""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets import duplicates
from onsight_edge.datasets.convert import MAX_SIDE, room_for
from onsight_edge.datasets.dataset import Split
from onsight_edge.datasets.parts import Parts, check_classes
from onsight_edge.errors import DataError
from onsight_edge.files import canonical_json, sha256_bytes

_KEYS = {"train": ("x_train", "y_train"), "validation": ("x_val", "y_val"), "test": ("x_test", "y_test")}
_ALONE = ("images", "labels")
_EXPECTED = "expected x_train, y_train, x_test, y_test (x_val, y_val if you like), or images, labels"
_MAX_CLASSES = 100_000
_MAX_NAMES_BYTES = 64 << 20
# what zipfile and NumPy raise for files that are cut off, garbled, encrypted or no zip at all
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    OverflowError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz(path: Path) -> Parts:
    """Read a .npz of uint8 pictures (N, height, width[, channels]) and whole-number labels (N,).

    Its keys are x_train, y_train, and if they are there x_val, y_val, x_test, y_test; or images and labels alone,
    which are then split. `classes` may hold the class names. Nothing in it is ever unpickled.

    Raises:
        DataError: not there, damaged, or not such arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {name: _header(archive, name, path) for name in _members(archive)}
        _check_keys(headers, path)
        with np.load(path, allow_pickle=False) as arrays:
            return _parts(path, arrays, headers)
    except FileNotFoundError:
        raise DataError(f"{path} is not there") from None
    except _DAMAGE as error:
        raise DataError(f"{path} is not a .npz file or is damaged: {error}") from error


_Header = tuple[tuple[int, ...], "np.dtype[np.generic]"]


def _members(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _header(archive: zipfile.ZipFile, name: str, path: Path) -> _Header:
    """Shape and dtype of one array, held against the size its file says it has: nothing is believed unread."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise DataError(f"{path}: {name} holds Python objects, which are never loaded: save plain arrays")
        size = dtype.itemsize
        for side in shape:
            size *= side
        if file.tell() + size != info.file_size:
            raise DataError(f"{path}: {name} says it is {shape} {dtype}, but the file holds {info.file_size} bytes")
    return shape, dtype


def _check_keys(headers: dict[str, _Header], path: Path) -> None:
    if not all(key in headers for key in _KEYS["train"]) and not all(key in headers for key in _ALONE):
        raise DataError(f"{path} holds {', '.join(sorted(headers)) or 'nothing'}: {_EXPECTED}")
    for x, y in (*_KEYS.values(), _ALONE):
        if (x in headers) != (y in headers):
            there, missing = (x, y) if x in headers else (y, x)
            raise DataError(f"{path} holds {there} without {missing}: {_EXPECTED}")


def _parts(path: Path, arrays: np.lib.npyio.NpzFile, headers: dict[str, _Header]) -> Parts:
    pairs = {key: pair for key, pair in _KEYS.items() if pair[0] in headers} or {"train": _ALONE}
    for x, y in pairs.values():
        shape, dtype = headers[x]
        _check_shape(x, shape, headers[pairs["train"][0]][0], path)
        channels = shape[3] if len(shape) == 4 else 1
        room_for(shape[0], (shape[2], shape[1]), channels, f"{path}: {x}", dtype.itemsize)
        _check_count(x, y, headers, path)
    made = {key: Split(_images(arrays, x, path), _labels(arrays, y, path)) for key, (x, y) in pairs.items()}
    classes = _classes(arrays, headers, made, path)
    check_classes(made["train"], classes, str(path))
    width, height = made["train"].images.shape[2], made["train"].images.shape[1]
    content = [
        [hashlib.sha256(part.images.data).hexdigest(), sha256_bytes(part.labels.tobytes())] for part in made.values()
    ]
    return Parts(
        name=path.stem,
        uri=str(path.absolute()),
        classes=classes,
        train=made["train"],
        validation=made.get("validation"),
        test=made.get("test"),
        groups=duplicates.same_picture([part.images for part in made.values()]),
        content=sha256_bytes(canonical_json(content).encode()),
        sizes=Counter({(width, height): sum(len(part) for part in made.values())}),
    )


def _check_count(x: str, y: str, headers: dict[str, _Header], path: Path) -> None:
    shape, count = headers[y][0], headers[x][0][0]
    if shape not in ((count,), (count, 1)):
        hint = ": one-hot? save class numbers" if len(shape) == 2 else ""
        raise DataError(f"{path}: {x} holds {count} pictures, so {y} must be ({count},), not {shape}{hint}")


def _check_shape(key: str, shape: tuple[int, ...], first: tuple[int, ...], path: Path) -> None:
    if len(shape) not in (3, 4) or 0 in shape:
        raise DataError(f"{path}: {key} must be (N, height, width, channels) or (N, height, width), not {shape}")
    if len(shape) == 4 and shape[3] not in (1, 3, 4):
        hint = ": channels come last" if shape[1] in (1, 3) else ""
        raise DataError(f"{path}: {key} must have 1, 3 or 4 channels, but its shape is {shape}{hint}")
    if max(shape[1:3]) > MAX_SIDE:
        raise DataError(
            f"{path}: {key} has pictures of {shape[2]}x{shape[1]}, expected at most {MAX_SIDE} pixels a side"
        )
    if shape[1:] != first[1:]:
        raise DataError(
            f"{path}: {key} has pictures of shape {shape[1:]}, but the training pictures are {first[1:]}: "
            "all must have one size"
        )


def _images(arrays: np.lib.npyio.NpzFile, key: str, path: Path) -> NDArray[np.uint8]:
    """(N, h, w, 3) or (N, h, w, 1) uint8."""
    found = arrays[key]
    if found.dtype != np.uint8:
        if found.dtype.kind not in "iuf":
            raise DataError(f"{path}: {key} must be uint8 with values 0..255, not {found.dtype}")
        low, high = float(found.min()), float(found.max())
        whole = found.dtype.kind != "f" or bool((np.rint(found) == found).all())
        if not (low >= 0 and high <= 255 and whole and (found.dtype.kind != "f" or high > 1)):
            raise DataError(
                f"{path}: {key} is {found.dtype} with values {low:g}..{high:g}, expected uint8 with values 0..255: "
                "save the pixels unscaled"
            )
    images: NDArray[np.uint8] = found.astype(np.uint8, copy=False)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.shape[3] == 4:
        images = images[..., :3]  # alpha
    return np.ascontiguousarray(images)


def _labels(arrays: np.lib.npyio.NpzFile, key: str, path: Path) -> NDArray[np.int64]:
    found = arrays[key].reshape(-1)
    if found.dtype.kind not in "iu":
        raise DataError(f"{path}: {key} must be whole numbers, not {found.dtype}")
    low, high = int(found.min()), int(found.max())
    if low < 0 or high >= _MAX_CLASSES:
        raise DataError(f"{path}: {key} has labels {low}..{high}, expected 0..{_MAX_CLASSES - 1} at most")
    return found.astype(np.int64)


def _classes(
    arrays: np.lib.npyio.NpzFile, headers: dict[str, _Header], made: dict[str, Split], path: Path
) -> tuple[str, ...]:
    highest = max(int(part.labels.max()) for part in made.values())
    if "classes" not in headers:
        return tuple(str(number) for number in range(highest + 1))
    shape, dtype = headers["classes"]
    if len(shape) != 1 or dtype.kind not in "US":
        raise DataError(f"{path}: classes must be a list of names, not {dtype} {shape}")
    # every place is as long as the longest name
    if shape[0] > _MAX_CLASSES or shape[0] * dtype.itemsize > _MAX_NAMES_BYTES:
        raise DataError(
            f"{path}: classes has {shape[0]} names in {shape[0] * dtype.itemsize} bytes, expected at most "
            f"{_MAX_CLASSES} in {_MAX_NAMES_BYTES}"
        )
    found = arrays["classes"]
    names = tuple(name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in found.tolist())
    if len(set(names)) != len(names):
        raise DataError(f"{path}: the names in classes must differ from each other")
    if highest >= len(names):
        raise DataError(
            f"{path}: a label is {highest}, but classes has {len(names)} names: expected 0..{len(names) - 1}"
        )
    return names
