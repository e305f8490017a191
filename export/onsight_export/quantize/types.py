"""What goes into a quantization to 8 bits, and what comes out of it besides the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import UsageError

ESTIMATORS = ("minmax", "percentile", "mse", "entropy")

Progress = Callable[[str, int, int], None]
"""Told what is being done, steps done and steps in all."""


@dataclass(frozen=True, slots=True)
class Int8Options:
    """How to quantize.

    Attributes:
        pictures: how many of the calibration pictures to take; None: as many as validation shows to be best.
        estimator: one of ESTIMATORS; None: the one that validation shows to be best.
        max_drop_points: percentage points of validation accuracy that may be lost against Keras; where every
            candidate loses more, the worst layers are left in float.
        sensitivity: whether to measure what every layer costs, even where nothing demands it.
        keep_float: Keras layers to leave in float in any case.
        float_io: TFLite only: take and give float32 instead of uint8.
    """

    pictures: int | None = None
    estimator: str | None = None
    max_drop_points: float = 1.0
    sensitivity: bool = False
    keep_float: tuple[str, ...] = ()
    float_io: bool = False

    def __post_init__(self) -> None:
        if self.estimator not in (None, *ESTIMATORS):
            raise UsageError(f"estimator must be {', '.join(ESTIMATORS)}, not {self.estimator!r}")
        if self.pictures is not None and self.pictures < 1:
            raise UsageError(f"calibration needs at least 1 picture, not {self.pictures}")


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Pictures to choose by: of the validation part, never of the test part.

    Attributes:
        pixels: (N, height, width, channels) uint8.
        labels: (N,) class positions.
        reference: (N, classes) float32, what Keras answers.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.integer]
    reference: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """Share of the pictures whose class Keras finds."""
        return float((self.reference.argmax(axis=1) == self.labels).mean())

    def evenly(self, count: int) -> Labelled:
        """At most `count` of them, evenly spread."""
        count = min(count, len(self))
        at = np.arange(count) * len(self) // max(count, 1)
        return Labelled(self.pixels[at], self.labels[at], self.reference[at])


@dataclass(frozen=True, slots=True)
class Tried:
    """One candidate, measured on the validation pictures.

    Attributes:
        pictures: it was calibrated on.
        estimator: that its ranges come from.
        accuracy: share of the pictures whose class it finds.
        agreement: share on which it names Keras's class.
        mean_difference: of its scores from Keras's, absolute.
    """

    pictures: int
    estimator: str
    accuracy: float
    agreement: float
    mean_difference: float


@dataclass(frozen=True, slots=True)
class LayerSensitivity:
    """What it costs to quantize one layer and no other, on the validation pictures.

    Attributes:
        layer: its Keras name, or what the file calls it where that is lost.
        accuracy: of the network with this layer alone in 8 bits.
        drop_points: what that loses against Keras, in percentage points; negative where it gains.
        agreement: share of pictures on which it names Keras's class.
        mean_difference: of its scores from Keras's, absolute: tells layers apart where accuracy cannot.
    """

    layer: str
    accuracy: float
    drop_points: float
    agreement: float
    mean_difference: float


@dataclass(frozen=True, slots=True)
class Int8Report:
    """How a file came to its ranges.

    Attributes:
        pictures, estimator: the choice.
        validation: on how many pictures it was measured; 0 where nothing was left to choose.
        accuracy, drop_points: of the file on these, and what it loses against Keras in percentage points; None
            where nothing was measured.
        tried: every candidate.
        sensitivity: every layer, the costliest first; None where it was not asked for and not needed.
        left_float: the layers that are not in 8 bits.
        why: the choice in a sentence.
    """

    pictures: int
    estimator: str
    validation: int
    accuracy: float | None
    drop_points: float | None
    tried: tuple[Tried, ...]
    sensitivity: tuple[LayerSensitivity, ...] | None
    left_float: tuple[str, ...]
    why: str

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Int8Result:
    """A quantized network.

    Attributes:
        data: the bytes of a .tflite file, or an onnx.ModelProto; without metadata yet.
        report: how it came about.
    """

    data: Any
    report: Int8Report
