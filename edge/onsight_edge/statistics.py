"""What a model's training pictures are like, in a few numbers: the yardstick of the sentinel."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from onsight_edge.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIPPED = 250  # a pixel with a channel from here on is overexposed
FEATURES = {1: 3, 3: 8}  # by channels


@dataclass(frozen=True, slots=True)
class InputStatistics:
    """Statistics of the training pictures as the model sees them, in the spec's size and colour.

    Attributes:
        pictures: how many they were taken from.
        mean: (F,) mean of `features`.
        precision: (F, F) inverse of their covariance.
        distance: 99.9 % of the training pictures are not further from the mean (squared Mahalanobis distance).
        luma_low, luma_high: 99.8 % of them have a mean brightness, 0..255, between these.
        clipped: 99.9 % of them have no larger share of overexposed pixels.
        swap_weight: what one picture says for swapped channels is this times the difference of its distances as it is
            and swapped, halved: a logarithm of odds, fitted on training pictures. 0 for grey pictures.
    """

    pictures: int
    mean: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    distance: float
    luma_low: float
    luma_high: float
    clipped: float
    swap_weight: float

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "mean": list(self.mean), "precision": [list(row) for row in self.precision]}

    @classmethod
    def from_json(cls, value: Any) -> InputStatistics:
        """Read what `to_json` wrote.

        Raises:
            ModelError: a key is missing, unknown or of the wrong kind.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(value, dict) or set(value) != known:
            raise ModelError(f"input_statistics must have the keys {', '.join(sorted(known))}")
        mean, precision = _numbers(value["mean"]), value["precision"]
        rows = [_numbers(row) for row in precision] if isinstance(precision, list) else []
        if len(mean) not in FEATURES.values() or len(rows) != len(mean) or {len(row) for row in rows} != {len(mean)}:
            raise ModelError("input_statistics: mean and precision must be of 3 or 8 features")
        single = _numbers([value[name] for name in known - {"mean", "precision", "pictures"}])
        if not isinstance(value["pictures"], int) or value["pictures"] < 1 or min(single) < 0:
            raise ModelError("input_statistics: pictures must be a whole number from 1, and no limit below 0")
        limits = {name: float(value[name]) for name in known - {"mean", "precision", "pictures"}}
        return cls(pictures=value["pictures"], mean=mean, precision=tuple(rows), **limits)


def features(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the statistics are made of.

    Args:
        pixels: (N, height, width, channels) uint8 with 1 or 3 channels.

    Returns:
        (N, 3 or 8) float32: mean of each channel (0..255), logarithm of each channel's standard deviation, of the mean
        difference between neighbours in a row, and, of colour pictures, of the mean colourfulness (largest channel
        minus smallest).
    """
    count, channels = len(pixels), pixels.shape[-1]
    values = pixels.astype(np.float32)
    found = np.empty((count, FEATURES[channels]), np.float32)
    found[:, :channels] = values.mean(axis=(1, 2))
    found[:, channels : 2 * channels] = np.log1p(values.std(axis=(1, 2)))
    light = values.mean(axis=-1) if channels == 3 else values[..., 0]
    if pixels.shape[2] > 1:
        found[:, 2 * channels] = np.log1p(np.abs(light[:, :, 1:] - light[:, :, :-1]).mean(axis=(1, 2)))
    else:
        found[:, 2 * channels] = 0
    if channels == 3:
        largest = np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
        smallest = np.minimum(np.minimum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
        found[:, 7] = np.log1p((largest - smallest).mean(axis=(1, 2), dtype=np.float32))
    return found


def swapped(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """`features` of the same colour pictures with the first and the third channel swapped, (N, 8) float32."""
    return found[:, [2, 1, 0, 5, 4, 3, 6, 7]]


def luma(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean brightness 0..255 out of `features`, (N,) float32: all channels alike."""
    return found[:, 0] if found.shape[1] == FEATURES[1] else found[:, :3].mean(axis=1)


def clipped_share(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Share of pixels with a channel at its upper end, (N,) float32, of (N, height, width, channels) uint8."""
    largest = pixels[..., 0]
    for channel in range(1, pixels.shape[-1]):
        largest = np.maximum(largest, pixels[..., channel])
    share: NDArray[np.float32] = (largest >= CLIPPED).mean(axis=(1, 2), dtype=np.float32)
    return share


def distances(
    found: NDArray[np.float32], mean: NDArray[np.float64], precision: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared Mahalanobis distances of (N, F) features from the training's mean, (N,) float64."""
    away = found - mean
    return np.einsum("ni,ij,nj->n", away, precision, away)  # type: ignore[no-any-return]


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise ModelError("input_statistics: expected a list of numbers")
    for one in value:
        if isinstance(one, bool) or not isinstance(one, int | float) or not abs(one) < 1e30:
            raise ModelError(f"input_statistics: expected a finite number, not {one!r}")
    return tuple(float(one) for one in value)
