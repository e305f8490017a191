"""What a reader hands on: pictures as they were found, before they are split, limited and converted."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets import duplicates, splits
from onsight_edge.datasets.convert import convert
from onsight_edge.datasets.dataset import Dataset, LeftOut, Split
from onsight_edge.errors import DataError
from onsight_edge.files import canonical_json, sha256_bytes
from onsight_edge.geometry import View
from onsight_edge.spec import Colour, Resize

TEST_FRACTION = 0.2
_SPLITS = ("train", "validation", "test")
_UNFIT = ("Cc", "Cs", "Zl", "Zp")  # control characters, surrogates (bytes that are no UTF-8), line and paragraph ends


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A data set as its files have it.

    Attributes:
        name, uri, classes: as in Dataset.
        train: the training pictures; all of them, where no others are set apart.
        validation, test: pictures that the files set apart; None where they do not.
        groups: (N,) over train, validation and test one after the other: equal numbers for equal pictures.
        content: digest of the pixels and labels.
        sizes: how many pictures of each (width, height) the files hold.
        left_out: files that could not be used.
        notes: what else a person should know, one sentence each.
        converted: the pictures are in the model's size and colour already.
    """

    name: str
    uri: str
    classes: tuple[str, ...]
    train: Split
    validation: Split | None
    test: Split | None
    groups: NDArray[np.int64]
    content: str
    sizes: Counter[tuple[int, int]]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    converted: bool = False


def assemble(
    parts: Parts,
    *,
    size_wh: tuple[int, int] | None,
    colour: Colour,
    resize: Resize,
    view: View,
    validation: float,
    seed: int,
    limit: int | None,
) -> Dataset:
    """Split, limit and convert; see `load_dataset` for the arguments.

    Raises:
        DataError: an argument is out of range, or a class has no training picture.
    """
    given = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    counts = [0 if part is None else len(part) for part in given.values()]
    starts = dict(zip(_SPLITS, np.cumsum([0, *counts])[:-1].tolist(), strict=True))
    labels = np.concatenate([part.labels for part in given.values() if part is not None])
    indices = {key: np.arange(start, start + n) for (key, start), n in zip(starts.items(), counts, strict=True)}
    for key, fraction in (("test", TEST_FRACTION), ("validation", validation)):
        if given[key] is None:
            whole = indices["train"]
            stays, goes = splits.split_off(labels[whole], fraction, seed, key, parts.groups[whole])
            indices["train"], indices[key] = whole[stays], whole[goes]
    names = _names(parts)
    where = np.full(len(labels), -1)
    for number, key in enumerate(_SPLITS):
        where[indices[key]] = number
    copies = duplicates.across(parts.groups, where, names)
    if limit is not None:
        indices = {key: part[splits.limited(labels[part], limit, seed)] for key, part in indices.items() if len(part)}
        indices = {key: indices.get(key, np.arange(0)) for key in _SPLITS}
    size_wh = size_wh or view.turned((parts.train.images.shape[2], parts.train.images.shape[1]))
    made: dict[str, Split] = {}
    for key in _SPLITS:
        source = given[key]
        start = starts["train"] if source is None else starts[key]
        pool = parts.train if source is None else source
        images = _take(pool.images, indices[key] - start)
        if not parts.converted:
            images = convert(images, size_wh, colour, resize, view)
        made[key] = Split(images, labels[indices[key]], tuple(names[i] for i in indices[key]) if pool.names else ())
    description = {
        "classes": list(parts.classes),
        "content": parts.content,
        "how": [list(size_wh), colour, resize, *([] if view.whole else [list(view)])],
        "splits": [sha256_bytes(indices[key].astype("<i8").tobytes()) for key in _SPLITS],
    }
    return Dataset(
        name=parts.name,
        uri=parts.uri,
        classes=parts.classes,
        train=made["train"],
        validation=made["validation"],
        test=made["test"],
        left_out=parts.left_out,
        duplicates=copies,
        sha256=sha256_bytes(canonical_json(description).encode()),
        source_sizes=tuple((w, h, n) for (w, h), n in sorted(parts.sizes.items(), key=lambda i: (-i[1], i[0]))),
        notes=parts.notes + _untested(parts.classes, made["test"]),
    )


def check_classes(train: Split, classes: tuple[str, ...], where: str) -> None:
    """Every class needs a name and a training picture.

    Raises:
        DataError: fewer than two classes, a name that is empty or cannot be printed, or a class without a picture.
    """
    if len(classes) < 2:
        raise DataError(f"{where}: a classifier needs at least two classes, found {len(classes)}")
    for name in classes:
        # labels are one a line inside a model, and a cell of every table
        if not name.strip() or any(unicodedata.category(char) in _UNFIT for char in name):
            raise DataError(
                f"{where}: {name!r} cannot be a class name: expected printable Unicode text without line ends"
            )
    counts = np.bincount(train.labels, minlength=len(classes))
    if empty := [classes[i] for i in np.flatnonzero(counts == 0)]:
        raise DataError(f"{where}: no training picture of {', '.join(empty[:5])}: every class needs one at least")


def _untested(classes: tuple[str, ...], test: Split) -> tuple[str, ...]:
    counts = np.bincount(test.labels, minlength=len(classes))
    missing = [classes[i] for i in np.flatnonzero(counts == 0)]
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    return (f"no test picture of {', '.join(missing[:5])}{more}",) if missing else ()


def _take(images: NDArray[np.uint8], indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The pictures at `indices`, ascending; without a copy where they are one run."""
    if len(indices) and indices[-1] - indices[0] + 1 == len(indices):
        return images[indices[0] : indices[-1] + 1]
    return images.take(indices, axis=0)


def _names(parts: Parts) -> list[str]:
    names: list[str] = []
    for key in _SPLITS:
        part: Split | None = getattr(parts, key)
        if part is not None:
            names.extend(part.names or (f"{key}[{place}]" for place in range(len(part))))
    return names
