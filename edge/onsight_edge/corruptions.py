"""What cameras do to pictures: blur, noise, darkness, JPEG and too few pixels, each at five strengths.

After Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019.
Pictures whose shorter side is at most 64 pixels get the strengths of their CIFAR-10-C, larger ones those of
ImageNet-C, whose lengths in pixels (made for 224) are scaled to the picture. Both in NumPy and OpenCV alone. Different
from theirs: values are rounded to bytes, not cut; `dark` is ours, because theirs only brightens: each strength takes
away one more stop of light (half of it, in linear light, through the sRGB curve of IEC 61966-2-1).

Every function is a pure function of (picture, strength, seed). The draws do not depend on the strength, so that
strengths differ by their strength alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError

STRENGTHS = (1, 2, 3, 4, 5)
SMALL_SIDE = 64  # pixels: up to here CIFAR-10-C's strengths, above ImageNet-C's
_LARGE_SIDE = 224  # what ImageNet-C's lengths were made for
Picture = NDArray[np.uint8]
Seed = int | Sequence[int]
_T = TypeVar("_T")

# (CIFAR-10-C, ImageNet-C), as in make_cifar_c.py and make_imagenet_c.py of the paper's repository
_DISKS = (
    ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)),
    ((3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)),
)  # radius, sigma of the smoothing of its edge, in pixels
_MOTIONS = (
    ((6.0, 1.0), (6.0, 1.5), (6.0, 2.0), (8.0, 2.0), (9.0, 2.5)),
    ((10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0)),
)  # reach, sigma, in pixels
_DEVIATIONS = ((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38))  # of 1
_PHOTONS = ((500, 250, 100, 75, 50), (60, 25, 12, 5, 3))  # that make white
_QUALITIES = ((80, 65, 58, 50, 40), (25, 18, 15, 10, 7))
_SCALES = (0.6, 0.5, 0.4, 0.3, 0.25)  # of the width and height, ImageNet-C's


def defocus_blur(picture: Picture, strength: int, seed: Seed = 0) -> Picture:
    """Out of focus: every point becomes a disk. Nothing is drawn at random.

    Args:
        picture: (height, width, channels) uint8, RGB or grey; so in every function here.
        strength: 1..5.
        seed: decides what is random, the same for every strength.

    Returns:
        Its shape, uint8, a fresh array.

    Raises:
        DataError: not such a picture, or another strength.
    """
    radius, sigma = _at(_DISKS, picture, strength)
    kernel = _disk(radius * _length(picture), sigma)
    return _as(picture, cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT_101))


def motion_blur(picture: Picture, strength: int, seed: Seed = 0) -> Picture:
    """The camera or the thing moved: smeared to one side, in a direction within 45 degrees of horizontal.

    As ImageMagick's motion blur, which the paper uses: half a Gaussian along a line, whole pixels.
    """
    reach, sigma = (part * _length(picture) for part in _at(_MOTIONS, picture, strength))
    angle = np.random.default_rng(seed).uniform(-45, 45)
    steps = np.arange(2 * math.ceil(reach) + 1)
    weights = np.exp(-(steps**2) / (2 * max(sigma, 0.1) ** 2))
    across = np.ceil(steps * math.cos(math.radians(angle)) - 0.5).astype(np.int64)
    down = np.ceil(steps * math.sin(math.radians(angle)) - 0.5).astype(np.int64)
    kernel = np.zeros((int(np.ptp(down)) + 1, int(across.max()) + 1), np.float32)
    np.add.at(kernel, (down - down.min(), across), weights / weights.sum())
    anchor = (0, -int(down.min()))
    return _as(picture, cv2.filter2D(picture, -1, kernel, anchor=anchor, borderType=cv2.BORDER_REPLICATE))


def gaussian_noise(picture: Picture, strength: int, seed: Seed = 0) -> Picture:
    """The sensor's own noise: the same everywhere, independent for every pixel and channel."""
    deviation = 255 * _at(_DEVIATIONS, picture, strength)
    drawn = np.random.default_rng(seed).standard_normal(picture.shape, np.float32)
    return _bytes(picture + np.float32(deviation) * drawn)


def shot_noise(picture: Picture, strength: int, seed: Seed = 0) -> Picture:
    """Too few photons: each value is a Poisson count of them."""
    photons = _at(_PHOTONS, picture, strength)
    return _bytes(np.random.default_rng(seed).poisson(picture * (photons / 255)) * (255 / photons))


def dark(picture: Picture, strength: int, seed: Seed = 0) -> Picture:
    """Underexposed by `strength` stops: light divided by 2, 4, 8, 16, 32. Nothing is drawn at random."""
    _check(picture, strength)
    return _as(picture, cv2.LUT(picture, _exposure_table(strength)))


def jpeg(picture: Picture, strength: int, seed: Seed = 0) -> Picture:
    """Compressed hard. Nothing is drawn at random."""
    quality = _at(_QUALITIES, picture, strength)
    grey = picture.shape[2] == 1
    stored = picture if grey else picture[:, :, ::-1]
    done, encoded = cv2.imencode(".jpg", np.ascontiguousarray(stored), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    read = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR) if done else None
    if read is None:
        raise DataError(f"a picture of shape {picture.shape} cannot be encoded as JPEG")
    return _as(picture, read if grey else read[:, :, ::-1])


def low_resolution(picture: Picture, strength: int, seed: Seed = 0) -> Picture:
    """Too small or too far away: averaged to fewer pixels, then enlarged smoothly, as preprocessing enlarges.

    The paper's `pixelate` shows the pixels as blocks. Its factors for small pictures, 0.95 to 0.65, hardly differ once
    the enlarging is smooth: those for large pictures serve for both.
    """
    _check(picture, strength)
    scale = _SCALES[strength - 1]
    height, width = picture.shape[:2]
    few = (max(1, int(width * scale)), max(1, int(height * scale)))
    small = cv2.resize(picture, few, interpolation=cv2.INTER_AREA)
    return _as(picture, cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


CORRUPTIONS: MappingProxyType[str, Callable[[Picture, int, Seed], Picture]] = MappingProxyType(
    {
        "defocus-blur": defocus_blur,
        "motion-blur": motion_blur,
        "gaussian-noise": gaussian_noise,
        "shot-noise": shot_noise,
        "dark": dark,
        "jpeg": jpeg,
        "low-resolution": low_resolution,
    }
)


def corrupt(images: NDArray[np.uint8], name: str, strength: int, *, seed: int = 0, first: int = 0) -> NDArray[np.uint8]:
    """One corruption over many pictures.

    Args:
        images: (N, height, width, channels) uint8, RGB or grey.
        name: one of `CORRUPTIONS`.
        strength: 1..5.
        seed: of every draw.
        first: the position of the first of them in its set: what each picture draws depends on (seed, position).

    Returns:
        (N, height, width, channels) uint8, a fresh array.

    Raises:
        DataError: an unknown name or strength, or not such pictures.
    """
    if name not in CORRUPTIONS:
        raise DataError(f"no corruption {name!r}; there are {', '.join(CORRUPTIONS)}")
    apply, found = CORRUPTIONS[name], np.empty_like(images)
    for place, picture in enumerate(images):
        found[place] = apply(picture, strength, (seed, first + place))
    return found


def _at(tables: tuple[Sequence[_T], Sequence[_T]], picture: Picture, strength: int) -> _T:
    _check(picture, strength)
    return tables[min(picture.shape[:2]) > SMALL_SIDE][strength - 1]


def _check(picture: Picture, strength: int) -> None:
    if picture.ndim != 3 or picture.shape[2] not in (1, 3) or picture.dtype != np.uint8 or not picture.size:
        raise DataError(f"expected a picture (height, width, 1 or 3) uint8, not {picture.shape} {picture.dtype}")
    if strength not in STRENGTHS:
        raise DataError(f"strength must be 1..5, not {strength}")


def _length(picture: Picture) -> float:
    """What a length in the tables is multiplied by."""
    side = min(picture.shape[:2])
    return 1.0 if side <= SMALL_SIDE else side / _LARGE_SIDE


@lru_cache(maxsize=64)
def _disk(radius: float, sigma: float) -> NDArray[np.float32]:
    reach = math.ceil(radius) + 2  # room for the smoothed edge
    axis = np.arange(-reach, reach + 1)
    kernel = (axis[:, np.newaxis] ** 2 + axis**2 <= radius**2).astype(np.float32)
    size = (3, 3) if radius <= 8 else (5, 5)
    return np.asarray(cv2.GaussianBlur(kernel / kernel.sum(), size, sigma), np.float32)


@lru_cache(maxsize=8)
def _exposure_table(stops: int) -> NDArray[np.uint8]:
    encoded = np.arange(256) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4) / 2**stops
    again = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * again), np.uint8)


def _bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(np.clip(values, 0, 255)), np.uint8)


def _as(picture: Picture, found: NDArray[np.generic]) -> NDArray[np.uint8]:
    """OpenCV drops a single channel's axis."""
    return np.asarray(found, np.uint8).reshape(picture.shape)
