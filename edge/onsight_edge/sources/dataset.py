"""dataset://: the pictures of a labelled set played as a camera, with the truth known.

Each picture is magnified to the frame size with nearest neighbour, so that a frame is made of flat blocks. The
preprocessing then averages within blocks only and gives back the very pixels of the set: what the live loop scores
must equal what the file scores on the same pictures, and a difference is a fault of the live path and not of an
interpolation. It holds for models that squash to the set's own picture size.
"""

from __future__ import annotations

import time

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets import Split, load_dataset
from onsight_edge.errors import SourceError, UsageError
from onsight_edge.frame import Frame
from onsight_edge.sources.source import Health, Pacer, check_fps, number_option, parse_size, split_options, whole_option

OPTIONS = ("fps", "size", "seed", "split")
SPLITS = ("test", "validation", "train")


class DatasetSource:
    """A split of a labelled set at a fixed rate, in an order drawn from a seed."""

    def __init__(
        self,
        uri: str,
        split: Split,
        classes: tuple[str, ...],
        *,
        fps: float | None = 30.0,
        size_wh: tuple[int, int] = (640, 480),
        seed: int = 0,
        loop: bool = False,
    ) -> None:
        """Make a camera of `split`.

        Args:
            uri: for people.
            split: RGB or grey pictures and their labels.
            classes: the names that the labels count.
            fps: frames a second; None delivers them as fast as they are taken, and is not live.
            size_wh: width and height of the frames in pixels.
            seed: of the order; equal seeds play equal orders.
            loop: begin again at the end, in the same order.

        Raises:
            SourceError: the split is empty.
            UsageError: the rate makes no sense.
        """
        if not len(split):
            raise SourceError(f"{uri}: this split holds no picture")
        self.uri = uri
        self.live = fps is not None
        self.fps = fps
        self.size_wh = size_wh
        self.health = Health()
        self._split, self._classes, self._loop = split, classes, loop
        self._order = np.random.default_rng(seed).permutation(len(split))
        self._pacer = None if fps is None else Pacer(fps)
        self._closed = False
        self._index = 0

    def read(self) -> Frame | None:
        """The next picture as a frame; None after the last. Its name is its position in the split, or its file's."""
        if self._closed or (self._index >= len(self._order) and not self._loop):
            return None
        if self._pacer is not None and not self._pacer.wait():
            return None
        at = int(self._order[self._index % len(self._order)])
        name = self._split.names[at] if self._split.names else str(at)
        truth = self._classes[int(self._split.labels[at])]
        image = magnified(self._split.images[at], self.size_wh)
        frame = Frame(image, self._index, time.monotonic_ns(), truth, name)
        self._index += 1
        return frame

    def close(self) -> None:
        """Stop delivering."""
        self._closed = True
        if self._pacer is not None:
            self._pacer.close()


def magnified(pixels: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """A set's picture (h, w, 3) RGB or (h, w, 1) grey as a frame (H, W, 3) BGR made of flat blocks."""
    code = cv2.COLOR_GRAY2BGR if pixels.shape[-1] == 1 else cv2.COLOR_RGB2BGR
    bgr = cv2.cvtColor(pixels, code)
    return cv2.resize(bgr, size_wh, interpolation=cv2.INTER_NEAREST)  # type: ignore[return-value]


def open_dataset_source(
    uri: str, *, fps: float | None = None, size_wh: tuple[int, int] | None = None, loop: bool = False
) -> DatasetSource:
    """Open `dataset://cifar10?split=test&seed=0&fps=30&size=640x480`; fps=0: as fast as frames are taken.

    Raises:
        DataError: there is no such set, or it cannot be read.
        SourceError: the split is empty.
        UsageError: an option is unknown or makes no sense.
    """
    name, options = split_options(uri, OPTIONS)
    if not name:
        raise UsageError(f"{uri}: name a set or a path, such as dataset://cifar10 or dataset://photos/")
    part = options.get("split", "test")
    if part not in SPLITS:
        raise UsageError(f"{uri}: split must be one of {', '.join(SPLITS)}, not {part!r}")
    asked = number_option(uri, options, "fps", 30.0) if fps is None else fps
    rate = None if asked == 0 else check_fps(asked)
    size = size_wh or parse_size(options.get("size", "640x480"))
    seed = whole_option(uri, options, "seed", 0)
    data = load_dataset(name)
    split: Split = getattr(data, part)
    return DatasetSource(uri, split, data.classes, fps=rate, size_wh=size, seed=seed, loop=loop)
