"""Near-copies: planted ones are found, different pictures are not."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from onsight_edge.datasets.duplicates import NearCopy, near_copies

Array = np.ndarray  # type: ignore[type-arg]
COUNT = 60


def scenes(count: int, side: int = 32, channels: int = 3, first: int = 0) -> Array:
    """Different pictures with large shapes and fine texture, each from a seed of its own."""
    found = []
    for seed in range(first, first + count):
        random = np.random.default_rng(seed)
        picture = np.tile(random.random(3) * 0.7, (64, 64, 1)).astype(np.float32)
        for _ in range(8):
            corner = random.integers(0, 64, 2)
            far = corner + random.integers(5, 40, 2)
            cv2.rectangle(picture, corner.tolist(), far.tolist(), random.random(3).tolist(), -1)
        picture += cv2.GaussianBlur(random.standard_normal((64, 64, 1)).astype(np.float32), (0, 0), 2)[:, :, None] / 3
        shrunk = cv2.resize(np.clip(40 + 150 * picture, 0, 255), (side, side), interpolation=cv2.INTER_AREA)
        found.append(shrunk.astype(np.uint8)[:, :, :channels])
    return np.stack(found)


def jpeg(image: Array, quality: int = 75) -> Array:
    read = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_UNCHANGED)
    return np.asarray(read).reshape(image.shape)


CHANGES: dict[str, Callable[[Array], Array]] = {
    "copy": lambda image: image,
    "brighter": lambda image: np.clip(image.astype(int) + 40, 0, 255).astype(np.uint8),
    "paler": lambda image: (image * 0.6 + 60).astype(np.uint8),
    "mirrored": lambda image: image[:, ::-1],
    "jpeg": jpeg,
    "moved": lambda image: cv2.copyMakeBorder(image[1:, :-1], 0, 1, 1, 0, cv2.BORDER_REPLICATE).reshape(image.shape),
    "mirrored, darker, jpeg": lambda image: jpeg(np.ascontiguousarray(image[:, ::-1] // 2), 90),
}


@pytest.mark.parametrize(("side", "channels"), [(32, 3), (32, 1), (80, 3)])
@pytest.mark.parametrize("change", CHANGES)
def test_a_planted_copy_is_found(change: str, side: int, channels: int) -> None:
    train = scenes(COUNT, side, channels)
    test = scenes(20, side, channels, first=COUNT)
    test[7] = CHANGES[change](train[41])
    found = near_copies(test, train)
    assert [(one.picture, one.copy) for one in found] == [(7, 41)]
    assert found[0].mirrored == ("mirrored" in change) and found[0].exact == (change == "copy")
    assert found[0].likeness >= 0.6


def test_different_pictures_are_not_copies_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    found = near_copies(scenes(30, first=500), scenes(200), lambda done, total: told.append((done, total)))
    assert found == () and told[-1] == (30, 30)


def test_of_several_copies_the_most_alike_is_named() -> None:
    train = scenes(COUNT)
    test = train[12:13].copy()
    train[20], train[30] = jpeg(train[12], 95), jpeg(train[12])
    assert near_copies(test, train) == (NearCopy(0, 12, False, True, 1.0),)
    train[12] = scenes(1, first=900)[0]
    found = near_copies(test, train)
    assert [(one.copy, one.exact) for one in found] == [(20, False)]


def test_flat_pictures_are_copies_only_where_they_are_equal() -> None:
    flat = np.stack([np.full((32, 32, 3), value, np.uint8) for value in (0, 90, 255)])
    found = near_copies(flat, flat[1:2])
    assert [(one.picture, one.exact) for one in found] == [(1, True)]


def test_nothing_to_search() -> None:
    none = np.empty((0, 32, 32, 3), np.uint8)
    assert near_copies(none, scenes(2)) == () and near_copies(scenes(2), none) == ()
