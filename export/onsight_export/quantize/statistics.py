"""What every tensor of a network takes on calibration pictures, gathered once for all candidates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import ModelError
from onsight_export.quantize.ranges import BINS, NOTHING, Histogram

Values = Mapping[str, NDArray[np.float32]]
Observe = Callable[[NDArray[np.uint8]], Iterator[tuple[int, Values]]]
"""Runs pictures through the float network: yields how many were run, and the tensors that they gave, by name."""

_MOST_VALUES = 32768  # of one tensor and one picture: a 112x112x96 one has 1.2 million, and as many tell no more


class _Tensor:
    def __init__(self) -> None:
        self.minimum = self.maximum = 0.0  # a range must contain 0 anyway
        self.counts = np.zeros(BINS, np.int64)
        self.zeros = 0


def gather(
    observe: Observe,
    pictures: NDArray[np.uint8],
    sizes: Sequence[int],
    histograms: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[int, dict[str, Histogram]]:
    """A histogram of every tensor for every calibration size.

    Two passes: the bins' edges must be known before values can be counted. Smallest and largest value are taken of
    all values, counts of an evenly spread part of large tensors.

    Args:
        observe: see Observe. Called with parts of `pictures`.
        pictures: (N, height, width, channels) uint8; a size takes the first so many.
        sizes: ascending, each at most N.
        histograms: whether counts are needed; min-max does without the second pass.
        progress: called with pictures done and in all.

    Raises:
        ModelError: a tensor takes values that are not finite.
    """
    tensors: dict[str, _Tensor] = {}
    parts = list(zip([0, *sizes[:-1]], sizes, strict=True))
    passes = 2 if histograms else 1
    done, total = 0, passes * sizes[-1]
    extremes: dict[int, dict[str, tuple[float, float]]] = {}
    for start, stop in parts:
        for count, values in observe(pictures[start:stop]):
            for name, value in values.items():
                tensor = tensors.setdefault(name, _Tensor())
                low, high = float(value.min()), float(value.max())
                if not (math.isfinite(low) and math.isfinite(high)):
                    raise ModelError(
                        "a layer of the network gives values that are not finite on a training picture: 8 bits cannot "
                        "hold them; look for a division or a logarithm of 0 in it"
                    )
                tensor.minimum, tensor.maximum = min(tensor.minimum, low), max(tensor.maximum, high)
            done += count
            progress(done, total)
        extremes[stop] = {name: (tensor.minimum, tensor.maximum) for name, tensor in tensors.items()}
    edges = extremes[sizes[-1]]
    gathered: dict[int, dict[str, Histogram]] = {}
    for start, stop in parts:
        if histograms:
            for count, values in observe(pictures[start:stop]):
                for name, value in values.items():
                    _count(tensors[name], value, edges[name], count)
                done += count
                progress(done, total)
        gathered[stop] = {
            name: Histogram(*edges[name], tensor.counts.copy(), tensor.zeros, *extremes[stop][name])
            for name, tensor in tensors.items()
        }
    return gathered


def _count(tensor: _Tensor, value: NDArray[np.float32], edges: tuple[float, float], pictures: int) -> None:
    low, high = edges
    if high - low < NOTHING:
        tensor.zeros += value.size
        return
    flat = value.reshape(-1)
    step = math.ceil(flat.size / (_MOST_VALUES * pictures))
    while math.gcd(step, flat.size) != 1:  # a common divisor would take some channels and never others
        step += 1
    flat = flat[::step]
    flat = flat[flat != 0]
    tensor.zeros += math.ceil(value.size / step) - flat.size
    bins = ((flat - low) * (BINS / (high - low))).astype(np.int32)
    tensor.counts += np.bincount(np.minimum(bins, BINS - 1), minlength=BINS)
