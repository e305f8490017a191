"""What a worker is asked to open, and what it has then. Imported in every peer's environment: no package but NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """One model for one runtime.

    Attributes:
        model: the file, or the bundle for onsight itself.
        variant: which of the bundle's; "" for a file.
        option: which of an adapter's ways, such as a backend of onsight's.
        threads: for one inference.
        size_wh: of the model's input.
        classes: how many.
        dtype: of the file's input tensor.
        planes_first: the input is (1, 3, height, width), not (1, height, width, 3).
        scale: what a pixel 0..255 must be multiplied by, where the file has no such step of its own.
    """

    model: str
    variant: str = ""
    option: str = ""
    threads: int = 1
    size_wh: tuple[int, int] = (0, 0)
    classes: int = 0
    dtype: str = "uint8"
    planes_first: bool = False
    scale: float = 1.0


@dataclass(frozen=True)
class Opened:
    """A model that is ready.

    Attributes:
        classify: (480, 640, 3) uint8 BGR frame -> the best class's number.
        version: the runtime's.
        detail: what really executes, where the runtime tells.
    """

    classify: Callable[[Any], int]
    version: str
    detail: str = ""
