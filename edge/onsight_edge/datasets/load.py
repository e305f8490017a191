"""load_dataset: from a name or a path to a Dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets import duplicates, splits
from onsight_edge.datasets.dataset import Dataset, Split
from onsight_edge.datasets.folder import read_folder
from onsight_edge.datasets.named import ARRAYS, NAMED, SETS, read_cache
from onsight_edge.datasets.npz import read_npz
from onsight_edge.datasets.parts import Parts, assemble
from onsight_edge.errors import DataError
from onsight_edge.files import canonical_json, printable, sha256_bytes
from onsight_edge.geometry import WHOLE, View
from onsight_edge.spec import Colour, Resize


def load_dataset(
    uri: str,
    *,
    size_wh: tuple[int, int] | None = None,
    colour: Colour = "rgb",
    resize: Resize = "squash",
    view: View = WHOLE,
    validation: float = 0.1,
    seed: int = 0,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Load labelled pictures and split them.

    Args:
        uri: `cifar10`, `fashion_mnist`, a folder of class folders, or a .npz file.
        size_wh: width and height to bring the pictures to. None: as they are; a folder of pictures of different
            sizes, or larger ones than 256 pixels, comes out 96x96.
        colour: channel order to bring them to.
        resize: how other proportions are fitted.
        view: what of each picture is looked at, and which way up.
        validation: the fraction of the training pictures that validate, where none are set apart already.
        seed: decides every split.
        limit: at most so many pictures a split, stratified; for quick runs.
        on_progress: told (pictures read, pictures there) while a folder is read. File descriptor 2 leads nowhere
            meanwhile, because of what the decoders print: to show something, write to a copy of it (os.dup).

    Raises:
        DataError: not there, not cached yet, damaged, or not a data set; an argument is out of range.
    """
    if uri in NAMED:
        parts = _read_named(uri)
    else:
        path = Path(uri).expanduser()
        if (shown := printable(str(path.absolute()))) != str(path.absolute()):
            raise DataError(f"{shown}: the path is not UTF-8, so no record could name it: rename it")
        try:
            if path.is_dir():
                parts = read_folder(
                    path, size_wh=size_wh, colour=colour, resize=resize, view=view, on_progress=on_progress
                )
            elif path.suffix.lower() == ".npz":
                parts = read_npz(path)
            else:
                what = "is not a data set" if path.exists() else "is not there"
                raise DataError(f"{uri} {what}: expected {', '.join(NAMED)}, a folder of class folders or a .npz file")
        except OSError as error:  # a folder that may not be entered, too long a name
            raise DataError(f"cannot read {error.filename or uri}: {error.strerror or error}") from error
    return assemble(
        parts,
        size_wh=size_wh,
        colour=colour,
        resize=resize,
        view=view,
        validation=validation,
        seed=seed,
        limit=limit,
    )


def calibration_images(split: Split, classes: int | Sequence[str], count: int, seed: int) -> NDArray[np.uint8]:
    """Pictures to calibrate a quantizer with: seeded, and as many of every class as there can be.

    Args:
        split: the *training* part: calibrating on test pictures would leak them into the model.
        classes: the class names, or how many there are.
        count: how many pictures to take; fewer come back where the split has fewer.
        seed: same seed, same pictures.

    Returns:
        (count, height, width, channels) uint8, the classes in turn.

    Raises:
        DataError: the split is empty, or the count is not positive.
    """
    if not len(split):
        raise DataError("there is no picture to calibrate with: the split is empty")
    number = classes if isinstance(classes, int) else len(classes)
    return split.images[splits.balanced(split.labels, number, count, seed)]


def _read_named(name: str) -> Parts:
    arrays, digests = read_cache(name)
    made = {
        part: Split(
            arrays[f"x_{part}"].reshape(*arrays[f"x_{part}"].shape[:3], -1), arrays[f"y_{part}"].astype(np.int64)
        )
        for part in ("train", "test")
    }
    height, width = SETS[name].shape[:2]
    return Parts(
        name=name,
        uri=name,
        classes=SETS[name].classes,
        train=made["train"],
        validation=None,
        test=made["test"],
        groups=duplicates.same_picture([made["train"].images, made["test"].images]),
        content=sha256_bytes(canonical_json([digests[key] for key in ARRAYS]).encode()),
        sizes=Counter({(width, height): len(made["train"]) + len(made["test"])}),
    )
