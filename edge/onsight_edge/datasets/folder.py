"""Pictures in class folders: `root/CLASS/*.jpg`, or `root/{train,val,test}/CLASS/*.jpg`."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets.convert import preprocessor, room_for
from onsight_edge.datasets.dataset import LeftOut, Split
from onsight_edge.datasets.parts import Parts, check_classes
from onsight_edge.errors import DataError
from onsight_edge.files import canonical_json, printable, sha256_bytes
from onsight_edge.geometry import View
from onsight_edge.images import SUFFIXES, decode_image
from onsight_edge.preprocess import Preprocessor
from onsight_edge.quiet import quiet_stderr
from onsight_edge.spec import Colour, Resize

MIXED_WH = (96, 96)  # what MobileNets for small devices take
MAX_OWN_SIDE = 256  # a folder of equal pictures keeps their size up to here: photographs would not fit a network
_SPLIT_FOLDERS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A picture file that was found: its path, what to call it, where it belongs."""

    path: Path
    name: str
    split: str
    label: int


@dataclass(frozen=True, slots=True)
class _Read:
    """What reading a file gave: its size and a digest of its pixels, or why it cannot be used."""

    size_wh: tuple[int, int] = (0, 0)
    pixels: bytes = b""
    reason: str = ""


def read_folder(
    root: Path,
    *,
    size_wh: tuple[int, int] | None,
    colour: Colour,
    resize: Resize,
    view: View,
    on_progress: Callable[[int, int], None] | None = None,
) -> Parts:
    """Read every picture below `root`, brought to one size and colour; see `load_dataset` for the arguments.

    A folder `train` of class folders means that the files are split already; `val` (or `valid`, `validation`)
    and `test` beside it are optional. Else every folder in `root` is a class. Classes are sorted by name;
    folders within a class belong to it; hidden files are passed over. A file that cannot be used is listed in
    `left_out` with the reason.

    Raises:
        DataError: fewer than two classes, or one without a usable training picture.
    """
    folders, outside = _class_folders(root)
    classes = tuple(sorted({folder.name for split, folder in folders if split == "train"}))
    left_out = list(outside)
    files: list[_File] = []
    for split, folder in folders:
        if folder.name not in classes:
            raise DataError(
                f"{folder} is a class that the training folder lacks: its classes are {', '.join(classes[:10])}"
            )
        for path in _walk(folder):
            name = printable(path.relative_to(root).as_posix())
            if path.suffix.lower() in SUFFIXES:
                files.append(_File(path, name, split, classes.index(folder.name)))
            else:
                left_out.append(LeftOut(name, f"not a picture file: expected {', '.join(sorted(SUFFIXES))}"))
    if len(classes) < 2:
        raise DataError(
            f"{root} has {len(classes)} class folder{'s' * (len(classes) != 1)}"
            f"{f' ({classes[0]})' if classes else ''}: a classifier needs at least two, each a folder of pictures"
        )
    with quiet_stderr():  # what libpng, libjpeg and OpenCV print about damaged pictures stands in left_out
        images, read, notes = _read_all(files, root, size_wh, colour, resize, view, on_progress)
    left_out += [LeftOut(file.name, got.reason) for file, got in zip(files, read, strict=True) if got.reason]
    _check_left(root, files, read, left_out, classes)
    return _parts(root, classes, files, images, read, tuple(sorted(left_out, key=lambda f: f.name)), notes)


def _class_folders(root: Path) -> tuple[list[tuple[str, Path]], list[LeftOut]]:
    """(split, class folder) in a fixed order, and what stands outside."""
    entries = _listing(root)
    outside = [LeftOut(printable(e.name), "stands outside the class folders") for e in entries if not e.is_dir()]
    folders = [entry for entry in entries if entry.is_dir()]
    inside = {f: _listing(f) for f in folders if f.name.lower() in _SPLIT_FOLDERS}
    split_already = any(
        f.name.lower() == "train" and any(e.is_dir() for e in es) and not any(e.suffix.lower() in SUFFIXES for e in es)
        for f, es in inside.items()
    )
    if not split_already:
        return [("train", folder) for folder in folders], outside
    outside += [LeftOut(printable(f.name), "is none of train, val, test") for f in folders if f not in inside]
    order = ("train", "validation", "test")
    found = []
    for folder, entries in sorted(inside.items(), key=lambda item: order.index(_SPLIT_FOLDERS[item[0].name.lower()])):
        split = _SPLIT_FOLDERS[folder.name.lower()]
        found += [(split, entry) for entry in entries if entry.is_dir()]
        outside += [
            LeftOut(printable(f"{folder.name}/{entry.name}"), "stands outside the class folders")
            for entry in entries
            if not entry.is_dir()
        ]
    return found, outside


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror}") from error


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below, sorted, hidden ones passed over; links are followed, each real folder once."""
    seen: set[str] = set()
    pending = [folder]
    while pending:
        current = pending.pop()
        real = os.path.realpath(current)
        if real in seen:
            continue
        seen.add(real)
        entries = _listing(current)
        yield from (entry for entry in entries if not entry.is_dir())
        pending.extend(reversed([entry for entry in entries if entry.is_dir()]))


def _read_all(
    files: list[_File],
    root: Path,
    size_wh: tuple[int, int] | None,
    colour: Colour,
    resize: Resize,
    view: View,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[NDArray[np.uint8], list[_Read], tuple[str, ...]]:
    if size_wh is not None:
        images, read = _read_to(files, root, size_wh, colour, resize, view, on_progress)
        return images, read, ()
    first = next((got.size_wh for file in files if not (got := _read(file, None)[0]).reason), MIXED_WH)
    if max(first) <= MAX_OWN_SIDE:
        images, read = _read_to(files, root, view.turned(first), colour, resize, view, on_progress, only=first)
        if all(got.reason or got.size_wh == first for got in read):
            return images, read, ()
    images, read = _read_to(files, root, MIXED_WH, colour, resize, view, on_progress)
    sizes = {got.size_wh for got in read if not got.reason}
    what = f"{len(sizes)} sizes" if len(sizes) > 1 else f"{first[0]}x{first[1]} pixels"
    note = f"the pictures have {what} and were brought to {MIXED_WH[0]}x{MIXED_WH[1]}: choose another size if you like"
    return images, read, (note,)


def _read_to(
    files: list[_File],
    root: Path,
    size_wh: tuple[int, int],
    colour: Colour,
    resize: Resize,
    view: View,
    on_progress: Callable[[int, int], None] | None,
    only: tuple[int, int] | None = None,
) -> tuple[NDArray[np.uint8], list[_Read]]:
    """Read all files into one array; stop early at a picture that has not the size `only`."""
    channels = preprocessor(size_wh, colour, resize, view).spec.channels
    room_for(len(files), size_wh, channels, str(root))
    images = np.zeros((len(files), size_wh[1], size_wh[0], channels), np.uint8)
    workers = threading.local()
    stop = threading.Event()

    def work(place: int) -> _Read:
        if stop.is_set():
            return _Read()
        pictures: Preprocessor | None = getattr(workers, "pictures", None)
        if pictures is None:  # its buffers are not for two threads
            pictures = workers.pictures = preprocessor(size_wh, colour, resize, view)
        got, image = _read(files[place], pictures)
        if image is not None:
            images[place] = image
            if only is not None and got.size_wh != only:
                stop.set()
        return got

    read: list[_Read] = []
    # decoding is OpenCV's, which lets go of the interpreter; a picture is small again before the next is read
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for got in pool.map(work, range(len(files))):
                read.append(got)
                if on_progress is not None and not stop.is_set():
                    on_progress(len(read), len(files))
        finally:  # Ctrl-C must not wait for the rest
            stop.set()
    return images, read


def _read(file: _File, pictures: Preprocessor | None) -> tuple[_Read, NDArray[np.uint8] | None]:
    try:
        image = decode_image(file.path.read_bytes())
    except DataError as error:
        return _Read(reason=str(error)), None
    except OSError as error:
        return _Read(reason=f"cannot be read: {error.strerror}"), None
    height, width = image.shape[:2]
    digest = hashlib.blake2b(image.data, digest_size=16, key=f"{width}x{height}".encode()).digest()
    return _Read((width, height), digest), None if pictures is None else pictures.pixels(image)


def _check_left(
    root: Path, files: list[_File], read: list[_Read], left_out: list[LeftOut], classes: tuple[str, ...]
) -> None:
    usable = {file.label for file, got in zip(files, read, strict=True) if file.split == "train" and not got.reason}
    for label, name in enumerate(classes):
        if label not in usable:
            mine = [item for item in left_out if name in Path(item.name).parts[:-1]]
            why = "; ".join(f"{item.name} {item.reason}" for item in mine[:3]) or "its folder is empty"
            raise DataError(f"{root}: the class {name} has no usable training picture: {why}")


def _parts(
    root: Path,
    classes: tuple[str, ...],
    files: list[_File],
    images: NDArray[np.uint8],
    read: list[_Read],
    left_out: tuple[LeftOut, ...],
    notes: tuple[str, ...],
) -> Parts:
    made: dict[str, Split] = {}
    digests: list[bytes] = []
    content = []
    for split in ("train", "validation", "test"):
        mine = [i for i, (f, got) in enumerate(zip(files, read, strict=True)) if f.split == split and not got.reason]
        if not mine:
            continue
        whole = len(mine) == len(files)
        labels = np.array([files[i].label for i in mine], np.int64)
        made[split] = Split(images if whole else images[mine], labels, tuple(files[i].name for i in mine))
        digests += [read[i].pixels for i in mine]
        content += [[files[i].name, read[i].pixels.hex()] for i in mine]
    check_classes(made["train"], classes, str(root))
    _, groups = np.unique(np.array([digest.hex() for digest in digests]), return_inverse=True)
    return Parts(
        name=printable(root.resolve().name),
        uri=str(root.absolute()),
        classes=classes,
        train=made["train"],
        validation=made.get("validation"),
        test=made.get("test"),
        groups=groups.reshape(-1),
        content=sha256_bytes(canonical_json(content).encode()),
        sizes=Counter(got.size_wh for got in read if not got.reason),
        left_out=left_out,
        notes=notes,
        converted=True,
    )
