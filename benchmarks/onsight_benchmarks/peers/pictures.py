"""The frames that every subject answers, so that labels stand beside speed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.picture import FRAME_SIZE_WH, synthetic_frame
from onsight_edge.datasets import load_dataset
from onsight_edge.errors import UsageError
from onsight_edge.spec import ModelSpec


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Frames in a file.

    Attributes:
        path: .npy of (N, 480, 640, 3) uint8 BGR.
        name: for the record.
        count: N.
        labels: (N,) the truth, where it is known.
        classes: what the labels stand for.
    """

    path: Path
    name: str
    count: int
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]

    def check(self, spec: ModelSpec) -> None:
        """Whether the labels are a model's.

        Raises:
            UsageError: the model knows other classes.
        """
        if self.labels is not None and self.classes != spec.classes:
            raise UsageError(f"{self.name} has other classes than {spec.name}: {', '.join(self.classes[:4])}, ...")


def write_pictures(folder: Path, data: str | None, count: int, seed: int) -> Pictures:
    """Write the frames: test pictures of a data set, every pixel repeated up to 640x480, or synthetic ones.

    Interpolation would add what no camera shows: of a picture magnified with a cubic, single points give back more of
    the small one than any average does, so that a resize that aliases would look better than one that does not.

    Args:
        folder: takes about 0.9 MB a frame.
        data: as `onsight val` takes it; None for synthetic frames, of which nobody knows the truth.
        count: how many; of a data set stratified.
        seed: of the first synthetic frame.

    Raises:
        UsageError: less than one. DataError: no such data set.
    """
    if count < 1:
        raise UsageError("--pictures must be at least 1")
    labels, small = None, None
    classes: tuple[str, ...] = ()
    if data is not None:
        dataset = load_dataset(data, limit=count)
        small, labels, classes = dataset.test.images, dataset.test.labels, dataset.classes
        count = len(small)
    width, height = FRAME_SIZE_WH
    path = folder / "frames.npy"
    frames: Any = np.lib.format.open_memmap(path, "w+", np.uint8, (count, height, width, 3))
    for row in range(count):
        if small is None:
            frames[row] = synthetic_frame(seed + row)
        else:
            bgr = np.ascontiguousarray(small[row][..., ::-1])
            frames[row] = cv2.resize(bgr, FRAME_SIZE_WH, interpolation=cv2.INTER_NEAREST)
    frames.flush()
    name = "synthetic frames" if data is None else f"{Path(data).name} test pictures, their pixels repeated"
    return Pictures(path, name, count, labels, classes)
