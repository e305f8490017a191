"""Collecting without a page: pictures of a source into one class, without those that show nothing new."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.collect import Collector, Saved
from onsight_edge.datasets.duplicates import near_copies
from onsight_edge.errors import DataError
from onsight_edge.files import printable
from onsight_edge.images import SUFFIXES, read_image
from onsight_edge.sources.source import Source

MOST_COMPARED = 500  # pictures of the class, the newest ones: a look at them all takes some milliseconds
_SIDE = 64  # pixels; what is compared is not finer


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collecting came to.

    Attributes:
        frames: that the source delivered.
        saved: pictures that were saved.
        alike: pictures that were left out because one of the class shows the same.
        damaged: frames that could not be decoded in full.
    """

    frames: int
    saved: int
    alike: int
    damaged: int


class Known:
    """The newest pictures of a class, small, and whether another one shows the same as one of them."""

    def __init__(self) -> None:
        self._pictures: deque[NDArray[np.uint8]] = deque(maxlen=MOST_COMPARED)

    @classmethod
    def of(cls, files: Iterable[Path]) -> Known:
        """Those of files; damaged ones are passed over."""
        known = cls()
        for file in files:
            with contextlib.suppress(DataError):
                known.add(read_image(file))
        return known

    def add(self, image_bgr: NDArray[np.uint8]) -> None:
        """Remember (H, W, 3) uint8 BGR."""
        self._pictures.append(_small(image_bgr))

    def has_alike(self, image_bgr: NDArray[np.uint8]) -> bool:
        """Whether one of them shows the same, perhaps mirrored, brighter, or moved a little (`near_copies`)."""
        if not self._pictures:
            return False
        return bool(near_copies(_small(image_bgr)[np.newaxis], np.stack(self._pictures)))


def collect_frames(
    source: Source,
    collector: Collector,
    label: str,
    *,
    count: int,
    every_s: float,
    known: Known | None,
    on_saved: Callable[[Saved], None] = lambda saved: None,
) -> Collected:
    """Save pictures of a source until there are enough, or it ends or is closed.

    Args:
        source: open; closed by the caller, which ends this from any thread.
        collector: saves.
        label: the class, checked by `check_class_name`.
        count: how many to save.
        every_s: seconds from one picture to the next at least; of a video file seconds within the video, and without
            meaning for pictures that have no rate.
        known: what the class has already, in order to leave out what shows the same; None saves those too.
        on_saved: called with each.

    Raises:
        SourceError: the source failed. SinkError: a picture cannot be saved.
    """
    frames = saved = alike = damaged = 0
    next_s: float | None = None
    while saved < count and (frame := source.read()) is not None:
        frames += 1
        rated = source.live or source.fps
        at_s = frame.captured_ns / 1e9 if source.live else frame.index / (source.fps or 1.0)
        if rated and next_s is not None and at_s < next_s:
            continue
        try:
            image = frame.picture()
        except DataError:
            damaged += 1
            continue
        next_s = at_s + every_s
        if known is not None:
            if known.has_alike(image):
                alike += 1
                continue
            known.add(image)
        on_saved(collector.save(image, label, frame.index))
        saved += 1
    return Collected(frames, saved, alike, damaged)


def newest_files(folder: Path) -> list[Path]:
    """The last of the picture files of a class folder by name, which begins with the time for those saved here."""
    if not folder.is_dir():
        return []
    files = sorted(
        (one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES), key=lambda one: printable(one.name)
    )
    return files[-MOST_COMPARED:]


def _small(image_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = cv2.resize(image_bgr, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
