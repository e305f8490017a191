"""The whole way from a float network to its 8-bit file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import UsageError
from onsight_export.quantize.choose import (
    VALIDATION_PICTURES,
    Candidate,
    best,
    estimators_to_try,
    measure,
    ranges_of,
    sizes_to_try,
)
from onsight_export.quantize.network import Network
from onsight_export.quantize.statistics import gather
from onsight_export.quantize.types import Int8Options, Int8Report, Int8Result, Labelled, Progress


def make_int8(
    network: Network, calibration: NDArray[np.uint8], validation: Labelled, options: Int8Options, progress: Progress
) -> Int8Result:
    """Gather, try, choose.

    Args:
        network: in either format.
        calibration: (N, height, width, channels) uint8 training pictures; every prefix is class-balanced.
        validation: to choose by; at least one picture.
        options: see Int8Options.
        progress: see Progress.

    Raises:
        UsageError: a layer to keep in float is none of the network's.
        ModelError: the quantizer refused.
    """
    kept = frozenset(options.keep_float)
    unknown = sorted(kept.difference(network.layers))
    if unknown:
        raise UsageError(
            f"{network.name}: no layer {unknown[0]!r} to keep in float; there are {', '.join(network.layers)}"
        )
    validation = validation.evenly(VALIDATION_PICTURES)
    sizes, estimators = sizes_to_try(options.pictures, len(calibration)), estimators_to_try(options.estimator)
    gathered = gather(
        network.observe,
        calibration[: sizes[-1]],
        sizes,
        histograms=estimators != ("minmax",),
        progress=lambda done, total: progress(f"observe {network.name}", done, total),
    )
    candidates: list[Candidate] = []
    total = len(sizes) * len(estimators)
    for size in sizes:
        for estimator in estimators:
            progress(f"choose {network.name}", len(candidates), total)
            ranges = ranges_of(gathered[size], estimator)
            found = measure(network, network.quantize(ranges, kept), validation)
            candidates.append(Candidate(size, estimator, ranges, found))
    progress(f"choose {network.name}", total, total)
    chosen = best(candidates)
    reference = float((validation.reference.argmax(axis=1) == validation.labels).mean())
    report = Int8Report(
        pictures=chosen.pictures,
        estimator=chosen.estimator,
        validation=len(validation),
        accuracy=chosen.measured.accuracy,
        drop_points=100 * (reference - chosen.measured.accuracy),
        tried=tuple(candidate.tried() for candidate in candidates),
        sensitivity=None,
        left_float=tuple(layer for layer in network.layers if layer in kept),
        why="",
    )
    return Int8Result(chosen.measured.data, report)
