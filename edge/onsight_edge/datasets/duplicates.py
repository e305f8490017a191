"""Pictures that are equal, or nearly. A copy of a training picture in the test part flatters the accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LEAST_OVERALL, LEAST_DETAIL = 0.85, 0.6
_CHUNK = 1024
_GRID, _NEAREST, _LEAST_COARSE, _FLAT = 8, 3, 0.75, 1e-3
_CELLS = 5_000_000  # cosines at a time: 20 MB
_SIZE, _MOVES = 32, 2  # pixels


def same_picture(parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.int64]:
    """Number the distinct pictures of several arrays.

    Args:
        parts: arrays of (N, ...) pictures, all pictures of one shape.

    Returns:
        (sum of N,) numbers, over the arrays one after the other: the position of the first picture that is equal
        to it pixel for pixel, its own where it has no copy before it.
    """
    hashes = np.concatenate([_hashes(part) for part in parts]) if parts else np.empty(0, np.uint64)
    numbers = np.arange(len(hashes))
    starts = np.cumsum([0, *(len(part) for part in parts)])
    order = np.argsort(hashes, kind="stable")
    equal = hashes[order][1:] == hashes[order][:-1]
    seen: dict[bytes, int] = {}
    # few are left: those whose hash another one has. Only equal bytes make them copies.
    for position in np.sort(order[np.append(equal, False) | np.insert(equal, 0, False)]):
        part = int(np.searchsorted(starts, position, side="right")) - 1
        picture = parts[part][position - starts[part]].tobytes()
        numbers[position] = seen.setdefault(picture, int(position))
    return numbers


def across(groups: NDArray[np.int64], splits: NDArray[np.int64], names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Copies that stand in different splits.

    Args:
        groups: (N,) equal numbers for equal pictures.
        splits: (N,) in which split each stands.
        names: (N,) what to call them.

    Returns:
        (name in the earliest split, name in a later split) for every copy, ordered by position.
    """
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    members: dict[int, list[int]] = {}
    for position in np.flatnonzero(counts[inverse.reshape(-1)] > 1).tolist():  # few: those that have a copy
        members.setdefault(int(groups[position]), []).append(position)
    pairs: list[tuple[int, int]] = []
    for copies in members.values():
        first = min(copies, key=lambda position: int(splits[position]))
        pairs.extend((first, other) for other in copies if splits[other] != splits[first])
    return tuple((names[first], names[other]) for first, other in sorted(pairs))


@dataclass(frozen=True, slots=True)
class NearCopy:
    """A picture, and one elsewhere that shows the same.

    Attributes:
        picture: its position.
        copy: the other's position.
        mirrored: the other is left-right reversed.
        exact: equal pixel for pixel.
        likeness: correlation of their fine detail, `LEAST_DETAIL`..1.
    """

    picture: int
    copy: int
    mirrored: bool
    exact: bool
    likeness: float


def near_copies(
    pictures: NDArray[np.uint8],
    others: NDArray[np.uint8],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[NearCopy, ...]:
    """Pictures of which a copy or a near-copy stands among others, also mirrored, brighter, paler, moved or compressed.

    Candidates are the `_NEAREST` others whose coarse structure is most alike: cosines of the low frequencies of an 8x8
    reduction, weighted by the root of their frequency, so that skies and horizons do not decide; mirroring negates
    the odd horizontal ones. Two pictures of 32x32 then count as copies where, at the best displacement of up to 2
    pixels, their pixels correlate by `LEAST_OVERALL` and their detail, what a Gaussian blur of 1.5 pixels takes away,
    by `LEAST_DETAIL`. Chosen on CIFAR-10 (docs/evaluation.md); in sets whose pictures all look alike, such as digits,
    different ones pass too.

    Args:
        pictures: (N, height, width, channels) uint8, RGB or grey.
        others: (M, height, width, channels) uint8, of the same channels.
        on_progress: called with pictures done and in all.

    Returns:
        For each picture that has one, the most alike, ordered by `picture`.
    """
    exact = same_picture([others, pictures])[len(others) :] if pictures.shape[1:] == others.shape[1:] else np.empty(0)
    best = {
        place: NearCopy(place, int(first), False, True, 1.0)
        for place, first in enumerate(exact.tolist())
        if first < len(others)
    }
    for place, other, mirrored in _candidates(pictures, others, on_progress):
        found = best.get(place)
        if found is not None and found.exact:
            continue
        likeness = _likeness(pictures[place, :, ::-1] if mirrored else pictures[place], others[other])
        if likeness >= LEAST_DETAIL and (found is None or likeness > found.likeness):
            best[place] = NearCopy(place, other, mirrored, False, likeness)
    return tuple(best[place] for place in sorted(best))


def _candidates(
    pictures: NDArray[np.uint8], others: NDArray[np.uint8], on_progress: Callable[[int, int], None]
) -> Iterator[tuple[int, int, bool]]:
    """(picture, other, mirrored) of coarse structures that are alike."""
    if not len(pictures) or not len(others):
        return
    mirror = np.where([across % 2 for _, across, _ in _frequencies(pictures.shape[3])], -1, 1).astype(np.float32)
    known, asked = np.ascontiguousarray(_coarse(others).T), _coarse(pictures)
    rows = max(1, _CELLS // len(others))
    for start in range(0, len(asked), rows):
        part = asked[start : start + rows]
        every = np.arange(len(part))
        for mirrored in (False, True):
            cosines = (part * mirror if mirrored else part) @ known
            for _ in range(min(_NEAREST, len(others))):
                nearest = cosines.argmax(axis=1)
                alike = np.flatnonzero(cosines[every, nearest] >= _LEAST_COARSE)
                yield from ((start + int(row), int(nearest[row]), mirrored) for row in alike)
                cosines[every, nearest] = -2.0
        on_progress(min(start + rows, len(asked)), len(asked))


def _coarse(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, frequencies) of length 1, or all 0 for a picture without structure."""
    frequencies = _frequencies(images.shape[3])
    found = np.empty((len(images), len(frequencies)), np.float32)
    places = np.arange(_GRID)
    cosine = np.cos(np.pi * (places[:, np.newaxis] * 2 + 1) * places / (2 * _GRID))
    basis = np.stack(
        [
            np.outer(cosine[:, down], cosine[:, across]).reshape(-1) * math.hypot(down, across) ** 0.5
            for _, across, down in frequencies
        ],
        axis=1,
    ).astype(np.float32)
    basis /= np.sqrt((cosine**2).sum(axis=0))[[f[1] for f in frequencies]]
    basis /= np.sqrt((cosine**2).sum(axis=0))[[f[2] for f in frequencies]]
    planes = np.array([plane for plane, _, _ in frequencies])
    for start in range(0, len(images), _CHUNK):
        small = [cv2.resize(i, (_GRID, _GRID), interpolation=cv2.INTER_AREA) for i in images[start : start + _CHUNK]]
        pixels = np.stack(small).astype(np.float32).reshape(len(small), _GRID * _GRID, -1)
        if pixels.shape[2] == 3:  # brightness, and how red and blue differ from it
            light = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
            pixels = np.stack([light, pixels[:, :, 0] - light, pixels[:, :, 2] - light], axis=2)
        for plane in range(pixels.shape[2]):
            found[start : start + len(small), planes == plane] = pixels[:, :, plane] @ basis[:, planes == plane]
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(np.where(lengths > _FLAT, found / np.maximum(lengths, _FLAT), 0.0), np.float32)


def _frequencies(channels: int) -> list[tuple[int, int, int]]:
    """(plane, across, down): many of brightness, few of the two colour differences."""
    return [
        (plane, across, down)
        for plane in range(channels)
        for down in range(_GRID)
        for across in range(_GRID)
        if 0 < across + down <= (8 if plane == 0 else 3)
    ]


def _likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The detail's correlation at the best displacement; 0 where the pictures as a whole differ."""
    first, second = _at_size(one), _at_size(other)
    overall = cv2.matchTemplate(second, first[_MOVES:-_MOVES, _MOVES:-_MOVES], cv2.TM_CCOEFF_NORMED)
    if overall.max() < LEAST_OVERALL:
        return 0.0
    fine = cv2.matchTemplate(_detail(second), _detail(first)[_MOVES:-_MOVES, _MOVES:-_MOVES], cv2.TM_CCOEFF_NORMED)
    return float(fine.max())


def _at_size(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    if image.shape[:2] != (_SIZE, _SIZE):
        how = cv2.INTER_AREA if max(image.shape[:2]) > _SIZE else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (_SIZE, _SIZE), interpolation=how), np.uint8)
    # OpenCV wants grey pictures without their third axis
    return image.reshape(_SIZE, _SIZE, *([3] if image.size > _SIZE * _SIZE else [])).astype(np.float32)


def _detail(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(image - cv2.GaussianBlur(image, (0, 0), 1.5, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A 64-bit checksum of each picture, through one integer matrix product: 25 ms for 60,000 of 32x32."""
    size = int(np.prod(images.shape[1:]))
    padded = np.zeros((min(_CHUNK, len(images)), -(-size // 8) * 8), np.uint8)
    words = padded.view(np.uint64)
    weights = np.asarray(np.random.PCG64(0).random_raw(words.shape[1]), np.uint64) | np.uint64(1)
    hashes = np.empty(len(images), np.uint64)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        padded[: len(chunk), :size] = chunk.reshape(len(chunk), size)
        hashes[start : start + len(chunk)] = words[: len(chunk)] @ weights
    return hashes
