"""Pictures saved under class names: a data set of class folders that `onsight train` reads."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError, OnsightError, SinkError
from onsight_edge.files import atomic_path
from onsight_edge.images import SUFFIXES

BUDGET_BYTES = 1 << 30
MOST_CLASSES = 1000
_RESERVE_BYTES = 64 * 2**20  # left free on the disk, whatever the budget
_LEAST_SIDE = 128  # pixels: smaller pictures are kept without loss
_QUALITY = 95
_BESIDE_LETTERS = frozenset(" _.+-")
_SPLITS = frozenset({"train", "val", "valid", "validation", "test"})  # names that mean something to a data set's reader


def check_class_name(name: str) -> str:
    """The name as a folder is called after it, in Unicode's composed form.

    Raises:
        DataError: it is no class name: empty, too long, one that means something else, or not made of letters, digits,
            spaces and `_ . + -` with a letter or a digit first.
    """
    name = unicodedata.normalize("NFC", name).strip()
    kinds = [unicodedata.category(one)[0] for one in name]
    fits = all(kind in "LNM" or one in _BESIDE_LETTERS for one, kind in zip(name, kinds, strict=True))
    if not fits or kinds[:1] not in (["L"], ["N"]) or name.endswith(".") or len(name.encode()) > 100:
        raise DataError(
            "a class name begins with a letter or a digit, holds letters, digits, spaces, _ . + or -, "
            "and has at most 100 bytes"
        )
    if name.lower() in _SPLITS:
        raise DataError(f"{name} names a part of a data set and no class: choose another name")
    return name


@dataclass(frozen=True, slots=True)
class Saved:
    """A picture that was saved.

    Attributes:
        path: the file.
        label: its class.
        size: in bytes.
    """

    path: Path
    label: str
    size: int

    @property
    def name(self) -> str:
        """`CLASS/FILE`."""
        return f"{self.label}/{self.path.name}"


class Collector:
    """Saves pictures below one folder, within a budget. Any thread may call it."""

    def __init__(self, folder: Path, budget_bytes: int = BUDGET_BYTES) -> None:
        """Collect into `folder`, which is made when the first picture is saved; what it holds counts too."""
        self.folder, self.budget_bytes = folder, budget_bytes
        self._lock = threading.Lock()
        self._used: int | None = None

    def save(self, image_bgr: NDArray[np.uint8], label: str, frame: int) -> Saved:
        """Save a picture.

        Args:
            image_bgr: (H, W, 3) uint8 BGR.
            label: the class, checked by `check_class_name`.
            frame: the index of its frame; becomes part of the file's name.

        Raises:
            DataError: no class name.
            SinkError: the budget is used up, the disk is full, or the folder cannot be written to.
        """
        label = check_class_name(label)
        suffix = ".png" if min(image_bgr.shape[:2]) < _LEAST_SIDE else ".jpg"
        parameters = () if suffix == ".png" else (cv2.IMWRITE_JPEG_QUALITY, _QUALITY)
        _, encoded = cv2.imencode(suffix, image_bgr, parameters)
        data = encoded.tobytes()
        with self._lock:
            try:
                folder = self.folder / label
                if not folder.is_dir() and len(self.counts()) >= MOST_CLASSES:
                    raise SinkError(f"{self.folder} has {MOST_CLASSES} classes, which is the most that is made here")
                self._check_room(len(data))
                folder.mkdir(parents=True, exist_ok=True)
                if folder.resolve() != self.folder.resolve() / label:
                    raise SinkError(f"{folder} leads elsewhere: a class folder may be no link")
                path = _free_name(folder, frame, suffix)
                with atomic_path(path) as temporary:
                    temporary.write_bytes(data)
            except OSError as error:
                raise SinkError(f"cannot write below {self.folder}: {error.strerror}") from error
            except OnsightError as error:
                raise error if isinstance(error, SinkError) else SinkError(str(error)) from error
            self._used = (self._used or 0) + len(data)
        return Saved(path, label, len(data))

    def counts(self) -> dict[str, int]:
        """Class -> how many pictures it has, sorted by name."""
        try:
            folders = sorted(one for one in self.folder.iterdir() if one.is_dir() and not one.name.startswith("."))
            return {one.name: sum(file.suffix.lower() in SUFFIXES for file in one.iterdir()) for one in folders}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SinkError(f"cannot read {self.folder}: {error.strerror}") from error

    def used_bytes(self) -> int:
        """What all files in the folder take."""
        if self._used is None:
            self._used = folder_bytes(self.folder)
        return self._used

    def _check_room(self, size: int) -> None:
        if self.used_bytes() + size > self.budget_bytes:
            raise SinkError(
                f"{self.folder} has reached its {self.budget_bytes / 2**20:g} MiB: take pictures away or allow it more"
            )
        place = self.folder
        while not place.exists():
            place = place.parent
        if shutil.disk_usage(place).free < size + _RESERVE_BYTES:
            kept = f"{_RESERVE_BYTES >> 20} MiB that stay free"
            raise SinkError(f"cannot write below {self.folder}: the disk is full, but for {kept}")


def folder_bytes(folder: Path) -> int:
    """What all files below a folder take; 0 where there is none."""
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):  # gone in the meantime
                total += (Path(root) / name).lstat().st_size
    return total


def time_name() -> str:
    """The time as it stands in files' names: `20260131-142501.250`, UTC."""
    return datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S.%f")[:-3]


def _free_name(folder: Path, frame: int, suffix: str) -> Path:
    stem = f"{time_name()}-{frame}"
    path = folder / f"{stem}{suffix}"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path
