"""The whole way from a float network to its 8-bit file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import BackendError, DataError, ModelError, UsageError
from onsight_export.quantize.choose import (
    VALIDATION_PICTURES,
    Candidate,
    best,
    estimators_to_try,
    level_with_best,
    measure,
    ranges_of,
    sizes_to_try,
)
from onsight_export.quantize.network import Network
from onsight_export.quantize.sensitivity import layer_sensitivity, leave_in_float
from onsight_export.quantize.statistics import gather
from onsight_export.quantize.types import Int8Options, Int8Report, Int8Result, Labelled, Progress


def make_int8(
    network: Network, calibration: NDArray[np.uint8], validation: Labelled, options: Int8Options, progress: Progress
) -> Int8Result:
    """Gather ranges, compare the candidates, choose; where the best loses too much, leave layers in float.

    Args:
        network: in either format.
        calibration: (N, height, width, channels) uint8 training pictures; every prefix is class-balanced.
        validation: to choose by; at least one picture.
        options: see Int8Options.
        progress: see Progress.

    Raises:
        UsageError: a layer to keep in float is none of the network's. DataError: there are no pictures.
        ModelError: the quantizer refused.
    """
    if not len(validation) or not len(calibration):
        raise DataError(f"{network.name}: quantizing needs pictures to calibrate on, and others to compare on")
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
    refused: BackendError | None = None
    total = len(sizes) * len(estimators)
    for size in sizes:
        for estimator in estimators:
            progress(f"choose {network.name}", len(candidates), total)
            ranges = ranges_of(gathered[size], estimator)
            try:
                found = measure(network, network.quantize(ranges, kept), validation)
            except BackendError as error:  # LiteRT refuses some scales, such as those of a layer that gives nearly 0
                refused = error
                continue
            candidates.append(Candidate(size, estimator, ranges, found))
    progress(f"choose {network.name}", total, total)
    if not candidates:
        raise ModelError(f"{network.name}: the runtime executes no candidate: {refused}")
    chosen = best(candidates)
    made, left = chosen.measured, kept
    lost = 100 * (validation.accuracy - made.accuracy)
    too_much = lost > options.max_drop_points
    sensitivity = None
    if options.sensitivity or too_much:
        sensitivity = layer_sensitivity(
            network,
            chosen.ranges,
            kept,
            validation,
            lambda done, of: progress(f"measure layers of {network.name}", done, of),
        )
    if too_much and sensitivity:
        made, left = leave_in_float(
            network,
            chosen.ranges,
            kept,
            sensitivity,
            validation,
            options.max_drop_points,
            lambda done, of: progress(f"leave layers of {network.name} in float", done, of),
        )
        if left == frozenset(network.layers):
            raise ModelError(
                f"{network.name}: it loses {lost:.2f} points on validation pictures, and no more than --max-drop "
                f"{options.max_drop_points:g} only with no layer in 8 bits: no bundle was written; leave it "
                "out with --quant, or allow it with --max-drop"
            )
    report = Int8Report(
        pictures=chosen.pictures,
        estimator=chosen.estimator,
        validation=len(validation),
        accuracy=made.accuracy,
        drop_points=round(100 * (validation.accuracy - made.accuracy), 6),
        tried=tuple(candidate.tried() for candidate in candidates),
        sensitivity=sensitivity,
        left_float=tuple(layer for layer in network.layers if layer in left),
        why=_why(candidates, chosen, validation, options, lost, left - kept),
    )
    return Int8Result(made.data, report)


def _why(
    candidates: list[Candidate],
    chosen: Candidate,
    validation: Labelled,
    options: Int8Options,
    lost: float,
    added: frozenset[str],
) -> str:
    """The choice in a sentence or two."""
    what = f"{chosen.estimator} on {chosen.pictures} pictures"
    if len(candidates) == 1:
        text = f"{what}, as asked for"
    else:
        others = len(level_with_best(candidates)) - 1
        why = "is the most accurate" if not others else f"is closest to Keras of {others + 1} that are equally accurate"
        text = f"{what} {why}, of {len(candidates)} compared on {len(validation)} pictures"
    if added:
        layers = "1 layer stays" if len(added) == 1 else f"{len(added)} layers stay"
        text += f"; it loses {lost:.2f} points there, more than {options.max_drop_points:g}: {layers} in float"
    return text
