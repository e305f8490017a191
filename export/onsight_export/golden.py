"""The golden samples of a bundle: chosen so that a wrong answer on the device shows, and a sound one never does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.classifier import Classifier
from onsight_edge.golden import FRAMES, Golden
from onsight_edge.spec import ModelSpec
from onsight_export.quiet import quiet
from onsight_export.variants import Variant

_SEED = 4
_CANDIDATES = 96
_STEP = 32  # frames have every 32nd value only: a network finds as much in them, and they pack to a seventh
_BEST_MARGIN = 0.6  # of the best score over the second: far from a tie, and not where every score is 0 or 1
_TIMES_JITTER = 2.0
_MOST_TOLERANCE = 0.5  # less than the margin that is looked for: another class is never within it
# how far a score may be away elsewhere, by quantization: other processors, runtimes and kernels round in other places.
# What was seen on arm64 and with other kernels, and the margin above it: docs/bundle.md
TOLERANCE = {"float32": 0.01, "float16": 0.02, "int16x8": 0.02, "dynamic": 0.05, "int8": 0.1}
_BYTES = ("int8", "dynamic")


def make_golden(files: Mapping[Variant, Path], spec: ModelSpec, pictures: NDArray[np.uint8] | None = None) -> Golden:
    """Choose frames and ask every finished file for its scores.

    A variant's tolerance is its number format's. Where activations have 8 bits it is twice what changing every pixel
    by at most one step does to its scores, if that is more, and at most 0.5: how far a rounding
    carries depends on the network.

    Args:
        files: finished files that carry their spec.
        spec: what they expect and answer.
        pictures: (N, height, width, channels) uint8 in the spec's size and colour to choose from, such as test
            pictures; None draws seeded, smooth patterns larger than the input, which show nothing of anybody.

    Returns:
        16 frames (fewer where fewer pictures are given) with scores and tolerances by variant.
    """
    candidates = _patterns(spec) if pictures is None else _as_frames(pictures, spec)
    judge = next((variant for variant in files if variant.quantization == "float32"), next(iter(files)))
    frames = candidates[_chosen(_scores(files[judge], candidates))]
    scores: dict[str, NDArray[np.float32]] = {}
    tolerance: dict[str, float] = {}
    random = np.random.default_rng(_SEED)
    nearly = frames.astype(np.int16) + random.integers(-1, 2, frames.shape, np.int16)
    jittered = np.clip(nearly, 0, 255).astype(np.uint8)
    for variant, path in files.items():
        scores[variant.name] = _scores(path, frames)
        tolerance[variant.name] = TOLERANCE[variant.quantization]
        if variant.quantization in _BYTES:
            moved = float(np.abs(_scores(path, jittered) - scores[variant.name]).max())
            wide = max(TOLERANCE[variant.quantization], _TIMES_JITTER * moved)
            tolerance[variant.name] = round(min(wide, _MOST_TOLERANCE), 4)
    return Golden(frames, scores, tolerance)


def _scores(path: Path, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    with quiet():  # LiteRT announces its delegate on stderr
        opened = Classifier.open(path, trusted=True)
    with opened as classifier:
        return np.stack([classifier.classify(frame).scores for frame in frames])


def _chosen(scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """Positions of the samples: every class that is answered in turn, those with the clearest margin first."""
    ranked = np.sort(scores, axis=1)
    unclear = np.abs(ranked[:, -1] - ranked[:, -2] - _BEST_MARGIN)
    answers = scores.argmax(axis=1)
    turn = np.zeros(len(scores), np.intp)
    for answer in np.unique(answers):
        of_class = np.flatnonzero(answers == answer)
        turn[of_class[np.argsort(unclear[of_class], kind="stable")]] = np.arange(len(of_class))
    return np.sort(np.lexsort((unclear, turn))[:FRAMES])


def _patterns(spec: ModelSpec) -> NDArray[np.uint8]:
    """Seeded soft patterns, (96, H, W, 3) uint8: of other proportions than the input and larger, so that all is used.

    Less than four times larger: that resize (see `Preprocessor`) is the same to the bit on arm64 and x86-64.
    """
    width, height = spec.input_size_wh
    random = np.random.default_rng(_SEED)
    size_wh = (width + (width + 1) // 2, height + (height + 3) // 4)
    rows, columns = np.mgrid[: size_wh[1], : size_wh[0]]
    frames = np.empty((_CANDIDATES, size_wh[1], size_wh[0], 3), np.uint8)
    for frame in frames:
        cells = int(random.integers(2, 6))
        coarse = random.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
        soft = cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC)
        for _ in range(int(random.integers(1, 4))):  # blobs with edges, which a gradient has none of
            at = random.uniform(0.2, 0.8, 2) * (size_wh[1], size_wh[0])
            radius = random.uniform(0.08, 0.35, 2) * (size_wh[1], size_wh[0])
            inside = ((rows - at[0]) / radius[0]) ** 2 + ((columns - at[1]) / radius[1]) ** 2 < 1
            soft[inside] = random.uniform(0, 255, 3)
        frame[:] = np.clip(soft, 0, 255).astype(np.uint8) // _STEP * _STEP
    return frames


def _as_frames(pictures: NDArray[np.uint8], spec: ModelSpec) -> NDArray[np.uint8]:
    chosen = pictures[np.random.default_rng(_SEED).permutation(len(pictures))[:_CANDIDATES]]
    if spec.colour == "grey":
        return np.repeat(chosen, 3, axis=3)
    return np.ascontiguousarray(chosen[..., ::-1]) if spec.colour == "rgb" else chosen
